//! Convolve by tiles of pixels: transform, multiply at as many points, transform back.
//!
//! F(4×4, 3×3) takes a quarter of the multiplications of a convolution; F(5×5, 2×2), F(4×4, 2×2) and
//! F(2×2, 2×2) take 36, 39 and 56 %, where the tiles fit the image (Lavin & Gray 2016). A 4×4 kernel
//! of stride two is one of 2×2 on the four phases of the image as channels, and an input gradient is
//! a convolution, too: of the output's gradient, with turned kernels. So both directions of both
//! kinds are one function of two [`Lattice`]s.
//!
//! Images lie beside each other here, eight or sixteen to a vector, so that every transform is a vector operation
//! whatever the size of an image, and no bit of a result depends on its place. Few images are taken
//! alone, rather than eight for nothing.

mod tiles;
mod transform;
mod weights;

use std::ops::Range;

use super::factors::{Factors, Form};
use super::scratch::with_scratch;
use super::{ConvShape, Order};
use crate::conv::tile::{LANES, multiply, vectors_of};
use crate::lanes::{WIDTH, lanes_for};
use tiles::{Band, Panels, transform_pixels, transform_products};
use transform::outputs_of;

/// Points of a tile along one axis for which there are transforms, for kernels of two taps and of three.
const POINTS: [&[usize]; 2] = [&[3, 5, 6], &[6]];
/// Images from which the lanes of those that are missing are computed for nothing, rather than each
/// image alone.
const MIN_IMAGES: usize = 4;
/// Columns of a product, as far as a row of tiles allows: pixels and products stay in the cache.
const BAND_COLUMNS: usize = 64;
/// Channels from which the multiplications saved outweigh the transforms.
pub(super) const MIN_CHANNELS: usize = 16;
/// Transformed weights that are worth their memory, 40 MB.
const MAX_WEIGHTS: usize = 10 << 20;
/// Tiles of an image for which the transformed weights are worth reading.
const MIN_TILES: usize = 4;

/// The rows and columns where the points of a tiling lie in an image: point i of phase a is at
/// stride · i + a + offset.
#[derive(Clone, Copy, Debug)]
struct Lattice {
    channels: usize,
    /// Of an image.
    size: [usize; 2],
    /// Along either axis; its square is the number of phases.
    stride: usize,
    offset: [isize; 2],
}

impl Lattice {
    fn phases(&self) -> usize {
        self.stride * self.stride
    }

    fn image_len(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// How images lie of which there are so many beside each other; alone they lie in planes.
    fn steps(&self, lanes: usize) -> Steps {
        let [height, width] = self.size;
        match lanes {
            1 => Steps {
                image: self.image_len(),
                channel: height * width,
                row: width,
                pixel: 1,
            },
            _ => Steps {
                image: 1,
                channel: lanes,
                row: width * self.channels * lanes,
                pixel: self.channels * lanes,
            },
        }
    }

    /// Where the points of the phase lie: channel, row and column of the point zero.
    fn phase(&self, index: usize) -> (usize, [isize; 2]) {
        let (channel, phase) = (index / self.phases(), index % self.phases());
        let [row, column] = [phase / self.stride, phase % self.stride];
        let start = [
            self.offset[0] + row as isize,
            self.offset[1] + column as isize,
        ];
        (channel, start)
    }

    /// Those of the points `points` that lie inside of the image, along one axis.
    fn inside(&self, points: Range<usize>, start: isize, axis: usize) -> Range<usize> {
        let stride = self.stride as isize;
        let first_at = |pixel: isize| ((pixel - start + stride - 1).div_euclid(stride)).max(0);
        let [first, end] = [0, self.size[axis] as isize].map(|pixel| first_at(pixel) as usize);
        let first = first.clamp(points.start, points.end);
        first..end.clamp(first, points.end)
    }

    /// The pixel of a point, which lies inside of the image.
    fn pixel(&self, point: usize, start: isize) -> usize {
        (self.stride as isize * point as isize + start) as usize
    }
}

/// Distances between numbers of images.
#[derive(Clone, Copy)]
struct Steps {
    image: usize,
    channel: usize,
    row: usize,
    pixel: usize,
}

/// A convolution, or its input gradient, whose kernel has two or three taps on every phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Winograd {
    direction: Direction,
    source: Lattice,
    target: Lattice,
    taps: usize,
    /// Pixels of a tile along one axis.
    points: usize,
    /// Rows and columns of tiles.
    tiles: [usize; 2],
    /// Of the products' factors.
    form: Form,
}

