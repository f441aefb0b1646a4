//! Compute a small network and its input gradient in one launch on a GPU, where each layer's own
//! launches would take longer than their work.

mod cube;
mod plan;

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Dispatch, DispatchDevice, TensorMetadata, backend_extension,
};
use burn::tensor::{DType, Device, Int, Shape, Tensor};

pub(crate) use plan::{LayerShape, Layers, Plan};

/// The most cubes that every device takes in a row.
const MAX_CUBES: usize = 65_535;

/// A network whose weights are packed for one kernel.
#[derive(Debug)]
pub(crate) struct Resident {
    plan: Arc<Plan>,
    weights: Tensor<1>,
    /// What the kernel is given for classes where there are none.
    no_classes: Tensor<1, Int>,
}

/// Energies of images under packed weights, which are constants.
#[backend_extension(Cube, Fusion, Autodiff)]
pub(crate) trait ResidentOps: Backend {
    /// E of every image, `[batch]`.
    #[fusion(dtype = x, shape = Shape::from([x[0]]))]
    fn resident_energies(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<Plan>,
    ) -> FloatTensor<Self>;

    /// E and ∇E of every image.
    #[fusion(meta = energies_and_gradients)]
    fn resident_gradients(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<Plan>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

fn energies_and_gradients(
    x: &TensorSpec,
    _weights: &TensorSpec,
    _classes: &TensorSpec,
    _plan: &Arc<Plan>,
) -> (TensorSpec, TensorSpec) {
    let energies = TensorSpec::new(Shape::from([x.shape[0]]), x.dtype);
    (energies, x.clone())
}

impl Plan {
    /// That of a network, where there is a kernel for it that the device can run.
    pub(crate) fn for_device(layers: &Layers, device: &Device) -> Option<Self> {
        let DispatchDevice::Cube(device) = device.as_dispatch() else {
            return None;
        };
        let client = device.client();
        let hardware = &client.properties().hardware;
        Self::new(layers).filter(|plan| {
            plan.shared_bytes() <= hardware.max_shared_memory_size
                && plan::UNITS as u32 <= hardware.max_units_per_cube
        })
    }
}

impl Resident {
    /// # Shapes
    /// - `weights`: f32, in the order of the plan
    pub(crate) fn new(plan: Plan, weights: Tensor<1>) -> Self {
        assert_eq!(weights.dims(), [plan.len], "weights as the plan has them");
        Self {
            no_classes: Tensor::zeros([1], (&weights.device(), DType::I32)),
            plan: Arc::new(plan),
            weights,
        }
    }

    /// Whether these are images of the network, on its device, and no more than a launch can take.
    pub(crate) fn takes(&self, x: &Tensor<4>) -> bool {
        let [batch, channels, height, width] = x.dims();
        let image = self.plan.image();
        let is_image = [channels, height, width] == [image.channels, image.size[0], image.size[1]];
        is_image && batch <= MAX_CUBES && x.device().inner() == self.weights.device()
    }

    /// E(x) or E(x, y), differentiable with respect to x.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, `classes`: `[batch]`
    /// - returns: `[batch]`
    pub(crate) fn energies(&self, x: Tensor<4>, classes: Option<Tensor<1, Int>>) -> Tensor<1> {
        let dtype = x.dtype();
        let energies = Tensor::<1>::from_dispatch(Dispatch::resident_energies(
            x.cast(DType::F32).into_dispatch(),
            self.weights.clone().into_dispatch(),
            self.given(classes).into_dispatch(),
            self.plan.clone(),
        ));
        energies.cast(dtype)
    }

    /// As [`energies`](Self::energies) of f32, with their gradients as constants.
    pub(crate) fn energies_and_gradients(
        &self,
        x: Tensor<4>,
        classes: Option<Tensor<1, Int>>,
    ) -> (Tensor<1>, Tensor<4>) {
        let (energies, gradients) = Dispatch::resident_gradients(
            x.into_dispatch(),
            self.weights.clone().into_dispatch(),
            self.given(classes).into_dispatch(),
            self.plan.clone(),
        );
        (
            Tensor::from_dispatch(energies),
            Tensor::from_dispatch(gradients),
        )
    }

    /// Classes as the kernel takes them.
    fn given(&self, classes: Option<Tensor<1, Int>>) -> Tensor<1, Int> {
        let classes = classes.map(|classes| classes.cast(DType::I32));
        classes.unwrap_or_else(|| self.no_classes.clone())
    }
}

impl<B: ResidentOps, C: CheckpointStrategy> ResidentOps for Autodiff<B, C> {
    fn resident_energies(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<Plan>,
    ) -> FloatTensor<Self> {
        let prepared = EnergyBackward
            .prepare::<C>([x.node()])
            .compute_bound()
            .stateful();
        let [x, weights] = [x, weights].map(|tensor| tensor.into_primitive());
        match prepared {
            OpsKind::Tracked(prep) => {
                let (energies, gradients) = B::resident_gradients(x, weights, classes, plan);
                prep.finish(gradients, energies)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::resident_energies(x, weights, classes, plan))
            }
        }
    }

    /// As constants.
    fn resident_gradients(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<Plan>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [x, weights] = [x, weights].map(|tensor| tensor.into_primitive());
        let (energies, gradients) = B::resident_gradients(x, weights, classes, plan);
        (Self::from_inner(energies), Self::from_inner(gradients))
    }
}

/// Keeps the gradient of every energy with respect to its image.
#[derive(Debug)]
struct EnergyBackward;

impl<B: ResidentOps> Backward<B, 1> for EnergyBackward {
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x] = ops.parents;
        let of_energies = gradients.consume::<B>(&ops.node);
        if let Some(node) = of_x {
            let batch = of_energies.shape()[0];
            let factors = B::float_reshape(of_energies, Shape::from([batch, 1, 1, 1]));
            gradients.register::<B>(node.id, B::float_mul(ops.state, factors));
        }
    }
}
