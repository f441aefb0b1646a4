//! Remember how large pictures were before they were made equal.

/// The sizes of pictures, before squares of one size were made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSizes {
    /// Pictures that were read.
    pub num: usize,
    /// Width and height of the one with the fewest pixels.
    pub smallest: (u32, u32),
    /// Width and height of the one with the most pixels.
    pub largest: (u32, u32),
    /// Pictures that are no squares: something at their longer sides is cropped.
    pub num_oblong: usize,
    /// Pictures whose shorter side is less than that of the images: they are enlarged, and what is learned is blurred.
    pub num_enlarged: usize,
}

impl PictureSizes {
    /// Adds a picture of which an image of `side` × `side` is made.
    pub(crate) fn add(sizes: &mut Option<Self>, (width, height): (u32, u32), side: usize) {
        let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        let size = (width, height);
        let all = sizes.get_or_insert(Self {
            num: 0,
            smallest: size,
            largest: size,
            num_oblong: 0,
            num_enlarged: 0,
        });
        all.num += 1;
        if area(size) < area(all.smallest) {
            all.smallest = size;
        }
        if area(size) > area(all.largest) {
            all.largest = size;
        }
        all.num_oblong += usize::from(width != height);
        all.num_enlarged += usize::from((width.min(height) as usize) < side);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_counted_by_what_becomes_of_them() {
        let mut sizes = None;
        for size in [(8, 8), (7, 9), (20, 8), (9, 30)] {
            PictureSizes::add(&mut sizes, size, 8);
        }
        let expected = PictureSizes {
            num: 4,
            smallest: (7, 9),
            largest: (9, 30),
            num_oblong: 3,
            num_enlarged: 1,
        };
        assert_eq!(sizes, Some(expected));
    }
}
