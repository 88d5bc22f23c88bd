//! Kernels from source to machine code: NVRTC at first use, then a file in the cache by the hash of
//! source, architecture and compiler.

use crate::error::{Error, Result};
use crate::{ensure, fail};
use cudarc::nvrtc::{result, sys};
use std::ffi::{CStr, CString};
use std::path::PathBuf;

const COMMON: &str = include_str!("kernels/common.cuh");
const WEIGHTS: &str = include_str!("kernels/weights.cuh");
const CHUNKS: &str = concat!(include_str!("kernels/tiles.cuh"), "\n", include_str!("kernels/chunks.cuh"));
const FLASH: &str = include_str!("kernels/flash.cuh");

/// Every kernel file by name.
pub const FILES: &[(&str, &str)] = &[
    ("attention", include_str!("kernels/attention.cu")),
    ("attention_backward", include_str!("kernels/attention_backward.cu")),
    ("binary", include_str!("kernels/binary.cu")),
    ("conv_backward", include_str!("kernels/conv_backward.cu")),
    ("flash", include_str!("kernels/flash.cu")),
    ("flash_backward", include_str!("kernels/flash_backward.cu")),
    ("linear", include_str!("kernels/linear.cu")),
    ("matrix", include_str!("kernels/matrix.cu")),
    ("mixer_step", include_str!("kernels/mixer_step.cu")),
    ("model", include_str!("kernels/model.cu")),
    ("move", include_str!("kernels/move.cu")),
    ("reduce", include_str!("kernels/reduce.cu")),
    ("sample", include_str!("kernels/sample.cu")),
    ("scan", include_str!("kernels/scan.cu")),
    ("selective_backward", include_str!("kernels/selective_backward.cu")),
    ("ssd", include_str!("kernels/ssd.cu")),
    ("ssd_backward", include_str!("kernels/ssd_backward.cu")),
    ("train", include_str!("kernels/train.cu")),
    ("unary", include_str!("kernels/unary.cu")),
    ("weights", include_str!("kernels/weights.cu")),
];

/// Weight formats that products read.
const FORMATS: [&str; 8] = ["F32", "BF16", "F16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K"];

/// A file's whole source, for one weight format where it takes one.
fn source(file: &str, format: &str) -> Result<String> {
    let Some((_, body)) = FILES.iter().find(|(name, _)| *name == file) else {
        fail!("there is no kernel file {file}")
    };
    let define = if format.is_empty() { String::new() } else { format!("#define FORMAT {format}\n") };
    let shared = match file {
        "linear" | "weights" => WEIGHTS,
        "ssd" | "ssd_backward" => CHUNKS,
        "flash" | "flash_backward" => FLASH,
        _ => "",
    };
    Ok(format!("{define}{COMMON}\n{shared}\n#line 1 \"{file}.cu\"\n{body}"))
}

/// FNV-1a, twice with different starts: names a cache file.
fn hash(parts: &[&str]) -> String {
    let one = |start: u64| {
        parts
            .iter()
            .flat_map(|p| p.bytes().chain([0]))
            .fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    format!("{:016x}{:016x}", one(0xcbf2_9ce4_8422_2325), one(0x9ae1_6a3b_2f90_404f))
}

fn cache_folder() -> Option<PathBuf> {
    if let Ok(folder) = std::env::var("MAMBALAB_CACHE") {
        return Some(PathBuf::from(folder).join("cuda"));
    }
    std::env::var("HOME").ok().map(|home| PathBuf::from(home).join(".cache/mambalab/cuda"))
}

/// The machine code of a kernel file for an architecture such as `sm_90`.
pub fn image(file: &str, format: &str, architecture: &str) -> Result<Vec<u8>> {
    ensure!(
        unsafe { sys::is_culib_present() },
        "NVRTC was not found (libnvrtc.so); it comes with the CUDA toolkit or PyPI's nvidia-cuda-nvrtc"
    );
    let source = source(file, format)?;
    let (mut major, mut minor) = (0, 0);
    unsafe { sys::nvrtcVersion(&mut major, &mut minor) };
    let key = hash(&[&source, architecture, &format!("{major}.{minor}")]);
    let cached = cache_folder().map(|folder| folder.join(format!("{file}{format}-{key}.cubin")));
    if let Some(image) = cached.as_ref().and_then(|path| std::fs::read(path).ok()).filter(|i| !i.is_empty()) {
        return Ok(image);
    }
    let image = compile(file, &source, architecture)?;
    if let Some(path) = cached {
        // A cache that cannot be written costs the next start a compilation.
        let _ = store(&path, &image);
    }
    Ok(image)
}

/// Compiles every file, the products for each of these formats or for all; returns their names.
pub fn compile_all(architecture: &str, formats: Option<&[String]>) -> Result<Vec<String>> {
    let mut done = vec![];
    for &(file, _) in FILES {
        if file != "linear" {
            image(file, "", architecture)?;
            done.push(file.to_string());
            continue;
        }
        for format in FORMATS {
            if formats.is_none_or(|some| some.iter().any(|f| f == format)) {
                image(file, format, architecture)?;
                done.push(format!("{file} {format}"));
            }
        }
    }
    Ok(done)
}

fn store(path: &std::path::Path, image: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    std::fs::create_dir_all(folder)?;
    let partial = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&partial, image)?;
    std::fs::rename(&partial, path)
}

fn compile(file: &str, source: &str, architecture: &str) -> Result<Vec<u8>> {
    let text = CString::new(source).map_err(|e| Error(e.to_string()))?;
    let name = CString::new(format!("{file}.cu")).map_err(|e| Error(e.to_string()))?;
    let program =
        result::create_program(&text, Some(name.as_c_str())).map_err(|e| Error(format!("NVRTC: {e:?}")))?;
    let options = [format!("--gpu-architecture={architecture}"), "--std=c++17".to_string()];
    let compiled = unsafe { result::compile_program(program, &options) };
    let outcome = match compiled {
        Ok(()) => cubin(program),
        Err(e) => {
            let log = unsafe { result::get_program_log(program) }.unwrap_or_default();
            let log = unsafe { CStr::from_ptr(log.as_ptr()) }.to_string_lossy().into_owned();
            Err(Error(format!("{file}.cu does not compile for {architecture} ({e:?}):\n{log}")))
        }
    };
    let _ = unsafe { result::destroy_program(program) };
    outcome
}

fn cubin(program: sys::nvrtcProgram) -> Result<Vec<u8>> {
    let mut size = 0;
    unsafe { sys::nvrtcGetCUBINSize(program, &mut size) }
        .result()
        .map_err(|e| Error(format!("NVRTC: {e:?}")))?;
    let mut image = vec![0u8; size];
    unsafe { sys::nvrtcGetCUBIN(program, image.as_mut_ptr().cast()) }
        .result()
        .map_err(|e| Error(format!("NVRTC: {e:?}")))?;
    Ok(image)
}
