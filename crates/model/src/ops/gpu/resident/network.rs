//! Hold a network as one kernel reads it, and compute its energies.

use std::sync::{Arc, OnceLock};

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Device, Int, Tensor};

use super::plan::{KernelPlan, Layers};
use super::plane::UNITS;
use super::resident_ops::ResidentOps;
use crate::ops::gpu::MAX_CUBES;

/// A folded network as one kernel reads it, made at its first use on a GPU; `None` where there is no
/// kernel for the network.
pub(crate) type Packed = OnceLock<Option<Resident>>;

/// A network whose weights are packed for one kernel.
#[derive(Debug)]
pub(crate) struct Resident {
    plan: Arc<KernelPlan>,
    weights: Tensor<1>,
    /// The kernel's argument for classes where there are none.
    no_classes: Tensor<1, Int>,
}

impl KernelPlan {
    /// The plan of a network, where there is a kernel for it that the device can run.
    pub(crate) fn for_device(layers: &Layers, device: &Device) -> Option<Self> {
        let DispatchDevice::Cube(device) = device.as_dispatch() else {
            return None;
        };
        let client = device.client();
        let hardware = &client.properties().hardware;
        Self::new(layers).filter(|plan| {
            plan.shared_bytes() <= hardware.max_shared_memory_size
                && UNITS as u32 <= hardware.max_units_per_cube
        })
    }
}

impl Resident {
    /// # Shapes
    /// - `weights`: f32, in the order of the plan
    pub(crate) fn new(plan: KernelPlan, weights: Tensor<1>) -> Self {
        assert_eq!(weights.dims(), [plan.len], "weights as the plan has them");
        Self {
            no_classes: Tensor::zeros([1], (&weights.device(), DType::I32)),
            plan: Arc::new(plan),
            weights,
        }
    }

    /// Whether these are images of the network, on its device, and no more than a launch can take.
    pub(crate) fn takes(&self, x: &Tensor<4>) -> bool {
        let [batch, image @ ..] = x.dims();
        let is_image = image == self.plan.image().dims();
        is_image && batch <= MAX_CUBES && x.device().inner() == self.weights.device()
    }

    /// E(x) or E(x, y), differentiable with respect to x.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, `classes`: `[batch]`
    /// - returns: `[batch]`
    ///
    /// # Panics
    /// If the network has classes and is not given one for each image.
    pub(crate) fn energies(&self, x: Tensor<4>, classes: Option<Tensor<1, Int>>) -> Tensor<1> {
        let dtype = x.dtype();
        let energies = Tensor::<1>::from_dispatch(Dispatch::resident_energies(
            x.cast(DType::F32).into_dispatch(),
            self.weights.clone().into_dispatch(),
            self.kernel_classes(classes).into_dispatch(),
            self.plan.clone(),
        ));
        energies.cast(dtype)
    }

    /// [`energies`](Self::energies) of f32, with their gradients, as constants.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, `classes`: `[batch]`
    /// - returns: `[batch]`, `[batch, channels, height, width]`
    ///
    /// # Panics
    /// If the network has classes and is not given one for each image.
    pub(crate) fn energies_and_gradients(
        &self,
        x: Tensor<4>,
        classes: Option<Tensor<1, Int>>,
    ) -> (Tensor<1>, Tensor<4>) {
        let (energies, gradients) = Dispatch::resident_gradients(
            x.into_dispatch(),
            self.weights.clone().into_dispatch(),
            self.kernel_classes(classes).into_dispatch(),
            self.plan.clone(),
        );
        (
            Tensor::from_dispatch(energies),
            Tensor::from_dispatch(gradients),
        )
    }

    /// Classes as the kernel takes them.
    fn kernel_classes(&self, classes: Option<Tensor<1, Int>>) -> Tensor<1, Int> {
        let classes = classes.map(|classes| classes.cast(DType::I32));
        classes.unwrap_or_else(|| self.no_classes.clone())
    }
}
