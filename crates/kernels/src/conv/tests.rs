//! Compare the convolution and its gradients with six plain loops in double precision.

use super::*;
use crate::lanes::{collect, spread};

/// Numbers in (−1, 1) from a linear congruential generator [Knuth, MMIX].
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        self.bits() as usize % end
    }

    fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len)
            .map(|_| self.bits() as f32 / (1u64 << 30) as f32 - 1.0)
            .collect()
    }

    fn shape(&mut self) -> ConvShape {
        loop {
            let shape = ConvShape {
                batch: 1 + self.below(5),
                channels_in: 1 + self.below(6),
                height: 1 + self.below(17),
                width: 1 + self.below(17),
                channels_out: 1 + self.below(9),
                kernel: [1 + self.below(5), 1 + self.below(5)],
                stride: [1 + self.below(3), 1 + self.below(3)],
                padding: [0, 0].map(|_: i32| (self.below(4), self.below(4))),
            };
            let [(top, bottom), (left, right)] = shape.padding;
            if shape.kernel[0] <= shape.height + top + bottom
                && shape.kernel[1] <= shape.width + left + right
            {
                return shape;
            }
        }
    }
}

impl Random {
    /// A shape with a kernel for which there are transforms.
    fn tiled_shape(&mut self) -> ConvShape {
        let [kernel, stride] = [[3, 1], [4, 2]][self.below(2)];
        let least = winograd::MIN_CHANNELS;
        ConvShape {
            batch: 1 + self.below(13),
            channels_in: least + self.below(12),
            height: 5 + self.below(21),
            width: 5 + self.below(21),
            channels_out: least + self.below(12),
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [0, 0].map(|_: i32| (self.below(4), self.below(4))),
        }
    }
}

fn square(
    ci: usize,
    size: usize,
    co: usize,
    kernel: usize,
    stride: usize,
    pads: (usize, usize),
) -> ConvShape {
    ConvShape {
        batch: 9,
        channels_in: ci,
        height: size,
        width: size,
        channels_out: co,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [pads; 2],
    }
}

fn special_shapes() -> Vec<ConvShape> {
    vec![
        square(1, 1, 1, 1, 1, (0, 0)),
        square(3, 1, 2, 3, 1, (1, 1)),
        square(2, 7, 3, 1, 3, (0, 0)),
        square(5, 4, 3, 1, 1, (0, 0)),
        square(5, 8, 3, 1, 1, (0, 0)),
        square(3, 8, 5, 1, 1, (1, 1)),
        square(1, 28, 16, 5, 2, (4, 4)),
        square(16, 16, 32, 3, 2, (1, 1)),
        square(64, 4, 64, 3, 2, (1, 1)),
        square(64, 4, 16, 3, 1, (1, 1)),
        square(128, 7, 17, 4, 2, (1, 2)),
        square(33, 14, 8, 4, 2, (1, 1)),
        square(40, 28, 3, 4, 2, (1, 1)),
        square(32, 28, 16, 4, 2, (1, 1)),
        square(16, 36, 17, 3, 1, (1, 1)),
    ]
}

/// Calls `visit(index in x, in weight, in out)` for every product of the convolution.
fn for_each_product(shape: ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let ([oh, ow], [kh, kw]) = (shape.out(), shape.kernel);
    let channels = shape.channels_in;
    for row in 0..shape.batch * shape.channels_out * oh {
        for col in 0..ow {
            let out = row * ow + col;
            let (image, channel_out) =
                (row / oh / shape.channels_out, row / oh % shape.channels_out);
            for channel in 0..channels {
                for ky in 0..kh {
                    for kx in 0..kw {
                        let y = (row % oh * shape.stride[0] + ky).wrapping_sub(shape.padding[0].0);
                        let x = (col * shape.stride[1] + kx).wrapping_sub(shape.padding[1].0);
                        if y < shape.height && x < shape.width {
                            let plane = (image * channels + channel) * shape.height;
                            let kernel = (channel_out * channels + channel) * kh;
                            visit((plane + y) * shape.width + x, (kernel + ky) * kw + kx, out);
                        }
                    }
                }
            }
        }
    }
}