/// Images of a vector, of which there are so many beside each other: as many as possible.
fn vector_for(lanes: usize) -> usize {
    [LANES, WIDTH]
        .into_iter()
        .find(|&vector| lanes.is_multiple_of(vector))
        .unwrap_or(1)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    InputGradient,
}

/// Taps on every phase, where transforms are known for them.
fn taps(shape: &ConvShape) -> Option<usize> {
    match (shape.kernel, shape.stride) {
        ([3, 3], [1, 1]) => Some(3),
        ([4, 4], [2, 2]) => Some(2),
        _ => None,
    }
}

impl Winograd {
    /// The convolution itself, where this way is the quicker one.
    pub(super) fn forward(shape: &ConvShape) -> Option<Self> {
        let pixels = Lattice {
            channels: shape.channels_in,
            size: [shape.height, shape.width],
            stride: shape.stride[0],
            offset: shape.padding.map(|(before, _)| -(before as isize)),
        };
        let outputs = Lattice {
            channels: shape.channels_out,
            size: shape.out(),
            stride: 1,
            offset: [0, 0],
        };
        let taps = taps(shape)?;
        Self::new(Direction::Forward, pixels, outputs, taps, shape.out())
    }

    /// The gradient of its input, where this way is the quicker one.
    pub(super) fn input_gradient(shape: &ConvShape) -> Option<Self> {
        let taps = taps(shape)?;
        let (size, stride) = ([shape.height, shape.width], shape.stride[0]);
        let before = shape.padding.map(|(before, _)| before);
        let first = before.map(|before| before / stride);
        let points = [0, 1].map(|axis| (before[axis] + size[axis] - 1) / stride - first[axis] + 1);
        let gradients = Lattice {
            channels: shape.channels_out,
            size: shape.out(),
            stride: 1,
            offset: first.map(|first| first as isize - (taps as isize - 1)),
        };
        let pixels = Lattice {
            channels: shape.channels_in,
            size,
            stride,
            offset: [0, 1].map(|axis| (stride * first[axis]) as isize - before[axis] as isize),
        };
        Self::new(Direction::InputGradient, gradients, pixels, taps, points)
    }

    fn new(
        direction: Direction,
        source: Lattice,
        target: Lattice,
        taps: usize,
        outputs: [usize; 2],
    ) -> Option<Self> {
        let with = |&points: &usize| Self {
            direction,
            source,
            target,
            taps,
            points,
            tiles: outputs.map(|outputs| outputs.div_ceil(outputs_of(points, taps))),
            form: Form::F32,
        };
        let tilings = POINTS[taps - 2].iter().map(with);
        tilings.filter(Self::pays).min_by_key(Self::products)
    }

    /// The same with the factors of its products rounded.
    pub(super) fn with_factors(self, factors: Factors) -> Self {
        let form = Form::of(factors, self.inputs());
        Self { form, ..self }
    }

    fn pays(&self) -> bool {
        self.source.channels.min(self.target.channels) >= MIN_CHANNELS
            && self.weights_len() <= MAX_WEIGHTS
            && self.tiles.iter().product::<usize>() >= MIN_TILES
    }

    /// Products for a tile of a pair of an input and an output channel.
    fn products_of_tile(&self) -> usize {
        self.points * self.points
    }

    /// Products for such a pair.
    fn products(&self) -> usize {
        self.products_of_tile() * self.tiles.iter().product::<usize>()
    }

