//! Say how far a pixel sees, where an energy is a sum over space.

/// An energy that is a sum over space, of images of any size: what a part of ∇E depends on is near it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locality {
    /// How many pixels away the farthest pixel is on which ∇E at a pixel depends, at most.
    pub reach: usize,
    /// What the sides of images must be divisible by, and by what a picture may be moved without another ∇E.
    pub divisor: usize,
}
