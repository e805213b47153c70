//! Which implementation of the warp runs.

/// The implementation of the warp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The reference: pixel by pixel, on any CPU.
    Scalar,
    /// AVX2, copying runs of equal distance as blocks. Falls back to the reference on a CPU without AVX2.
    Avx2,
}

impl Code {
    /// The fastest code that this CPU supports.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return Code::Avx2;
        }
        Code::Scalar
    }
}