/// Asserts agreement to 1e-5 of the largest value: the sums of a tensor round alike.
fn assert_close(got: &[f32], expected: &[f64], shape: ConvShape) {
    assert_eq!(got.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0.0, |max: f64, value| max.max(value.abs()));
    for (&got, &expected) in got.iter().zip(expected) {
        let error = (f64::from(got) - expected).abs();
        assert!(
            error <= 1e-5 * largest,
            "{shape:?}: got {got}, expected {expected}"
        );
    }
}

/// Input, weights, bias and output gradient of random values.
fn operands(shape: ConvShape, random: &mut Random) -> [Vec<f32>; 4] {
    let weights = shape.channels_out * shape.channels_in * shape.taps();
    let lens = [
        sizes(&shape)[0].iter().product(),
        weights,
        shape.channels_out,
        sizes(&shape)[1].iter().product(),
    ];
    lens.map(|len| random.values(len))
}

/// Of an input image and of an output image.
fn sizes(shape: &ConvShape) -> [[usize; 3]; 2] {
    let inputs = [shape.batch, shape.channels_in, shape.height * shape.width];
    let outputs = shape.out().iter().product();
    [inputs, [shape.batch, shape.channels_out, outputs]]
}

fn weights(shape: ConvShape, values: &[f32]) -> Weights<'_> {
    let [rows, columns] = shape.kernel;
    let kernels = shape.channels_in * shape.taps();
    Weights {
        values,
        size: [shape.channels_out, shape.channels_in, rows, columns],
        steps: [kernels, shape.taps(), columns, 1],
    }
}

fn in_lanes(planes: &[f32], size @ [images, channels, pixels]: [usize; 3]) -> Vec<f32> {
    let mut lanes = vec![f32::NAN; lanes_for(images) * channels * pixels];
    spread(planes, size, &mut lanes);
    lanes
}

/// Runs a kernel on planes, in the order that it asks for.
fn run(
    order: Order,
    [from, to]: [[usize; 3]; 2],
    source: &[f32],
    target: &mut [f32],
    kernel: impl FnOnce(&[f32], &mut [f32]),
) {
    match order {
        Order::Planes => kernel(source, target),
        Order::Lanes => {
            let mut beside = vec![f32::NAN; lanes_for(to[0]) * to[1] * to[2]];
            kernel(&in_lanes(source, from), &mut beside);
            collect(&beside, to, target);
        }
    }
}

/// The convolution, and the gradient of its input, with weights whose layouts nobody has made yet.
fn forward(shape: ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
    forward_in(Factors::F32, shape, x, weight, bias, out);
}

fn forward_in(
    factors: Factors,
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let weight = (weights(shape, weight), &Layouts::new(factors));
    run(shape.order(), sizes(&shape), x, out, |x, out| {
        super::forward(shape, x, weight, bias, out);
    });
}

fn input_gradient(shape: ConvShape, weight: &[f32], grad_out: &[f32], grad_x: &mut [f32]) {
    input_gradient_in(Factors::F32, shape, weight, grad_out, grad_x);
}

fn input_gradient_in(
    factors: Factors,
    shape: ConvShape,
    weight: &[f32],
    grad_out: &[f32],
    grad_x: &mut [f32],
) {
    let weight = (weights(shape, weight), &Layouts::new(factors));
    let [inputs, outputs] = sizes(&shape);
    let order = shape.gradient_order();
    run(
        order,
        [outputs, inputs],
        grad_out,
        grad_x,
        |grad_out, grad_x| {
            super::input_gradient(shape, weight, grad_out, grad_x);
        },
    );
}

