//! Write outputs.

use cubecl::prelude::*;

use super::conv_shape::ConvShape;

/// Writes an output, unless it is of a pixel outside of the image; `slice_offset` elements are of slices before.
#[cube]
pub(super) fn write<F: Float>(
    output: f32,
    y: &mut Tensor<F>,
    slice_offset: u32,
    pixel: u32,
    channel: u32,
    #[comptime] conv: ConvShape,
) {
    let value = F::cast_from(output);
    if comptime!(conv.cells.is_some()) {
        write_to_cell(value, y, slice_offset, pixel, channel, conv);
    } else {
        y[(slice_offset + pixel * comptime!(conv.channels[1] as u32) + channel) as usize] = value;
    }
}

#[cube]
fn write_to_cell<F: Float>(
    value: F,
    y: &mut Tensor<F>,
    slice_offset: u32,
    pixel: u32,
    channel: u32,
    #[comptime] conv: ConvShape,
) {
    let cells = comptime!(conv.cells.unwrap_or_default());
    let [down, across] = comptime!(cells.stride.map(|stride| stride as u32));
    let [height, width] = comptime!(cells.size.map(|side| side as u32));
    let channels = comptime!(conv.channels[1] as u32 / (down * across));
    let cells_across = comptime!(conv.out[1] as u32);
    let area = comptime!(conv.pixels() as u32);
    let phase = channel / channels;
    let place = pixel % area;
    let row = place / cells_across * down + phase / across - comptime!(cells.before[0] as u32);
    let column = place % cells_across * across + phase % across - comptime!(cells.before[1] as u32);
    if row < height && column < width {
        let to = (pixel / area * height + row) * width + column;
        y[(slice_offset + to * channels + channel % channels) as usize] = value;
    }
}
