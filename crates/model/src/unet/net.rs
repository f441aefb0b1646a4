//! Compute an energy with a U-Net (Ronneberger et al. 2015) of residual blocks.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use ebm_core::ImageShape;
use ebm_core::rows::row_sums;

use super::block::Block;
use crate::energy::{EnergyContext, EnergyModel};
use crate::layers::{Attention, Conv, Dense, NormedWeight};
use crate::locality::Locality;
use crate::ops::{
    Activation, Factors, double, fork, halve, join, of_patches, space_mean, to_patches,
};
use crate::work::Work;

/// E(x) or E(x, y): a convolution of the patches of c = 2x − 1, with σ of their noise where it is told; stages of
/// residual blocks, each at half the size of the one before; the way back up, where what was doubled in size is joined
/// with what the stage gave on the way down; an image f(c), and one scalar of both. Blocks have biases by class and noise
/// level.
#[derive(Module, Debug)]
pub struct UNet {
    pub(super) stem: Conv,
    /// The blocks of all stages, from fine to coarse.
    pub(super) down: Vec<Block>,
    pub(super) attention: Option<Attention>,
    /// A block for each stage but the coarsest, from coarse to fine; none where no image is made.
    pub(super) up: Vec<Block>,
    pub(super) out: Output,
    /// Blocks of a stage in `down`.
    #[module(skip)]
    pub(super) blocks: usize,
    /// Side of the squares of pixels that are one pixel of `stem` and `out`.
    #[module(skip)]
    pub(super) patch: usize,
    #[module(skip)]
    pub(super) activation: Activation,
    #[module(skip)]
    pub(super) input_scale: f64,
    #[module(skip)]
    pub(super) energy_scale: f64,
    #[module(skip)]
    pub(super) num_classes: usize,
    #[module(skip)]
    pub(super) num_levels: usize,
    #[module(skip)]
    pub(super) sees_noise: bool,
}

/// The last layer, and what makes an energy of its output, as [`Head`](super::Head).
#[derive(Module, Debug)]
pub(super) enum Output {
    Dot(Conv),
    HalfSquared(Conv),
    Pooled(Dense),
}

/// ⟨c, f⟩ of every image (Wang & Du, *Equilibrium matching*, 2025).
///
/// # Shapes
/// - `c`, `f`: `[batch, channels, height, width]`, returns `[batch]`
fn dot(c: Tensor<4>, f: Tensor<4>) -> Tensor<1> {
    row_sums(c * f)
}

/// ½‖c − f‖² of every image (Salimans & Ho, *Should EBMs model the energy or the score?*, 2021; Hurault
/// et al., *Gradient step denoiser*, 2022).
///
/// # Shapes
/// - `c`, `f`: `[batch, channels, height, width]`, returns `[batch]`
fn half_squared(c: Tensor<4>, f: Tensor<4>) -> Tensor<1> {
    row_sums((c - f).square()) * 0.5
}

impl UNet {
    pub(crate) fn dtype(&self) -> DType {
        match &self.out {
            Output::Dot(out) | Output::HalfSquared(out) => out.weight.dtype(),
            Output::Pooled(out) => out.weight.dtype(),
        }
    }

    /// Halvings of an image from the first stage to the coarsest.
    fn halvings(&self) -> usize {
        self.down.len() / self.blocks - 1
    }

    /// What the coarsest stage gives, and the outputs of the others on the way down, fine ones first, where
    /// there is a way up.
    ///
    /// # Shapes
    /// - `c`: `[batch, channels, height, width]`
    /// - returns: `[batch, width, height / 2ⁿp, width / 2ⁿp]` after n halvings of patches of side p
    fn encode(&self, c: Tensor<4>, context: EnergyContext<'_>) -> (Tensor<4>, Vec<Tensor<4>>) {
        let seen = to_patches(c, self.patch);
        let mut h = self.stem.forward(match self.sees_noise {
            true => self.with_noise_map(seen, context.noise),
            false => seen,
        });
        let mut skips = Vec::new();
        for (stage, blocks) in self.down.chunks(self.blocks).enumerate() {
            if stage > 0 {
                h = if self.up.is_empty() {
                    halve(h)
                } else {
                    let [on, skip] = fork(h);
                    skips.push(skip);
                    halve(on)
                };
            }
            h = blocks.iter().fold(h, |h, block| block.forward(h, context));
        }
        if let Some(attention) = &self.attention {
            h = attention.forward(h);
        }
        (h, skips)
    }

    /// One more channel, 2sσ everywhere, where s·c is seen.
    ///
    /// # Shapes
    /// - `seen`: `[batch, channels, height, width]`, `noise`: `[batch]`, 0 where absent
    /// - returns: `[batch, channels + 1, height, width]`
    pub(super) fn with_noise_map(&self, seen: Tensor<4>, noise: Option<&Tensor<1>>) -> Tensor<4> {
        let [batch, _, height, width] = seen.dims();
        let (device, dtype) = (seen.device().inner(), seen.dtype());
        let scale = 2.0 * self.input_scale;
        // Not expanded: views that repeat elements are not read alike by all kernels.
        let map = Tensor::ones([batch, 1, height, width], (&device, dtype));
        let map = match noise {
            Some(noise) => map * (noise.clone().cast(dtype) * scale).reshape([batch, 1, 1, 1]),
            None => map * 0.0,
        };
        let map = if seen.is_autodiff() {
            map.autodiff()
        } else {
            map
        };
        join(seen, map)
    }

