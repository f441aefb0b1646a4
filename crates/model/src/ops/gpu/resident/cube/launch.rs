//! Launch the kernel on tensors of CubeCL.

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::kernel::energy_kernel;
use crate::ops::assert_class_per_image;
use crate::ops::gpu::resident::plan::KernelPlan;
use crate::ops::gpu::resident::plane::UNITS;
use crate::ops::gpu::resident::resident_ops::ResidentOps;

impl ResidentOps for CubeBackend {
    fn resident_energies(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<KernelPlan>,
    ) -> FloatTensor<Self> {
        launch(x, weights, classes, &plan, false).0
    }

    fn resident_gradients(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<KernelPlan>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        launch(x, weights, classes, &plan, true)
    }
}

/// Energies, and gradients where asked for, else the energies again.
fn launch(
    x: CubeTensor,
    weights: CubeTensor,
    classes: CubeTensor,
    plan: &KernelPlan,
    differentiate: bool,
) -> (CubeTensor, CubeTensor) {
    let batch = x.shape()[0];
    check_arguments(&x, &weights, &classes, plan);
    let [x, weights, classes] = [x, weights, classes].map(into_contiguous);
    let empty = |shape| {
        empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, DType::F32)
    };
    let energies = empty(Shape::from([batch]));
    let gradients = if differentiate {
        empty(x.shape())
    } else {
        energies.clone()
    };
    if batch > 0 {
        let client = x.client.clone();
        // SAFETY: there is a cube for each image, whose units read and write its elements alone; images,
        // weights and classes are contiguous and as many as the plan has, and the kernel limits classes
        // to those that there are weights for.
        unsafe {
            energy_kernel::launch_unchecked(
                &client,
                CubeCount::Static(batch as u32, 1, 1),
                CubeDim::new_1d(UNITS as u32),
                x.into_tensor_arg(),
                weights.into_tensor_arg(),
                classes.into_tensor_arg(),
                energies.clone().into_tensor_arg(),
                gradients.clone().into_tensor_arg(),
                plan.clone(),
                differentiate,
            );
        }
    }
    (energies, gradients)
}

/// Panics unless the kernel of a plan reads these tensors within their bounds.
fn check_arguments(x: &CubeTensor, weights: &CubeTensor, classes: &CubeTensor, plan: &KernelPlan) {
    let dtypes = [x.dtype, weights.dtype, classes.dtype];
    let expected = [DType::F32, DType::F32, DType::I32];
    assert_eq!(
        dtypes, expected,
        "images, weights and classes of the kernel"
    );
    let [batch, image @ ..] = x.shape().dims::<4>();
    assert_eq!(image, plan.image().dims(), "images of another network");
    assert_eq!(weights.shape()[0], plan.len, "weights of another network");
    if plan.is_conditioned() {
        assert_class_per_image(classes.shape()[0], batch);
    }
}
