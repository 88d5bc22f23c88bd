/** Places in the memory that the runtime shares with its watchdog. */
export const slot = {
  /** Newest run that was to be interrupted; older ones still in progress are as well. */
  interrupted: 0,
  /** Oldest run in progress; 0 when idle. */
  oldest: 1,
  /** Newest run that has begun. */
  begun: 2,
  /** Attempts to interrupt that the runtime has seen. */
  seen: 3,
  /** 1 while the main thread writes to the protocol process: half a message would be the last. */
  writing: 4,
  /** 1 while the watchdog stops the main thread, which then must not begin to write. */
  stopping: 5,
} as const;

/** Memory with all the places. */
export function sharedMemory(): Int32Array {
  const bytes = Object.keys(slot).length * Int32Array.BYTES_PER_ELEMENT;
  return new Int32Array(new SharedArrayBuffer(bytes));
}
