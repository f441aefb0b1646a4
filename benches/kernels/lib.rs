//! Time the CPU kernels one by one: `cargo bench --manifest-path benches/kernels/Cargo.toml`.