/// Gradients of weights and bias, of images in either order.
fn parameter_gradients(
    shape: ConvShape,
    order: Order,
    x: &[f32],
    grad_out: &[f32],
    grad_weight: &mut [f32],
    grad_bias: &mut [f32],
) {
    let [height, width] = shape.out();
    let [inputs, outputs] = sizes(&shape);
    let beside = [in_lanes(x, inputs), in_lanes(grad_out, outputs)];
    let [x, grad_out] = match order {
        Order::Planes => [x, grad_out],
        Order::Lanes => [beside[0].as_slice(), &beside[1]],
    };
    let size = [shape.batch, shape.channels_in, shape.height, shape.width];
    let x = Images {
        numbers: x,
        order,
        size,
    };
    let size = [shape.batch, shape.channels_out, height, width];
    let grad_out = Images {
        numbers: grad_out,
        order,
        size,
    };
    let steps = weights(shape, grad_weight).steps;
    super::parameter_gradients(&shape, x, grad_out, (grad_weight, steps), grad_bias);
}

fn shapes(random: &mut Random) -> Vec<ConvShape> {
    let mut shapes = special_shapes();
    shapes.extend((0..300).map(|_| random.shape()));
    shapes.extend((0..30).map(|_| random.tiled_shape()));
    if cfg!(miri) {
        let products = |shape: &ConvShape| {
            let outputs: usize = sizes(shape)[1].iter().product();
            outputs * shape.channels_in * shape.taps()
        };
        // Where a product takes microseconds: some small shapes, all of them direct. What indexes
        // without bounds for tiles of pixels has tests of its own.
        shapes.retain(|shape| products(shape) < 1_000);
        shapes.truncate(12);
    }
    shapes
}

#[test]
fn both_directions_of_both_kinds_are_tried_in_tiles() {
    let mut random = Random(1);
    let shapes: Vec<_> = (0..30).map(|_| random.tiled_shape()).collect();
    for stride in [1, 2] {
        let tiled = |way: fn(&ConvShape) -> Option<Winograd>| {
            let of_kind = shapes.iter().filter(|shape| shape.stride == [stride; 2]);
            of_kind.filter_map(way).count()
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
    let (first, others) = out.split_at(outputs[1] * outputs[2]);
    assert!(first.iter().all(|value| value.is_nan()));
    assert!(others.iter().all(|value| value.is_finite()));
}

#[test]
#[should_panic = "assertion"]
fn refuses_an_input_that_is_too_short() {
    let shape = ConvShape {
        batch: 8,
        ..square(1, 4, 1, 1, 1, (0, 0))
    };
    let weight = (weights(shape, &[1.0]), &Layouts::default());
    super::forward(shape, &[0.0; 127], weight, None, &mut [0.0; 128]);
}

#[test]
fn weights_are_read_wherever_they_lie() {
    let shape = square(3, 5, 4, 2, 1, (0, 1));
    let [x, weight, _, grad] = operands(shape, &mut Random(5));
    let [mut expected, mut got] = [0, 0].map(|_: i32| vec![0.0; grad.len()]);
    forward(shape, &x, &weight, None, &mut expected);
    // The same with the two axes of channels swapped.
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
        super::forward(shape, x, weight, None, out);
    });
    assert_eq!(got, expected);
}

fn rounded(values: &[f32]) -> Vec<f32> {
    let mut rounded = vec![0.0; values.len()];
    factors::Form::Rounded.channels(values, values.len(), &mut rounded);
    rounded
}

/// Root mean square of the differences, over that of what is expected.
fn relative_error(got: &[f32], expected: &[f32]) -> f64 {
    let square = |number: f32| f64::from(number) * f64::from(number);
    let differences = got.iter().zip(expected).map(|(a, b)| square(a - b));
    let size = expected.iter().map(|&v| square(v)).sum::<f64>();
    (differences.sum::<f64>() / size.max(f64::MIN_POSITIVE)).sqrt()
}

