//! Compute an energy with convolutions of several scales, each averaged over space.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use ebm_core::ImageShape;

use crate::energy::{EnergyContext, EnergyModel, one_class_at_a_time};
use crate::layers::{Conv, Dense, NormedWeight};
use crate::ops::{Activation, Factors, fork, halve, join, space_mean};
use crate::work::Work;

/// E(x) or E(x, y): stages of two convolutions, each at half the size of the one before; the means over
/// space of all stages in one vector; a dense layer, one scalar. The energy sees every scale, and no place.
#[derive(Module, Debug)]
pub struct PooledNet {
    pub(super) stages: Vec<Stage>,
    pub(super) fc: Dense,
    pub(super) out: Dense,
    #[module(skip)]
    pub(super) activation: Activation,
    #[module(skip)]
    pub(super) centered_input: bool,
    #[module(skip)]
    pub(super) energy_scale: f64,
    #[module(skip)]
    pub(super) num_classes: usize,
}

/// act(b(act(a(x)))): two 3×3 convolutions with a bias.
#[derive(Module, Debug)]
pub(super) struct Stage {
    pub(super) a: Conv,
    pub(super) b: Conv,
}

impl PooledNet {
    pub(crate) fn dtype(&self) -> DType {
        self.out.weight.dtype()
    }

    /// The means over space of every stage's output.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returns `[batch, sum of widths, 1, 1]`
    fn means(&self, x: Tensor<4>) -> Tensor<4> {
        let mut h = if self.centered_input {
            x * 2.0 - 1.0
        } else {
            x
        };
        let mut means: Option<Tensor<4>> = None;
        for stage in &self.stages {
            if means.is_some() {
                h = halve(h);
            }
            h = self.activation.forward(stage.a.forward(h));
            h = self.activation.forward(stage.b.forward(h));
            let [on, pooled] = fork(h);
            let mean = space_mean(pooled);
            means = Some(match means {
                Some(finer) => join(finer, mean),
                None => mean,
            });
            h = on;
        }
        means.expect("a network has stages")
    }

    /// What the last layer gives: −E(x, y) of every class in units of the scale, E(x) without classes.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returns `[batch, classes or 1]`
    fn outputs(&self, x: Tensor<4>) -> Tensor<2> {
        let hidden = self.fc.forward_images(self.means(x));
        self.out.forward(self.activation.forward(hidden))
    }

    pub(crate) fn work(&self, shape: ImageShape) -> Work {
        let stages = self.stages.iter().enumerate().map(|(halvings, stage)| {
            let size = [shape.height, shape.width].map(|side| side >> halvings);
            stage.a.work(size).0 + stage.b.work(size).0
        });
        stages.sum::<Work>() + self.fc.work() + self.out.work()
    }
}

impl EnergyModel for PooledNet {
    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        let context = context.checked(self.num_classes, x.dims()[0]);
        let out = self.outputs(x);
        let energies = match context.classes {
            Some(classes) => out.gather(1, classes.clone().unsqueeze_dim(1)).neg(),
            None => out,
        };
        energies.squeeze_dim(1) * self.energy_scale // [batch]
    }

    fn energies_by_class_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<2> {
        if self.num_classes == 0 {
            return one_class_at_a_time(self, x, context);
        }
        self.outputs(x).neg() * self.energy_scale // [batch, classes]
    }

    fn fold(&self, factors: Factors) -> Self {
        let stages = self.stages.iter().map(|stage| Stage {
            a: stage.a.folded(factors),
            b: stage.b.folded(factors),
        });
        Self {
            stages: stages.collect(),
            fc: self.fc.folded(factors),
            out: self.out.folded(factors),
            ..self.clone()
        }
    }

    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        let mut weights = Vec::new();
        for (i, Stage { a, b }) in self.stages.iter_mut().enumerate() {
            weights.extend(a.normed(format!("stages.{i}.a")));
            weights.extend(b.normed(format!("stages.{i}.b")));
        }
        weights.extend(self.fc.normed("fc"));
        weights
    }
}
