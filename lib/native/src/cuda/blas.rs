//! Products of dense matrices by cuBLASLt, with one plan for each shape.

use super::Cuda;
use super::lanes::WORKSPACE;
use crate::ensure;
use crate::error::{Error, Result};
use cudarc::cublaslt::{result, sys};
use std::collections::HashMap;
use std::ffi::c_void;

/// Elements of the factors; results are float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Elements {
    F32,
    Bf16,
}

/// `out [batch, m, n] = a b + beta c`, all row-major: a `[m, k]` or, transposed, `[k, m]`; b `[k, n]`
/// or `[n, k]`. A side that is shared by the batch has stride 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Product {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub batch: usize,
    pub a_transposed: bool,
    pub b_transposed: bool,
    pub a_stride: usize,
    pub b_stride: usize,
    pub elements: Elements,
    pub has_bias: bool,
    pub adds: bool,
}

struct Plan {
    desc: sys::cublasLtMatmulDesc_t,
    layouts: [sys::cublasLtMatrixLayout_t; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
}

pub struct Blas {
    handle: sys::cublasLtHandle_t,
    plans: HashMap<Product, Plan>,
}

fn failed(e: result::CublasError) -> Error {
    Error(format!("cuBLASLt: {:?}", e.0))
}

impl Blas {
    pub fn open() -> Result<Blas> {
        ensure!(
            unsafe { sys::is_culib_present() },
            "cuBLASLt was not found (libcublasLt.so); it comes with the CUDA toolkit or PyPI's nvidia-cublas"
        );
        let handle = result::create_handle().map_err(failed)?;
        Ok(Blas { handle, plans: HashMap::new() })
    }

    fn plan(&mut self, p: &Product, tf32: bool) -> Result<&Plan> {
        if !self.plans.contains_key(p) {
            let plan = unsafe { self.make(p, tf32) }.map_err(|e| Error(format!("{} for {p:?}", e.0)))?;
            self.plans.insert(*p, plan);
        }
        Ok(&self.plans[p])
    }

    /// cuBLASLt is column-major: its A is our b, its B our a, its D our result transposed.
    unsafe fn make(&self, p: &Product, tf32: bool) -> Result<Plan> {
        use sys::cublasComputeType_t as C;
        use sys::cublasLtMatmulDescAttributes_t as D;
        use sys::cublasLtMatmulPreferenceAttributes_t as P;
        use sys::cublasLtMatrixLayoutAttribute_t as L;
        let kind = match p.elements {
            Elements::F32 => sys::cudaDataType_t::CUDA_R_32F,
            Elements::Bf16 => sys::cudaDataType_t::CUDA_R_16BF,
        };
        let compute = match (p.elements, tf32) {
            (Elements::F32, true) => C::CUBLAS_COMPUTE_32F_FAST_TF32,
            _ => C::CUBLAS_COMPUTE_32F,
        };
        let float = sys::cudaDataType_t::CUDA_R_32F;
        let desc = result::create_matmul_desc(compute, float).map_err(failed)?;
        let (yes, no) = (1i32, 0i32);
        let set = |attribute, value: *const c_void, size| unsafe {
            result::set_matmul_desc_attribute(desc, attribute, value, size).map_err(failed)
        };
        let a = if p.b_transposed { &yes } else { &no };
        let b = if p.a_transposed { &yes } else { &no };
        set(D::CUBLASLT_MATMUL_DESC_TRANSA, (a as *const i32).cast(), 4)?;
        set(D::CUBLASLT_MATMUL_DESC_TRANSB, (b as *const i32).cast(), 4)?;
        if p.has_bias {
            let epilogue = sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS as u32;
            set(D::CUBLASLT_MATMUL_DESC_EPILOGUE, (&raw const epilogue).cast(), 4)?;
            let bias = float as u32;
            set(D::CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, (&raw const bias).cast(), 4)?;
        }
        let layout = |kind, rows: usize, cols: usize, stride: usize| -> Result<sys::cublasLtMatrixLayout_t> {
            let layout =
                result::create_matrix_layout(kind, rows as u64, cols as u64, rows as i64).map_err(failed)?;
            if p.batch > 1 {
                let (count, stride) = (p.batch as i32, stride as i64);
                unsafe {
                    let at = L::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT;
                    result::set_matrix_layout_attribute(layout, at, (&raw const count).cast(), 4)
                        .map_err(failed)?;
                    let at = L::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET;
                    result::set_matrix_layout_attribute(layout, at, (&raw const stride).cast(), 8)
                        .map_err(failed)?;
                }
            }
            Ok(layout)
        };
        let (b_rows, b_cols) = if p.b_transposed { (p.k, p.n) } else { (p.n, p.k) };
        let (a_rows, a_cols) = if p.a_transposed { (p.m, p.k) } else { (p.k, p.m) };
        let layouts = [
            layout(kind, b_rows, b_cols, p.b_stride)?,
            layout(kind, a_rows, a_cols, p.a_stride)?,
            layout(float, p.n, p.m, p.m * p.n)?,
        ];
        let preference = result::create_matmul_pref().map_err(failed)?;
        let bytes = WORKSPACE;
        unsafe {
            result::set_matmul_pref_attribute(
                preference,
                P::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                (&raw const bytes).cast(),
                8,
            )
            .map_err(failed)?;
            let [a, b, d] = layouts;
            let found =
                result::get_matmul_algo_heuristic(self.handle, desc, a, b, d, d, preference).map_err(failed);
            let _ = result::destroy_matmul_pref(preference);
            Ok(Plan { desc, layouts, algorithm: found?.algo })
        }
    }
}

impl Cuda {
    /// Runs a product; `c` is added where the product adds, and may be `out`.
    pub fn product(&self, p: &Product, a: u64, b: u64, bias: u64, c: u64, out: u64) -> Result<()> {
        let mut blas = self.blas.borrow_mut();
        let handle = blas.handle;
        let (stream, workspace) = self.lanes.chosen();
        let plan = blas.plan(p, self.tf32)?;
        let (one, beta) = (1f32, if p.adds { 1f32 } else { 0f32 });
        let [a_layout, b_layout, d_layout] = plan.layouts;
        unsafe {
            if p.has_bias {
                result::set_matmul_desc_attribute(
                    plan.desc,
                    sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                    (&raw const bias).cast(),
                    8,
                )
                .map_err(failed)?;
            }
            result::matmul(
                handle,
                plan.desc,
                (&raw const one).cast(),
                (&raw const beta).cast(),
                b as *const c_void,
                a_layout,
                a as *const c_void,
                b_layout,
                if p.adds { c } else { out } as *const c_void,
                d_layout,
                out as *mut c_void,
                d_layout,
                &plan.algorithm,
                workspace as *mut c_void,
                WORKSPACE,
                stream.cast(),
            )
            .map_err(|e| Error(format!("{} for {p:?}", failed(e).0)))
        }
    }
}