#[test]
fn direct_convolutions_in_bf16_are_those_of_rounded_factors() {
    let mut random = Random(6);
    for shape in shapes(&mut random) {
        let [x, weight, bias, grad] = operands(shape, &mut random);
        let [x_rounded, weight_rounded, grad_rounded] = [&x, &weight, &grad].map(|v| rounded(v));
        let is_even = |channels: usize| channels.is_multiple_of(2);
        if Winograd::forward(&shape).is_none() && is_even(shape.channels_in) {
            let [mut got, mut expected] = [0, 0].map(|_: i32| vec![f32::NAN; grad.len()]);
            let bias = Some(bias.as_slice());
            forward_in(Factors::Bf16, shape, &x, &weight, bias, &mut got);
            forward(shape, &x_rounded, &weight_rounded, bias, &mut expected);
            let expected: Vec<_> = expected.into_iter().map(f64::from).collect();
            assert_close(&got, &expected, shape);
        }
        if Winograd::input_gradient(&shape).is_none() && is_even(shape.channels_out) {
            let [mut got, mut expected] = [0, 0].map(|_: i32| vec![f32::NAN; x.len()]);
            input_gradient_in(Factors::Bf16, shape, &weight, &grad, &mut got);
            input_gradient(shape, &weight_rounded, &grad_rounded, &mut expected);
            let expected: Vec<_> = expected.into_iter().map(f64::from).collect();
            assert_close(&got, &expected, shape);
        }
    }
}

/// A tile of six pixels errs most, 1.3e-2; a direct convolution 2.1e-3, as each factor is off by up to
/// 2⁻⁹ of its size.
#[test]
fn what_rounding_changes_is_bounded_for_every_tile() {
    let mut random = Random(7);
    let shapes = [
        square(64, 16, 16, 3, 1, (1, 1)),
        square(16, 20, 16, 4, 2, (1, 1)),
        square(16, 14, 32, 4, 2, (1, 1)),
        square(32, 7, 16, 4, 2, (1, 2)),
        square(16, 16, 32, 3, 2, (1, 1)),
    ];
    for shape in shapes.into_iter().filter(|_| !cfg!(miri)) {
        let [x, weight, _, grad] = operands(shape, &mut random);
        let mut outs = [0, 0].map(|_: i32| vec![0.0; grad.len()]);
        let mut grads = [0, 0].map(|_: i32| vec![0.0; x.len()]);
        for (i, factors) in [Factors::F32, Factors::Bf16].into_iter().enumerate() {
            forward_in(factors, shape, &x, &weight, None, &mut outs[i]);
            input_gradient_in(factors, shape, &weight, &grad, &mut grads[i]);
        }
        for error in [
            relative_error(&outs[1], &outs[0]),
            relative_error(&grads[1], &grads[0]),
        ] {
            assert!((1e-3..1.5e-2).contains(&error), "{shape:?}: {error}");
        }
    }
}

/// What the portable form and the one of the CPU at hand make of the same factors.
#[test]
fn a_product_of_pairs_is_that_of_rounded_factors() {
    use factors::Form;
    use tile::{multiply, vectors_of};
    let pairs = Form::of(Factors::Bf16, 2);
    if pairs != Form::Pairs {
        return; // a CPU without AVX-512 BF16 has no other form
    }
    let mut random = Random(8);
    for (rows, depth, lanes) in [
        (1, 2, 8),
        (6, 4, 16),
        (29, 130, 8),
        (24, 64, 48),
        (17, 258, 16),
    ] {
        let (a, b) = (random.values(rows * depth), random.values(depth * lanes));
        let product = |form: Form| {
            let mut right = vec![0.0; form.numbers(b.len())];
            form.channels(&b, lanes, &mut right);
            let left = form.matrix(a.clone(), depth);
            let mut out = vec![f32::NAN; rows * lanes];
            let size = [rows, form.numbers(depth)];
            multiply(
                form,
                &left,
                size,
                (&right, lanes),
                &vectors_of(lanes, form),
                &mut out,
            );
            out
        };
        let (got, expected) = (product(pairs), product(Form::Rounded));
        let largest = expected.iter().fold(0.0f32, |max, v| max.max(v.abs()));
        for (got, expected) in got.iter().zip(&expected) {
            assert!((got - expected).abs() <= 1e-6 * largest * (depth as f32).sqrt());
        }
    }
}
