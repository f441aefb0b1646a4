//! Compare the convolution and its gradients with six plain loops in double precision.

use super::operands::{operands, weights};
use super::reference::{assert_close, for_each_product};
use super::run::{
    forward, forward_in, input_gradient, input_gradient_in, parameter_gradients, run,
};
use super::shapes::{Random, shapes, sizes, square};
use crate::conv::algorithm;
use crate::conv::factors::Factors;
use crate::conv::images::Order;
use crate::conv::shape::ConvShape;
use crate::conv::weights::{Layouts, Weights};
use crate::conv::winograd::Winograd;

#[test]
fn random_shapes_cover_both_directions_of_both_kinds_of_tiles() {
    let mut random = Random(1);
    let shapes: Vec<_> = (0..30).map(|_| random.tiled_shape()).collect();
    for stride in [1, 2] {
        let tiled = |algorithm: fn(&ConvShape) -> Option<Winograd>| {
            let of_kind = shapes.iter().filter(|shape| shape.stride == [stride; 2]);
            of_kind.filter_map(algorithm).count()
        };
        assert!(tiled(Winograd::forward) > 5 && tiled(Winograd::input_gradient) > 5);
    }
}

#[test]
fn forward_agrees_with_six_loops_in_double_precision() {
    let mut random = Random(1);
    for shape in shapes(&mut random) {
        let [x, weight, bias, grad] = operands(shape, &mut random);
        let mut out = vec![f32::NAN; grad.len()];
        for bias in [None, Some(bias.as_slice())] {
            let mut expected = vec![0.0; out.len()];
            let planes = expected
                .chunks_exact_mut(shape.out().iter().product::<usize>())
                .enumerate();
            for (plane, values) in planes {
                values.fill(bias.map_or(0.0, |bias| f64::from(bias[plane % shape.channels_out])));
            }
            for_each_product(shape, |i, k, o| {
                expected[o] += f64::from(x[i]) * f64::from(weight[k]);
            });
            forward(shape, &x, &weight, bias, &mut out);
            assert_close(&out, &expected, shape);
        }
    }
}

#[test]
fn gradients_agree_with_six_loops_in_double_precision() {
    let mut random = Random(2);
    for shape in shapes(&mut random) {
        let [x, weight, bias, grad] = operands(shape, &mut random);
        let [mut grad_x, mut grad_weight, mut grad_bias] =
            [&x, &weight, &bias].map(|values| vec![f32::NAN; values.len()]);
        let mut expected = [&x, &weight, &bias].map(|values| vec![0.0; values.len()]);
        for_each_product(shape, |i, k, o| {
            expected[0][i] += f64::from(weight[k]) * f64::from(grad[o]);
            expected[1][k] += f64::from(x[i]) * f64::from(grad[o]);
        });
        for (index, &value) in grad.iter().enumerate() {
            expected[2][index / shape.out().iter().product::<usize>() % shape.channels_out] +=
                f64::from(value);
        }
        input_gradient(shape, &weight, &grad, &mut grad_x);
        assert_close(&grad_x, &expected[0], shape);
        for order in [Order::Planes, Order::Lanes] {
            parameter_gradients(shape, order, &x, &grad, &mut grad_weight, &mut grad_bias);
            assert_close(&grad_weight, &expected[1], shape);
            assert_close(&grad_bias, &expected[2], shape);
        }
    }
}

#[test]
fn the_bits_of_an_image_do_not_depend_on_its_batch() {
    let mut random = Random(3);
    for (i, shape) in shapes(&mut random).into_iter().enumerate() {
        let factors = [Factors::F32, Factors::Bf16][i % 2];
        let [x, weight, bias, grad] = operands(shape, &mut random);
        let (mut out, mut grad_x) = (vec![0.0; grad.len()], vec![0.0; x.len()]);
        forward_in(factors, shape, &x, &weight, Some(&bias), &mut out);
        input_gradient_in(factors, shape, &weight, &grad, &mut grad_x);
        for (first, batch) in [
            (0, 1),
            (shape.batch - 1, 1),
            (shape.batch / 3, shape.batch.div_ceil(2)),
        ] {
            let part = ConvShape { batch, ..shape };
            let [inputs, outputs] = sizes(&shape).map(|[_, channels, pixels]| {
                first * channels * pixels..(first + batch) * channels * pixels
            });
            let mut part_out = vec![0.0; outputs.len()];
            let mut part_grad = vec![0.0; inputs.len()];
            let part_x = &x[inputs.clone()];
            forward_in(factors, part, part_x, &weight, Some(&bias), &mut part_out);
            let part_of_grad = &grad[outputs.clone()];
            input_gradient_in(factors, part, &weight, part_of_grad, &mut part_grad);
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&part_out), bits(&out[outputs]), "{part:?}");
            assert_eq!(bits(&part_grad), bits(&grad_x[inputs]), "{part:?}");
        }
    }
}

#[test]
fn an_image_of_nan_leaves_the_other_images_of_its_group_alone() {
    let shape = square(2, 4, 3, 3, 2, (1, 1));
    let [mut x, weight, _, _] = operands(shape, &mut Random(4));
    let [inputs, outputs] = sizes(&shape);
    x[..inputs[1] * inputs[2]].fill(f32::NAN);
    let mut out = vec![0.0; outputs.iter().product()];
    forward(shape, &x, &weight, None, &mut out);
    let (first, rest) = out.split_at(outputs[1] * outputs[2]);
    assert!(first.iter().all(|value| value.is_nan()));
    assert!(rest.iter().all(|value| value.is_finite()));
}

#[test]
#[should_panic = "assertion"]
fn refuses_an_input_that_is_too_short() {
    let shape = ConvShape {
        batch: 8,
        ..square(1, 4, 1, 1, 1, (0, 0))
    };
    let weight = (weights(shape, &[1.0]), &Layouts::default());
    algorithm::forward(shape, &[0.0; 127], weight, None, &mut [0.0; 128]);
}

#[test]
fn weights_may_have_any_strides() {
    let shape = square(3, 5, 4, 2, 1, (0, 1));
    let [x, weight, _, grad] = operands(shape, &mut Random(5));
    let [mut expected, mut got] = [0, 0].map(|_: i32| vec![0.0; grad.len()]);
    forward(shape, &x, &weight, None, &mut expected);
    // The same weights with both axes of channels swapped.
    let mut swapped = vec![0.0; weight.len()];
    for (index, &value) in weight.iter().enumerate() {
        let (kernel, tap) = (index / 4, index % 4);
        swapped[(kernel % 3 * 4 + kernel / 3) * 4 + tap] = value;
    }
    let view = Weights {
        steps: [4, 16, 2, 1],
        ..weights(shape, &swapped)
    };
    for (index, kernel) in weight.chunks_exact(4).enumerate() {
        assert_eq!(view.kernel(index / 3, index % 3)[..4], *kernel);
    }
    let weight = (view, &Layouts::default());
    run(shape.order(), sizes(&shape), &x, &mut got, |x, out| {
        algorithm::forward(shape, x, weight, None, out);
    });
    assert_eq!(got, expected);
}
