//! Compile a function for each kind of CPU, and choose among them at run time.

/// Defines a function `$name`, with at most one const parameter. On CPUs with fused multiply-adds it
/// runs `$fused`, compiled for the vectors of the CPU; on other CPUs it runs `$portable`. Both are
/// inlined.
macro_rules! per_cpu {
    ($(#[$doc:meta])* $visibility:vis $name:ident $(<const $size:ident>)? = [$fused:expr, $portable:expr], $($argument:ident: $type:ty),+) => {
        $(#[$doc])*
        $visibility fn $name$(<const $size: usize>)?($($argument: $type),+) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,fma")]
                fn avx512$(<const $size: usize>)?($($argument: $type),+) {
                    $fused($($argument),+);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2$(<const $size: usize>)?($($argument: $type),+) {
                    $fused($($argument),+);
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("fma")
                {
                    // SAFETY: the CPU has all features that the function is compiled for.
                    return unsafe { avx512$(::<$size>)?($($argument),+) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the CPU has all features that the function is compiled for.
                    return unsafe { avx2$(::<$size>)?($($argument),+) };
                }
            }
            $portable($($argument),+);
        }
    };
}

pub(crate) use per_cpu;
