//! Draw shapes and values from a generator with a fixed seed.

use crate::conv::shape::ConvShape;
use crate::conv::winograd::MIN_CHANNELS;

/// A linear congruential generator [Knuth, MMIX].
pub(super) struct Random(pub(super) u64);

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

    /// Values in (−1, 1).
    pub(super) fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len)
            .map(|_| self.bits() as f32 / (1u64 << 30) as f32 - 1.0)
            .collect()
    }

    /// A shape of any kernel, stride and padding, mostly one for direct convolutions.
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

    /// A shape with a kernel for which there are transforms.
    pub(super) fn tiled_shape(&mut self) -> ConvShape {
        let [kernel, stride] = [[3, 1], [4, 2]][self.below(2)];
        let least = MIN_CHANNELS;
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

pub(super) fn square(
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

/// Special and random shapes.
pub(super) fn shapes(random: &mut Random) -> Vec<ConvShape> {
    let mut shapes = special_shapes();
    shapes.extend((0..300).map(|_| random.shape()));
    shapes.extend((0..30).map(|_| random.tiled_shape()));
    if cfg!(miri) {
        let products = |shape: &ConvShape| {
            let outputs: usize = sizes(shape)[1].iter().product();
            outputs * shape.channels_in * shape.taps()
        };
        // A product takes microseconds there, so a few small shapes, all of them direct. The unchecked
        // indexing that tiles of pixels need has tests of its own.
        shapes.retain(|shape| products(shape) < 1_000);
        shapes.truncate(12);
    }
    shapes
}

/// Images, channels and pixels of the input and of the output.
pub(super) fn sizes(shape: &ConvShape) -> [[usize; 3]; 2] {
    let inputs = [shape.batch, shape.channels_in, shape.height * shape.width];
    let outputs = shape.out().iter().product();
    [inputs, [shape.batch, shape.channels_out, outputs]]
}
