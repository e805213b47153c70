//! Why a model can't be opened or run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The ONNX Runtime execution provider that runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The CPU.
    #[default]
    Cpu,
    /// NVIDIA's CUDA; needs the GPU build of ONNX Runtime.
    Cuda,
    /// NVIDIA's TensorRT, with CUDA for unsupported operations; needs the GPU build of ONNX Runtime, and TensorRT.
    TensorRt,
}

/// An error of opening or running a model.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// ONNX Runtime's library was not found.
    #[error(
        "no ONNX Runtime library {place}; install it with `pip install onnxruntime` and set STEREOSPOT_ONNXRUNTIME to the \
         full path of libonnxruntime.so"
    )]
    RuntimeMissing {
        /// Where we searched, as a phrase.
        place: String,
    },
    /// The library exists but can't be loaded.
    #[error("{} can't be used as ONNX Runtime ({reason}); install version 1.24 or later", path.display())]
    RuntimeUnusable { path: PathBuf, reason: String },
    /// The execution provider does not start.
    #[error(
        "the execution provider {provider} does not start ({reason}); install the GPU build of ONNX Runtime with its \
         drivers, or choose the provider cpu"
    )]
    ProviderUnusable { provider: Provider, reason: String },
    /// The model can't be read or is not a depth model.
    #[error("{} is no usable depth model: {reason}; give an ONNX file of a depth model", path.display())]
    BadModel {
        /// The model or its manifest.
        path: PathBuf,
        reason: String,
    },
    #[error("the depth model failed on a picture: {reason}")]
    Inference { reason: String },
}
