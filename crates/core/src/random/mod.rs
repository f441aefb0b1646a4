//! Draw random numbers as a pure function of what they are for.
//!
//! word = f(run seed, attempt, stream, iteration, Langevin step, chain, pixel). No generator is
//! stored: resume is exact, a batch may be cut into pieces or spread over threads or machines, and CPU
//! and GPU draw the same numbers. Reading order: `key` (what a number is for) → `philox` (the words)
//! → `distribution` (uniforms and normals) → `row` (a chain's pixels at once) → `rng` (for `rand`).

mod distribution;
mod key;
mod philox;
mod rng;
mod row;

pub use distribution::{Distribution, ERFINV_CENTRAL, ERFINV_TAIL, UNIFORM_CELL, normal, uniform};
pub use key::{NoiseKey, Shard, StepKey, Stream};
pub use philox::{MULTIPLIERS, ROUNDS, WEYL, philox4x32_10};
pub use rng::PhiloxRng;
