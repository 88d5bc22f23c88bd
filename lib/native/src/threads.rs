//! A pool made for many short parallel regions: a decode step has hundreds of a few microseconds.
//!
//! Workers spin briefly for the next region before they park. A region is open while its caller
//! works; a worker that wakes too late simply misses it, so nobody waits for a sleeper.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const OPEN: u64 = 1 << 31;
const JOINED: u64 = OPEN - 1;
const SPIN: Duration = Duration::from_micros(80);

type Body = dyn Fn(usize) + Sync;

struct Job {
    body: *const Body,
    tasks: usize,
}

struct Shared {
    /// High half: the region's number. Bit 31: open. Below: workers inside.
    state: AtomicU64,
    next: AtomicUsize,
    job: UnsafeCell<Job>,
    panicked: AtomicBool,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

// `job` is written only while no worker is inside and published by `state`.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

pub struct Threads {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Threads {
    /// A pool of `threads` including the caller.
    pub fn new(threads: usize) -> Threads {
        fn nothing(_: usize) {}
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            next: AtomicUsize::new(0),
            job: UnsafeCell::new(Job { body: &(nothing as fn(usize)) as *const _, tasks: 0 }),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let workers = (1..threads.max(1))
            .map(|i| {
                let shared = shared.clone();
                std::thread::Builder::new()
                    .name(format!("mambalab-{i}"))
                    .spawn(move || worker(&shared))
                    .expect("the system refused to start a thread")
            })
            .collect();
        Threads { shared, workers }
    }

    pub fn count(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `body(0..tasks)` on all threads, each index once; returns when all are done.
    pub fn run(&self, tasks: usize, body: impl Fn(usize) + Sync) {
        if tasks <= 1 || self.workers.is_empty() {
            (0..tasks).for_each(body);
            return;
        }
        let shared = &*self.shared;
        let body: &(dyn Fn(usize) + Sync) = &body;
        // The borrow outlives the region: `run` leaves only after every worker has left it.
        let body: *const Body =
            unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static Body>(body) };
        unsafe { *shared.job.get() = Job { body, tasks } };
        shared.next.store(0, Relaxed);
        shared.panicked.store(false, Relaxed);
        let region = (shared.state.load(Relaxed) >> 32).wrapping_add(1) & 0xffff_ffff;
        shared.state.store(region << 32 | OPEN, SeqCst);
        if shared.sleepers.load(SeqCst) > 0 {
            drop(shared.lock.lock().unwrap());
            shared.wake.notify_all();
        }
        let mine = catch_unwind(AssertUnwindSafe(|| work(shared)));
        shared.state.fetch_and(!OPEN, AcqRel);
        let mut spins = 0u32;
        while shared.state.load(Acquire) & JOINED != 0 {
            spins += 1;
            if spins.is_multiple_of(4096) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        if let Err(panic) = mine {
            resume_unwind(panic);
        }
        if shared.panicked.load(Relaxed) {
            panic!("a worker thread panicked");
        }
    }

    /// Splits `0..n` into contiguous ranges of at least `grain` (the last may be shorter) and runs them.
    pub fn ranges(&self, n: usize, grain: usize, body: impl Fn(std::ops::Range<usize>) + Sync) {
        if n == 0 {
            return;
        }
        let grain = grain.max(1);
        let pieces = n.div_ceil(grain).min(self.count() * 4);
        let size = n.div_ceil(pieces);
        self.run(n.div_ceil(size), |i| body(i * size..((i + 1) * size).min(n)));
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        drop(self.shared.lock.lock().unwrap());
        self.shared.wake.notify_all();
        for w in self.workers.drain(..) {
            let _ = w.join();
        }
    }
}

fn work(shared: &Shared) {
    let job = unsafe { &*shared.job.get() };
    let body = unsafe { &*job.body };
    loop {
        let i = shared.next.fetch_add(1, Relaxed);
        if i >= job.tasks {
            return;
        }
        body(i);
    }
}

fn worker(shared: &Shared) {
    let mut seen = 0u64;
    loop {
        let idle = Instant::now();
        let mut spins = 0u32;
        let state = loop {
            let s = shared.state.load(Acquire);
            if s >> 32 != seen && s & OPEN != 0 {
                break s;
            }
            if shared.stop.load(Relaxed) {
                return;
            }
            spins += 1;
            if spins.is_multiple_of(256) && idle.elapsed() > SPIN {
                park(shared, seen);
            }
            std::hint::spin_loop();
        };
        if shared.state.compare_exchange(state, state + 1, AcqRel, Relaxed).is_err() {
            continue;
        }
        seen = state >> 32;
        if catch_unwind(AssertUnwindSafe(|| work(shared))).is_err() {
            shared.panicked.store(true, Relaxed);
        }
        shared.state.fetch_sub(1, AcqRel);
    }
}

fn park(shared: &Shared, seen: u64) {
    let mut guard = shared.lock.lock().unwrap();
    shared.sleepers.fetch_add(1, SeqCst);
    loop {
        let s = shared.state.load(SeqCst);
        if (s >> 32 != seen && s & OPEN != 0) || shared.stop.load(SeqCst) {
            break;
        }
        guard = shared.wake.wait(guard).unwrap();
    }
    shared.sleepers.fetch_sub(1, SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_runs_once() {
        for threads in [1, 2, 3, 8] {
            let pool = Threads::new(threads);
            for tasks in [0, 1, 2, 7, 1000] {
                for _ in 0..50 {
                    let hits: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                    pool.run(tasks, |i| {
                        hits[i].fetch_add(1, Relaxed);
                    });
                    assert!(hits.iter().all(|h| h.load(Relaxed) == 1));
                }
            }
        }
    }

    #[test]
    fn wakes_after_parking() {
        let pool = Threads::new(4);
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(2));
            let sum = AtomicUsize::new(0);
            pool.ranges(1001, 10, |r| {
                sum.fetch_add(r.sum::<usize>(), Relaxed);
            });
            assert_eq!(sum.into_inner(), 1000 * 1001 / 2);
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives() {
        let pool = Threads::new(3);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.run(64, |i| assert!(i != 40, "boom"));
        }));
        assert!(caught.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(10, |i| {
            sum.fetch_add(i, Relaxed);
        });
        assert_eq!(sum.into_inner(), 45);
    }
}