    /// f(c), from what [`encode`](Self::encode) gives.
    fn decode(
        &self,
        coarsest: Tensor<4>,
        skips: Vec<Tensor<4>>,
        context: EnergyContext<'_>,
        out: &Conv,
    ) -> Tensor<4> {
        let stages = self.up.iter().zip(skips.into_iter().rev());
        let h = stages.fold(coarsest, |h, (block, skip)| {
            block.forward(join(double(h), skip), context)
        });
        let patches = out.forward(self.activation.forward(h));
        of_patches(patches, self.patch) // [batch, channels, height, width]
    }

    /// What convolutions and the dense layer do, without attention; outputs with those of the doubled and
    /// joined images.
    pub(crate) fn work(&self, shape: ImageShape) -> Work {
        let full = [shape.height, shape.width].map(|side| side / self.patch);
        let (stem, _) = self.stem.work(full);
        let stage_size = |stage: usize| full.map(|side| side >> stage);
        let down = self.down.iter().enumerate();
        let down: Work = down
            .map(|(i, block)| block.work(stage_size(i / self.blocks)))
            .sum();
        let up = self.up.iter().rev().enumerate().map(|(stage, block)| {
            let size @ [height, width] = stage_size(stage);
            let ([joined, kept], convs) = (block.channels(), block.work(size));
            let doubled = joined - kept;
            Work {
                outputs: convs.outputs + (doubled + joined) * height * width,
                ..convs
            }
        });
        let out = match &self.out {
            Output::Dot(out) | Output::HalfSquared(out) => out.work(full).0,
            Output::Pooled(out) => out.work(),
        };
        stem + down + up.sum::<Work>() + out
    }

    /// How far ∇E sees; `None` where a mean is taken over space, attention looks everywhere, or classes are summed
    /// out by the energies of whole images.
    pub(crate) fn locality(&self) -> Option<Locality> {
        let is_pooled = matches!(self.out, Output::Pooled(_));
        if is_pooled || self.attention.is_some() || self.num_classes > 0 {
            return None;
        }
        let (halvings, patch) = (self.halvings(), self.patch);
        // A 3×3 convolution sees a pixel of its stage; halving and doubling back, one of the finer stage each.
        let down = (0..=halvings).map(|stage| (2 * self.blocks) << stage);
        let up = (0..halvings).map(|stage| (2 + 2) << stage);
        let (stem, out) = (1, 1);
        let of_patches: usize = stem + down.sum::<usize>() + up.sum::<usize>() + out;
        let of_f = patch * of_patches + (patch - 1);
        Some(Locality {
            // ∇E at a pixel is of f around it, and f there of the pixels around.
            reach: 2 * of_f,
            divisor: patch << halvings,
        })
    }

    /// By how much more than c an energy of images s·c weighs: s², of none 1.
    fn squared_scale(&self) -> f64 {
        match self.out {
            Output::Dot(_) | Output::HalfSquared(_) => self.input_scale.powi(2),
            Output::Pooled(_) => 1.0,
        }
    }

    /// # Panics
    /// If images cannot be halved from stage to stage and doubled back.
    fn assert_divisible(&self, [_, _, height, width]: [usize; 4]) {
        let divisor = self.patch << self.halvings();
        assert!(
            height.is_multiple_of(divisor) && width.is_multiple_of(divisor),
            "expected images with sides divisible by {divisor}, got {height}×{width}"
        );
    }
}

impl EnergyModel for UNet {
    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn num_levels(&self) -> usize {
        self.num_levels
    }

    fn sees_noise(&self) -> bool {
        self.sees_noise
    }

    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        let batch = x.dims()[0];
        let context = context
            .checked(self.num_classes, batch)
            .checked_levels(self.num_levels, batch)
            .checked_noise(self.sees_noise, batch);
        if !matches!(self.out, Output::Pooled(_)) {
            self.assert_divisible(x.dims());
        }
        let s = self.input_scale;
        let [c, seen] = fork(x * (2.0 * s) - s);
        let (coarsest, skips) = self.encode(seen, context);
        let energies = match &self.out {
            Output::Dot(out) => dot(c, self.decode(coarsest, skips, context, out)),
            Output::HalfSquared(out) => half_squared(c, self.decode(coarsest, skips, context, out)),
            Output::Pooled(out) => {
                let mean = space_mean(self.activation.forward(coarsest)); // [batch, width, 1, 1]
                out.forward_images(mean).squeeze_dim(1)
            }
        };
        energies * (self.energy_scale / self.squared_scale()) // [batch]
    }

    fn fold(&self, factors: Factors) -> Self {
        let folded = |blocks: &[Block]| blocks.iter().map(|block| block.folded(factors)).collect();
        let attention = self.attention.as_ref();
        Self {
            stem: self.stem.folded(factors),
            down: folded(&self.down),
            attention: attention.map(|attention| attention.folded(factors)),
            up: folded(&self.up),
            out: match &self.out {
                Output::Dot(out) => Output::Dot(out.folded(factors)),
                Output::HalfSquared(out) => Output::HalfSquared(out.folded(factors)),
                Output::Pooled(out) => Output::Pooled(out.folded(factors)),
            },
            ..self.clone()
        }
    }

    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        let mut weights: Vec<_> = self.stem.normed("stem").into_iter().collect();
        for (way, blocks) in [("down", &mut self.down), ("up", &mut self.up)] {
            for (i, block) in blocks.iter_mut().enumerate() {
                weights.extend(block.normed(&format!("{way}.{i}")));
            }
        }
        if let Some(attention) = &mut self.attention {
            weights.extend(attention.normed("attention"));
        }
        weights
    }
}
