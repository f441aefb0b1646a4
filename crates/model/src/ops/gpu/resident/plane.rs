//! Share the elements of an image between two layers among the units of a cube.

/// Units that compute one image together; every device has as many.
pub(super) const UNITS: usize = 256;
/// The most elements that a unit computes of all planes: it keeps the slope of each.
pub(super) const MAX_SLOPES: usize = 64;

/// The elements of one image between two layers, `[channels, height, width]`, and how units share them.
///
/// A convolution reads them in cells of as many pixels as its stride. A unit computes some channels of
/// some pixels that have the same place in their cells, so that the same weights lead to them all.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Plane {
    pub(super) channels: usize,
    /// Rows and columns.
    pub(super) size: [usize; 2],
    /// Rows and columns of a cell.
    pub(super) cell: [usize; 2],
    /// Channels that a unit computes, and in how many cells.
    pub(super) tile: [usize; 2],
}

impl Plane {
    /// `None` where it is too large for the units.
    pub(super) fn new(channels: usize, size: [usize; 2], cell: [usize; 2]) -> Option<Self> {
        let whole = |tile| Self {
            channels,
            size,
            cell,
            tile,
        };
        let dividing = [4, 2, 1]
            .into_iter()
            .filter(|&some| channels.is_multiple_of(some));
        let planes = dividing.filter_map(|some| {
            (1..=MAX_SLOPES / some)
                .map(|cells| whole([some, cells]))
                .find(|plane| plane.items() <= UNITS)
        });
        planes.min_by_key(Self::elements_of_unit)
    }

    pub(super) fn dims(&self) -> [usize; 3] {
        [self.channels, self.size[0], self.size[1]]
    }

    pub(super) fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    pub(super) fn elements(&self) -> usize {
        self.channels * self.pixels()
    }

    /// Units that have the same pixels and different channels.
    pub(super) fn groups(&self) -> usize {
        self.channels / self.tile[0]
    }

    /// Pixels of a cell.
    pub(super) fn places(&self) -> usize {
        self.cell[0] * self.cell[1]
    }

    /// Rows and columns of cells.
    pub(super) fn cells(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis].div_ceil(self.cell[axis]))
    }

    /// Units that have the same channels and place in cells, and different cells.
    pub(super) fn blocks(&self) -> usize {
        let [rows, columns] = self.cells();
        (rows * columns).div_ceil(self.tile[1])
    }

    fn items(&self) -> usize {
        self.groups() * self.places() * self.blocks()
    }

    pub(super) fn elements_of_unit(&self) -> usize {
        self.tile[0] * self.tile[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_of_a_plane_has_one_unit() {
        for (channels, size, cell) in [
            (16, [16, 16], [2, 2]),
            (1, [28, 28], [2, 2]),
            (3, [7, 5], [2, 3]),
            (64, [2, 2], [1, 1]),
            (6, [9, 1], [4, 4]),
        ] {
            let plane = Plane::new(channels, size, cell).expect("small");
            assert!(plane.items() <= UNITS, "{plane:?}");
            assert_eq!(plane.groups() * plane.tile[0], channels);
            let [rows, columns] = plane.cells();
            assert!(plane.blocks() * plane.tile[1] >= rows * columns);
            assert!(rows * cell[0] >= size[0] && columns * cell[1] >= size[1]);
        }
        assert_eq!(Plane::new(64, [28, 28], [2, 2]), None);
    }
}
