//! Measure the kernels on the layers of the networks that `ebm bench` measures as a whole.
//!
//! `cargo bench --manifest-path benches/kernels/Cargo.toml [-- FILTER]`. An element of the throughput is
//! a multiply-add of the plain convolution, so 1 Gelem/s is 2 GFLOP/s of it.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ebm_kernels::conv::{self, ConvShape, Factors, ImageBatch, Layouts, Order, Weights};
use ebm_kernels::{elementwise, lanes};

/// Images of a task of sampling, and of a task of a parameter update.
const CHAINS: usize = 8;
const UPDATED: usize = 16;

fn layers() -> Vec<(&'static str, ConvShape)> {
    let layer = |channels: [usize; 2], size, kernel, stride, padding| ConvShape {
        batch: CHAINS,
        channels_in: channels[0],
        height: size,
        width: size,
        channels_out: channels[1],
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
    };
    vec![
        ("uva 1", layer([1, 16], 28, 5, 2, (4, 4))),
        ("uva 2", layer([16, 32], 16, 3, 2, (1, 1))),
        ("uva 3", layer([32, 64], 8, 3, 2, (1, 1))),
        ("uva 4", layer([64, 64], 4, 3, 2, (1, 1))),
        ("mnist 1", layer([1, 64], 28, 3, 1, (1, 1))),
        ("mnist 2", layer([64, 64], 28, 4, 2, (1, 1))),
        ("mnist 4", layer([128, 256], 7, 4, 2, (1, 2))),
        ("cifar 1", layer([3, 128], 32, 3, 1, (1, 1))),
        ("cifar 2", layer([128, 128], 32, 3, 1, (1, 1))),
        ("dense", layer([256, 64], 1, 1, 1, (0, 0))),
    ]
}

fn waves(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 0.731).sin()).collect()
}

fn sizes(shape: &ConvShape) -> [[usize; 4]; 2] {
    let [height, width] = shape.out();
    [
        [shape.batch, shape.channels_in, shape.height, shape.width],
        [shape.batch, shape.channels_out, height, width],
    ]
}

fn multiply_adds(shape: &ConvShape) -> u64 {
    let outputs: usize = sizes(shape)[1].iter().product();
    (outputs * shape.channels_in * shape.kernel[0] * shape.kernel[1]) as u64
}

fn convolutions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("convolution");
    for (name, shape) in layers() {
        let [inputs, outputs] = sizes(&shape);
        let [rows, columns] = shape.kernel;
        let size = [shape.channels_out, shape.channels_in, rows, columns];
        let values = waves(size.iter().product());
        let weight = Weights {
            values: &values,
            size,
            steps: [size[1] * rows * columns, rows * columns, columns, 1],
        };
        let (layouts, bias) = (Layouts::default(), waves(shape.channels_out));
        group.throughput(Throughput::Elements(multiply_adds(&shape)));

        let (order, gradient_order) = (shape.order(), shape.gradient_order());
        let (x, mut y) = (waves(order.len(inputs)), waves(order.len(outputs)));
        group.bench_function(BenchmarkId::new("forward", name), |bencher| {
            bencher.iter(|| conv::forward(shape, &x, (weight, &layouts), Some(&bias), &mut y));
        });
        let rounding = Layouts::new(Factors::Bf16);
        group.bench_function(BenchmarkId::new("forward in bf16", name), |bencher| {
            bencher.iter(|| conv::forward(shape, &x, (weight, &rounding), Some(&bias), &mut y));
        });
        let gradient = waves(gradient_order.len(outputs));
        let mut grad_x = waves(gradient_order.len(inputs));
        group.bench_function(BenchmarkId::new("input gradient", name), |bencher| {
            bencher.iter(|| {
                conv::input_gradient(shape, (weight, &layouts), &gradient, &mut grad_x);
            });
        });

        let shape = ConvShape {
            batch: UPDATED,
            ..shape
        };
        group.throughput(Throughput::Elements(multiply_adds(&shape)));
        let [inputs, outputs] = sizes(&shape);
        let order = Order::Lanes;
        let (x, gradient) = (waves(order.len(inputs)), waves(order.len(outputs)));
        let (mut grad_weight, mut grad_bias) = (values.clone(), bias.clone());
        group.bench_function(BenchmarkId::new("parameter gradients", name), |bencher| {
            bencher.iter(|| {
                let images = |values, size| ImageBatch {
                    values,
                    order,
                    size,
                };
                conv::parameter_gradients(
                    &shape,
                    images(&x, inputs),
                    images(&gradient, outputs),
                    (&mut grad_weight, weight.steps),
                    &mut grad_bias,
                );
            });
        });
    }
}

fn elementwise(criterion: &mut Criterion) {
    const LEN: usize = 1 << 14;
    let mut group = criterion.benchmark_group("elementwise");
    group.throughput(Throughput::Elements(LEN as u64));
    let (x, mut y) = (waves(LEN), waves(LEN));
    group.bench_function("swish", |bencher| {
        bencher.iter(|| elementwise::swish(&mut y))
    });
    group.bench_function("swish gradient", |bencher| {
        bencher.iter(|| {
            y.fill(1.0);
            elementwise::swish_gradient(&x, &mut y);
        });
    });
    let size = [CHAINS, 16, LEN / CHAINS / 16];
    group.bench_function("spread", |bencher| {
        bencher.iter(|| lanes::spread(&x, size, &mut y));
    });
    group.bench_function("collect", |bencher| {
        bencher.iter(|| lanes::collect(&x, size, &mut y));
    });
}

criterion_group!(benches, convolutions, elementwise);
criterion_main!(benches);