    fn weights_len(&self) -> usize {
        self.products_of_tile() * self.inputs() * self.outputs()
    }

    fn inputs(&self) -> usize {
        self.source.channels * self.source.phases()
    }

    fn outputs(&self) -> usize {
        self.target.channels * self.target.phases()
    }

    /// How images lie, of which there are so many.
    pub(super) fn order(images: usize) -> Order {
        match images {
            MIN_IMAGES.. => Order::Lanes,
            _ => Order::Planes,
        }
    }

    /// Writes the target's images from the source's, and a bias for each of the target's channels.
    ///
    /// # Shapes
    /// - `source`, `target`: `[batch, channels, height, width]` of the lattices, in their [`order`](Self::order)
    /// - `weights`: as [`Self::weights`] gives them
    pub(super) fn run(
        &self,
        batch: usize,
        weights: &[f32],
        source: &[f32],
        bias: Option<&[f32]>,
        target: &mut [f32],
    ) {
        assert_eq!(weights.len(), self.form.numbers(self.weights_len()));
        let lanes = match Self::order(batch) {
            Order::Lanes => lanes_for(batch),
            Order::Planes => 1,
        };
        let (images, vector) = (batch.max(lanes), vector_for(lanes));
        assert_eq!(source.len(), images * self.source.image_len());
        assert_eq!(target.len(), images * self.target.image_len());
        let together = self.images_together(vector);
        for first in (0..images).step_by(together) {
            let some = first..(first + together).min(images);
            match vector {
                1 => self.group::<1>(1, some, weights, source, bias, target),
                WIDTH => self.group::<WIDTH>(lanes, some, weights, source, bias, target),
                _ => self.group::<LANES>(lanes, some, weights, source, bias, target),
            }
        }
    }

    /// Images, whole vectors of them, that fill the columns of a product that has all their tiles.
    fn images_together(&self, vector: usize) -> usize {
        let [rows, columns] = self.tiles;
        (BAND_COLUMNS / (rows * columns * vector)).max(1) * vector
    }

    /// Images that share a product, `L` in a vector.
    fn group<const L: usize>(
        &self,
        lanes: usize,
        images: Range<usize>,
        weights: &[f32],
        source: &[f32],
        bias: Option<&[f32]>,
        target: &mut [f32],
    ) {
        let [tile_rows, tile_columns] = self.tiles;
        let steps = [self.source.steps(lanes), self.target.steps(lanes)];
        let vectors = images.step_by(L);
        let band_rows = (BAND_COLUMNS / (vectors.len() * tile_columns * L)).clamp(1, tile_rows);
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let columns = vectors.len() * band_rows * tile_columns * L;
        let columns = columns.next_multiple_of(LANES);
        let whole = Band::new(0..band_rows, tile_columns, self.points, self.taps);
        let scratch = [
            whole.pixels_len::<L>(),
            whole.half_len::<L>(),
            Panels::len(self.products_of_tile(), columns, inputs),
            Panels::len(self.products_of_tile(), columns, outputs),
            self.form.room(inputs * columns),
        ];
        with_scratch(scratch, |[pixels, half, values, products, room]| {
            let mut values = Panels::new(values, columns, inputs);
            let mut products = Panels::new(products, columns, outputs);
            for first in (0..tile_rows).step_by(band_rows) {
                let rows = first..(first + band_rows).min(tile_rows);
                let band = Band::new(rows, tile_columns, self.points, self.taps);
                for (index, image) in vectors.clone().enumerate() {
                    let first_tile = index * band.tiles();
                    let source = &source[image * steps[0].image..];
                    for input in 0..inputs {
                        self.gather::<L>(&band, input, source, steps[0], pixels);
                        transform_pixels::<L>(
                            &band,
                            pixels,
                            half,
                            &mut values,
                            [input, first_tile],
                        );
                    }
                }
                let columns = vectors.len() * band.tiles() * L;
                self.multiply(weights, &values, room, &mut products, columns);
                for (index, image) in vectors.clone().enumerate() {
                    let first_tile = index * band.tiles();
                    let target = &mut target[image * steps[1].image..];
                    for output in 0..outputs {
                        transform_products::<L>(
                            &band,
                            &products,
                            [output, first_tile],
                            half,
                            pixels,
                        );
                        self.scatter::<L>(&band, output, bias, pixels, target, steps[1]);
                    }
                }
            }
        });
    }

