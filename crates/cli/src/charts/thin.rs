//! Draw a long curve by few points, of which nobody sees that the others are missing.
//!
//! A picture has so many columns of pixels. In each, a curve goes from its first point to its last, and in between
//! as far down and up as its least and greatest point: four points say all that the column shows.

/// A place in a picture.
pub(super) type Pixel = (i32, i32);

/// Curves through these points, each with at most four in a column of pixels. `None` is a gap, which is seen
/// only where the points beside it are in different columns.
pub(super) fn thinned(points: impl Iterator<Item = Option<Pixel>>) -> Vec<Vec<Pixel>> {
    let mut curves = vec![Vec::new()];
    let mut open: Option<Column> = None;
    let mut is_gap = false;
    for point in points {
        let Some((x, y)) = point else {
            is_gap = true;
            continue;
        };
        match &mut open {
            Some(column) if column.x == x => column.add(y),
            _ => {
                if let Some(column) = open.replace(Column::new(x, y)) {
                    column.append_to(&mut curves);
                }
                if is_gap {
                    curves.push(Vec::new());
                }
            }
        }
        is_gap = false;
    }
    if let Some(column) = open {
        column.append_to(&mut curves);
    }
    curves.retain(|curve| !curve.is_empty());
    curves
}

/// What a curve does in a column of pixels.
struct Column {
    x: i32,
    first: i32,
    last: i32,
    /// The least and the greatest, each with its place among all.
    least: (i32, usize),
    greatest: (i32, usize),
    len: usize,
}

impl Column {
    fn new(x: i32, y: i32) -> Self {
        Self {
            x,
            first: y,
            last: y,
            least: (y, 0),
            greatest: (y, 0),
            len: 1,
        }
    }

    fn add(&mut self, y: i32) {
        if y < self.least.0 {
            self.least = (y, self.len);
        }
        if y > self.greatest.0 {
            self.greatest = (y, self.len);
        }
        self.last = y;
        self.len += 1;
    }

    /// Add its points to the last curve, in their order.
    fn append_to(&self, curves: &mut [Vec<Pixel>]) {
        let mut between = [self.least, self.greatest];
        between.sort_by_key(|(_, place)| *place);
        let ys = [self.first, between[0].0, between[1].0, self.last];
        if let Some(curve) = curves.last_mut() {
            for pixel in ys.map(|y| (self.x, y)) {
                if curve.last() != Some(&pixel) {
                    curve.push(pixel);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_keeps_its_ends_and_its_extremes_in_their_order() {
        let points = [(0, 5), (1, 5), (1, 2), (1, 90), (1, 6), (1, 4), (2, 1)];
        let curves = thinned(points.into_iter().map(Some));
        assert_eq!(curves, [[(0, 5), (1, 5), (1, 2), (1, 90), (1, 4), (2, 1)]]);
        let points = [(1, 5), (1, 90), (1, 2), (1, 6)].into_iter().map(Some);
        assert_eq!(thinned(points), [[(1, 5), (1, 90), (1, 2), (1, 6)]]);
    }

    #[test]
    fn a_million_points_become_a_few_in_each_column_and_no_spike_is_lost() {
        let wave = |i: i32| if i == 777_777 { -400 } else { (i * 37) % 100 };
        let points = (0..1_000_000).map(|i| Some((i / 2_000, wave(i))));
        let curves = thinned(points);
        assert_eq!(curves.len(), 1);
        assert!(curves[0].len() <= 4 * 500, "{}", curves[0].len());
        assert!(curves[0].contains(&(388, -400)));
    }

    #[test]
    fn a_gap_ends_a_curve_unless_it_is_narrower_than_a_pixel() {
        let gap = |xs: [i32; 2]| {
            let [before, after] = xs.map(|x| Some((x, 0)));
            thinned([None, before, None, after, None].into_iter())
        };
        assert_eq!(gap([1, 5]), [[(1, 0)], [(5, 0)]]);
        assert_eq!(gap([1, 1]), [[(1, 0)]]);
        assert!(thinned([None, None].into_iter()).is_empty());
    }
}
