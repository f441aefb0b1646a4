//! Hold the sampler to exact laws, its parts to naive references, and every backend to the same
//! numbers. One program, so that it is linked once.

mod backends;
mod buffer;
mod constraint;
mod flow;
mod ladder;
mod laws;
mod metropolis;
mod sampler;