    /// Writes the products of so many columns; `room` is for the factors at a point.
    fn multiply(
        &self,
        weights: &[f32],
        pixels: &Panels,
        room: &mut [f32],
        products: &mut Panels,
        columns: usize,
    ) {
        let size = [self.outputs(), self.form.numbers(self.inputs())];
        let panels = columns.div_ceil(LANES);
        let vectors: Vec<_> = (0..panels)
            .flat_map(|panel| {
                let [from, to] = [size[1], size[0]].map(|rows| panel * rows * LANES);
                vectors_of(LANES, self.form)
                    .into_iter()
                    .map(move |[i, j]| [from + i, to + j])
            })
            .collect();
        for (point, weights) in weights.chunks_exact(size[0] * size[1]).enumerate() {
            let products = products.panels_mut(point, panels);
            let pixels = self.form.lay_out(pixels.panels(point, panels), LANES, room);
            multiply(
                self.form,
                weights,
                size,
                (pixels, LANES),
                &vectors,
                products,
            );
        }
    }

    /// Copies the pixels of a band that `input` sees, with zeros around them.
    fn gather<const L: usize>(
        &self,
        band: &Band,
        input: usize,
        source: &[f32],
        steps: Steps,
        pixels: &mut [f32],
    ) {
        let lattice = &self.source;
        let (channel, start) = lattice.phase(input);
        let points = band.points();
        let rows = lattice.inside(points.clone(), start[0], 0);
        let columns = lattice.inside(0..band.width(), start[1], 1);
        let step = lattice.stride * steps.pixel;
        for (point, row) in points.zip(pixels.as_chunks_mut::<L>().0.chunks_exact_mut(band.width()))
        {
            if !rows.contains(&point) || columns.is_empty() {
                row.fill([0.0; L]);
                continue;
            }
            row[..columns.start].fill([0.0; L]);
            row[columns.end..].fill([0.0; L]);
            let first = channel * steps.channel
                + lattice.pixel(point, start[0]) * steps.row
                + lattice.pixel(columns.start, start[1]) * steps.pixel;
            let seen = source[first..].chunks(step);
            for (to, from) in row[columns.clone()].iter_mut().zip(seen) {
                to.copy_from_slice(&from[..L]);
            }
        }
    }

    /// Copies what is in a band of `output` to the images, and adds the bias.
    fn scatter<const L: usize>(
        &self,
        band: &Band,
        output: usize,
        bias: Option<&[f32]>,
        pixels: &[f32],
        target: &mut [f32],
        steps: Steps,
    ) {
        let lattice = &self.target;
        let (channel, start) = lattice.phase(output);
        let bias = bias.map_or(0.0, |bias| bias[channel]);
        let points = band.outputs();
        let rows = lattice.inside(points.clone(), start[0], 0);
        let columns = lattice.inside(0..band.output_width(), start[1], 1);
        if columns.is_empty() {
            return;
        }
        let step = lattice.stride * steps.pixel;
        let lines = pixels.as_chunks::<L>().0.chunks_exact(band.output_width());
        for (point, line) in points.zip(lines) {
            if !rows.contains(&point) {
                continue;
            }
            let first = channel * steps.channel
                + lattice.pixel(point, start[0]) * steps.row
                + lattice.pixel(columns.start, start[1]) * steps.pixel;
            let given = target[first..].chunks_mut(step);
            for (to, from) in given.zip(&line[columns.clone()]) {
                for (to, from) in to[..L].iter_mut().zip(from) {
                    *to = from + bias;
                }
            }
        }
    }
}
