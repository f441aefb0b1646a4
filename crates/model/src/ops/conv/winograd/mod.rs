//! Convolve by tiles of pixels: transform, multiply at as many points, transform back.
//!
//! F(4×4, 3×3) takes a quarter of the multiplications of a convolution; F(5×5, 2×2), F(4×4, 2×2) and
//! F(2×2, 2×2) take 36, 39 and 56 %, where the tiles fit the image (Lavin & Gray 2016). A 4×4 kernel
//! of stride two is one of 2×2 on the four phases of the image as channels, and an input gradient is
//! a convolution, too: of the output's gradient, with turned kernels. So both directions of both
//! kinds are one function of two [`Lattice`]s.
//!
//! The pixels of eight images lie beside each other here, so that every transform is a vector
//! operation whatever the size of an image, and no bit of a result depends on its place.

mod tiles;
mod transform;
mod weights;

use std::ops::Range;

use super::ConvShape;
use super::scratch::with_scratch;
use crate::ops::matrix::{LANES, Matrix, Packed, multiply_packed};
use tiles::{Band, Panels};
use transform::outputs_of;

/// Points of a tile along one axis for which there are transforms, for kernels of two taps and of three.
const POINTS: [&[usize]; 2] = [&[3, 5, 6], &[6]];
/// Images that are transformed at once.
const IMAGES: usize = 8;
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
        };
        let tilings = POINTS[taps - 2].iter().map(with);
        tilings.filter(Self::pays).min_by_key(Self::products)
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

    /// Writes the target's images from the source's, and a bias for each of the target's channels.
    ///
    /// # Shapes
    /// - `source`, `target`: `[batch, channels, height, width]` of the lattices
    /// - `weights`: as [`Self::weights`] gives them
    pub(super) fn run(
        &self,
        weights: &[f32],
        source: &[f32],
        bias: Option<&[f32]>,
        target: &mut [f32],
    ) {
        assert_eq!(weights.len(), self.weights_len());
        let (from_len, to_len) = (self.source.image_len(), self.target.image_len());
        let group = IMAGES * self.lanes_of_band(IMAGES);
        let groups = source
            .chunks(group * from_len)
            .zip(target.chunks_mut(group * to_len));
        for (source, target) in groups {
            let images = source.len() / from_len;
            let together = match images % IMAGES {
                MIN_IMAGES.. => images,
                few => images - few,
            };
            let (source, single_source) = source.split_at(together * from_len);
            let (target, single_target) = target.split_at_mut(together * to_len);
            self.group::<IMAGES>(weights, source, bias, target);
            self.group::<1>(weights, single_source, bias, single_target);
        }
    }

    /// How many times `images` images fill the columns of a product that has all tiles of them.
    fn lanes_of_band(&self, images: usize) -> usize {
        let [rows, columns] = self.tiles;
        (BAND_COLUMNS / (rows * columns * images)).max(1)
    }

    /// Images that share a product, `L` and `L` in lanes.
    fn group<const L: usize>(
        &self,
        weights: &[f32],
        source: &[f32],
        bias: Option<&[f32]>,
        target: &mut [f32],
    ) {
        let [tile_rows, tile_columns] = self.tiles;
        let lengths = [&self.source, &self.target].map(|lattice| L * lattice.image_len());
        let images = source.chunks(lengths[0]);
        if images.len() == 0 {
            return;
        }
        let band_rows = (BAND_COLUMNS / (images.len() * tile_columns * L)).clamp(1, tile_rows);
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let columns = images.len() * band_rows * tile_columns * L;
        let columns = columns.next_multiple_of(LANES);
        let whole = Band::new(0..band_rows, tile_columns, self.points, self.taps);
        let scratch = [
            whole.pixels_len::<L>(),
            whole.half_len::<L>(),
            Panels::len(self.products_of_tile(), columns, inputs),
            Panels::len(self.products_of_tile(), columns, outputs),
        ];
        with_scratch(scratch, |[lanes, half, pixels, products]| {
            let mut pixels = Panels::new(pixels, columns, inputs);
            let mut products = Panels::new(products, columns, outputs);
            lanes.fill(0.0); // for the lanes of missing images, which nobody reads
            for first in (0..tile_rows).step_by(band_rows) {
                let rows = first..(first + band_rows).min(tile_rows);
                let band = Band::new(rows, tile_columns, self.points, self.taps);
                for (index, images) in images.clone().enumerate() {
                    let first_tile = index * band.tiles();
                    for input in 0..inputs {
                        self.gather::<L>(&band, input, images, lanes);
                        band.transform_pixels::<L>(lanes, half, &mut pixels, [input, first_tile]);
                    }
                }
                let columns = images.len() * band.tiles() * L;
                self.multiply(weights, &pixels, &mut products, columns);
                for (index, images) in target.chunks_mut(lengths[1]).enumerate() {
                    let first_tile = index * band.tiles();
                    for output in 0..outputs {
                        band.transform_products::<L>(&products, [output, first_tile], half, lanes);
                        self.scatter::<L>(&band, output, bias, lanes, images);
                    }
                }
            }
        });
    }

    fn multiply(&self, weights: &[f32], pixels: &Panels, products: &mut Panels, columns: usize) {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        for (point, weights) in weights.chunks_exact(outputs * inputs).enumerate() {
            let weights = Packed::new(weights, outputs, inputs);
            for panel in 0..columns.div_ceil(LANES) {
                let pixels = Matrix::new(pixels.panel(point, panel), inputs, LANES);
                let products = products.panel_mut(point, panel);
                multiply_packed(weights, pixels, products, LANES, false);
            }
        }
    }

    /// Copies the pixels of a band that `input` sees to where those of the images lie beside each
    /// other, with zeros around them.
    fn gather<const L: usize>(&self, band: &Band, input: usize, source: &[f32], lanes: &mut [f32]) {
        let lattice = &self.source;
        let (channel, start) = lattice.phase(input);
        let [height, width] = lattice.size;
        let points = band.points();
        let rows = lattice.inside(points.clone(), start[0], 0);
        let columns = lattice.inside(0..band.width(), start[1], 1);
        let row_len = band.width() * L;
        let first_pixel = lattice.pixel(columns.start, start[1]);
        for (point, row) in points.zip(lanes.chunks_exact_mut(row_len)) {
            if !rows.contains(&point) {
                row.fill(0.0);
                continue;
            }
            row[..columns.start * L].fill(0.0);
            row[columns.end * L..].fill(0.0);
            let inner = &mut row[columns.start * L..columns.end * L];
            if inner.is_empty() {
                continue;
            }
            let line = (channel * height + lattice.pixel(point, start[0])) * width;
            let images = source.chunks_exact(lattice.image_len());
            for (lane, image) in images.enumerate() {
                let from = &image[line..line + width][first_pixel..];
                spread::<L>(inner, lane, from, lattice.stride);
            }
        }
    }

    /// Copies what is in a band of `output` to the images, and adds the bias.
    fn scatter<const L: usize>(
        &self,
        band: &Band,
        output: usize,
        bias: Option<&[f32]>,
        lanes: &[f32],
        target: &mut [f32],
    ) {
        let lattice = &self.target;
        let (channel, start) = lattice.phase(output);
        let [height, width] = lattice.size;
        let bias = bias.map_or(0.0, |bias| bias[channel]);
        let points = band.outputs();
        let rows = lattice.inside(points.clone(), start[0], 0);
        let columns = lattice.inside(0..band.output_width(), start[1], 1);
        if columns.is_empty() {
            return;
        }
        let first_pixel = lattice.pixel(columns.start, start[1]);
        let lines = lanes.chunks_exact(band.output_width() * L);
        for (point, line) in points.zip(lines) {
            if !rows.contains(&point) {
                continue;
            }
            let inner = &line[columns.start * L..columns.end * L];
            let row = (channel * height + lattice.pixel(point, start[0])) * width;
            let images = target.chunks_exact_mut(lattice.image_len());
            for (lane, image) in images.enumerate() {
                let to = &mut image[row..row + width][first_pixel..];
                collect::<L>(to, lattice.stride, inner, lane, bias);
            }
        }
    }
}

/// Copies every stride-th pixel to one lane.
fn spread<const L: usize>(lanes: &mut [f32], lane: usize, pixels: &[f32], stride: usize) {
    let lanes = lanes.as_chunks_mut::<L>().0.iter_mut();
    match stride {
        1 => lanes.zip(pixels).for_each(|(to, from)| to[lane] = *from),
        _ => lanes
            .zip(pixels.iter().step_by(stride))
            .for_each(|(to, from)| to[lane] = *from),
    }
}

/// Copies one lane to every stride-th pixel, and adds a number.
fn collect<const L: usize>(
    pixels: &mut [f32],
    stride: usize,
    lanes: &[f32],
    lane: usize,
    bias: f32,
) {
    let lanes = lanes.as_chunks::<L>().0.iter();
    match stride {
        1 => pixels
            .iter_mut()
            .zip(lanes)
            .for_each(|(to, from)| *to = from[lane] + bias),
        _ => pixels
            .iter_mut()
            .step_by(stride)
            .zip(lanes)
            .for_each(|(to, from)| *to = from[lane] + bias),
    }
}
