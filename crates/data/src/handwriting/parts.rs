//! Tell a character from specks and from what lies at the frame.

/// A part belongs to a character if it has at least this share of the pixels of the largest.
const LEAST_SHARE: f64 = 0.05;

/// Connected pixels.
struct Part {
    /// Their places, row-major.
    pixels: Vec<usize>,
    touches_frame: bool,
}

/// The ink without specks, and without what touches the frame, unless nothing else is there.
///
/// # Shapes
/// - `is_ink`: `[height, width]`; returns the same
pub(super) fn main_parts(is_ink: &[bool], [height, width]: [usize; 2]) -> Vec<bool> {
    let mut parts = parts(is_ink, [height, width]);
    if parts.iter().any(|part| !part.touches_frame) {
        parts.retain(|part| !part.touches_frame);
    }
    let largest = parts.iter().map(|part| part.pixels.len()).max();
    let least = LEAST_SHARE * largest.unwrap_or(0) as f64;
    let mut kept = vec![false; is_ink.len()];
    for part in parts
        .iter()
        .filter(|part| part.pixels.len() as f64 >= least)
    {
        part.pixels.iter().for_each(|&pixel| kept[pixel] = true);
    }
    kept
}

/// All parts of the ink, whose pixels are neighbours along sides or corners.
fn parts(is_ink: &[bool], size: [usize; 2]) -> Vec<Part> {
    let mut is_left = is_ink.to_vec();
    let mut parts = Vec::new();
    for first in 0..is_ink.len() {
        if is_left[first] {
            parts.push(part_of(first, &mut is_left, size));
        }
    }
    parts
}

/// The part of a pixel, which is taken from what is left.
fn part_of(first: usize, is_left: &mut [bool], [height, width]: [usize; 2]) -> Part {
    is_left[first] = false;
    let mut pixels = vec![first];
    let mut touches_frame = false;
    let mut next = 0;
    while let Some(&pixel) = pixels.get(next) {
        next += 1;
        let (y, x) = (pixel / width, pixel % width);
        touches_frame |= y == 0 || x == 0 || y + 1 == height || x + 1 == width;
        for near_y in y.saturating_sub(1)..(y + 2).min(height) {
            for near_x in x.saturating_sub(1)..(x + 2).min(width) {
                let near = near_y * width + near_x;
                if is_left[near] {
                    is_left[near] = false;
                    pixels.push(near);
                }
            }
        }
    }
    Part {
        pixels,
        touches_frame,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(rows: &[&str]) -> Vec<String> {
        let width = rows[0].len();
        let is_ink: Vec<bool> = rows.concat().bytes().map(|byte| byte == b'#').collect();
        let kept = main_parts(&is_ink, [rows.len(), width]);
        let text = |row: &[bool]| -> String {
            let marks = row.iter().map(|&is_kept| if is_kept { '#' } else { '.' });
            marks.collect()
        };
        kept.chunks(width).map(text).collect()
    }

    #[test]
    fn parts_touch_at_corners_and_what_lies_at_the_frame_is_left_out() {
        let rows = ["......#", ".##...#", "...#..#", "..#...#", "......#"];
        let expected = [".......", ".##....", "...#...", "..#....", "......."];
        assert_eq!(kept(&rows), expected);
    }

    #[test]
    fn all_is_kept_where_all_is_at_the_frame() {
        let rows = ["###....", "......#", "......#"];
        assert_eq!(kept(&rows), rows);
    }

    #[test]
    fn specks_are_left_out_and_small_strokes_are_not() {
        let blank = ".".repeat(30);
        let large = format!(".{}....", "#".repeat(25));
        let small = format!("..##{}#...", ".".repeat(22));
        let expected = format!("..##{}", ".".repeat(26));
        let rows = [&blank, &large, &blank, &small, &blank].map(String::as_str);
        let expected = [&blank, &large, &blank, &expected, &blank];
        assert_eq!(kept(&rows), expected.map(String::clone));
    }

    #[test]
    fn no_ink_is_no_part() {
        assert_eq!(kept(&["..", ".."]), ["..", ".."]);
    }
}
