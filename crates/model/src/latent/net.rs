//! Compute E(x, z), and E(x) as the least of it over z.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use ebm_core::ImageShape;

use super::bound::Posterior;
use super::energy::{Generative, LatentEnergy, explained_energy, half_square, mean_half_square};
use super::free::FreeNet;
use super::generator::Generator;
use super::inference::{Inference, least_latents};
use super::prior::PriorNet;
use crate::energy::{EnergyContext, EnergyModel};
use crate::layers::NormedWeight;
use crate::ops::Factors;
use crate::work::Work;

/// An energy of images with latent vectors: E(x) = min E(x, z) over z (LeCun et al., *A tutorial on energy-based
/// learning*, 2006), as far as a descent of so many steps finds it.
#[derive(Module, Debug)]
pub struct LatentNet {
    pub(super) joint: Joint,
    #[module(skip)]
    pub(super) latents: usize,
    #[module(skip)]
    pub(super) inference: Inference,
}

/// What E(x, z) is.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one per run
pub(super) enum Joint {
    /// ‖x − g(z)‖²/2σ² + E_prior(z) + ½‖z‖².
    Generated(Generated),
    /// f(x, z) + ½‖z‖² − d/2, d the elements of z: the mean of ½‖z‖² under N(0, I) is taken off, as energies are held
    /// near 0 by their squares.
    Free(FreeNet),
}

/// A generator, the prior of what it takes, and σ.
#[derive(Module, Debug)]
pub(super) struct Generated {
    pub(super) generator: Generator,
    pub(super) prior: PriorNet,
    #[module(skip)]
    pub(super) observation_std: f64,
}

impl Generative for Generated {
    fn generated(&self, z: Tensor<2>) -> Tensor<4> {
        let dtype = z.dtype();
        let z = z.cast(self.generator.dtype());
        self.generator.forward(z).cast(dtype)
    }

    fn prior_energy(&self, z: Tensor<2>) -> Tensor<1> {
        let dtype = z.dtype();
        let learned = self.prior.forward(z.clone().cast(self.prior.dtype()));
        learned.cast(dtype) + half_square(z)
    }

    fn observation_std(&self) -> f64 {
        self.observation_std
    }
}

impl LatentEnergy for LatentNet {
    fn num_latents(&self) -> usize {
        self.latents
    }

    fn joint_energy(&self, x: Tensor<4>, z: Tensor<2>) -> Tensor<1> {
        match &self.joint {
            Joint::Generated(model) => explained_energy(model, x, z, None),
            Joint::Free(net) => {
                let (dtype, of_weights) = (z.dtype(), net.dtype());
                let energies = net.forward(x.cast(of_weights), z.clone().cast(of_weights));
                energies.cast(dtype) + half_square(z) - mean_half_square(self.latents)
            }
        }
    }

    fn generative(&self) -> Option<&dyn Generative> {
        match &self.joint {
            Joint::Generated(model) => Some(model),
            Joint::Free(_) => None,
        }
    }

    fn inference(&self) -> Inference {
        self.inference
    }
}

impl LatentNet {
    pub(crate) fn dtype(&self) -> DType {
        match &self.joint {
            Joint::Generated(model) => model.generator.dtype(),
            Joint::Free(net) => net.dtype(),
        }
    }

    /// What E(x, z) takes; E(x) takes as much for each step of the descent, and a backward pass.
    pub(crate) fn work(&self, shape: ImageShape) -> Work {
        match &self.joint {
            Joint::Generated(model) => model.generator.work() + model.prior.work(),
            Joint::Free(net) => net.work([shape.height, shape.width]),
        }
    }
}

impl EnergyModel for LatentNet {
    /// E(x, z*). Its gradient takes z* as a constant, which is exact where E(x, z*) is stationary in z (the envelope
    /// theorem).
    fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
        let constant = self.valid();
        let images = x.clone().without_autodiff().cast(DType::F32);
        let (batch, device) = (images.dims()[0], images.device());
        let posterior = Posterior::new(&constant, images);
        let shape = [batch, self.latents];
        // On this thread alone: callers that have many images call it from several, each with a part of them.
        let z = least_latents(&posterior, self.inference, shape, &device, true);
        let dtype = x.dtype();
        self.joint_energy(x.cast(DType::F32), z).cast(dtype)
    }

    fn latent(&self) -> Option<&dyn LatentEnergy> {
        Some(self)
    }

    fn fold(&self, factors: Factors) -> Self {
        let joint = match &self.joint {
            Joint::Generated(model) => Joint::Generated(Generated {
                generator: model.generator.folded(factors),
                prior: model.prior.folded(factors),
                ..model.clone()
            }),
            Joint::Free(net) => Joint::Free(net.folded(factors)),
        };
        Self {
            joint,
            ..self.clone()
        }
    }

    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        match &mut self.joint {
            Joint::Generated(_) => Vec::new(),
            Joint::Free(net) => net.normed("joint"),
        }
    }
}
