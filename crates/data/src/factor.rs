//! Choose what a picture of `shapes` shows, and say to which class it belongs.

use std::fmt;

use ebm_core::{NoiseKey, PhiloxRng, Stream};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SHAPES: [&str; 3] = ["square", "ellipse", "heart"];
const NUM_SIZES: u32 = 6;
const NUM_ROTATIONS: u32 = 16;
/// Places of the centre along one axis.
pub(crate) const NUM_PLACES: u32 = 32;
/// Cells of [`Factor::Position`] along one axis.
const NUM_CELLS: u32 = 8;

/// What one picture shows, as indices into the grid of each factor (after dSprites, Matthey et
/// al. 2017).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Factors {
    /// 0 square, 1 ellipse, 2 heart.
    pub shape: u32,
    /// Below 6: the shape is 0.5 + `size` / 10 times as large as the largest.
    pub size: u32,
    /// Below 16: the shape is turned counter-clockwise by `rotation` · 22.5°.
    pub rotation: u32,
    /// Below 32: place of the centre, from the left.
    pub x: u32,
    /// Below 32: place of the centre, from the top.
    pub y: u32,
}

impl Factors {
    /// Size of the shape, 1 for the largest.
    pub(crate) fn size(&self) -> f32 {
        size_of(self.size)
    }

    /// Counter-clockwise angle of the shape.
    pub(crate) fn degrees(&self) -> f32 {
        degrees_of(self.rotation)
    }
}

/// What image `index` of `split` (0 training, 1 test) shows, every factor independent and uniform.
pub(crate) fn factors(seed: u64, split: u32, index: usize) -> Factors {
    // `digits` draws with 0 and 1.
    let key = NoiseKey::new(seed, Stream::DataSynthesis, 2 + split);
    let mut rng = PhiloxRng::new(key, index as u32);
    Factors {
        shape: rng.random_range(0..SHAPES.len() as u32),
        size: rng.random_range(0..NUM_SIZES),
        rotation: rng.random_range(0..NUM_ROTATIONS),
        x: rng.random_range(0..NUM_PLACES),
        y: rng.random_range(0..NUM_PLACES),
    }
}

fn size_of(index: u32) -> f32 {
    (5 + index) as f32 / 10.0
}

fn degrees_of(index: u32) -> f32 {
    index as f32 * 360.0 / NUM_ROTATIONS as f32
}

/// The factor of `shapes` that the labels tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Factor {
    /// Square, ellipse or heart.
    #[default]
    Shape,
    /// Size, in 6 steps.
    Size,
    /// Angle, in 16 steps. A square looks the same every 4 of them, an ellipse every 8.
    Rotation,
    /// Column of the centre, in 32 steps.
    X,
    /// Row of the centre, in 32 steps.
    Y,
    /// Cell of the centre among 8 × 8, row by row.
    Position,
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "shape",
            Self::Size => "size",
            Self::Rotation => "rotation",
            Self::X => "x",
            Self::Y => "y",
            Self::Position => "position",
        })
    }
}

impl Factor {
    /// The class of a picture that shows `factors`.
    pub(crate) fn class_of(self, factors: &Factors) -> u32 {
        let cell = |place: u32| place * NUM_CELLS / NUM_PLACES;
        match self {
            Self::Shape => factors.shape,
            Self::Size => factors.size,
            Self::Rotation => factors.rotation,
            Self::X => factors.x,
            Self::Y => factors.y,
            Self::Position => cell(factors.y) * NUM_CELLS + cell(factors.x),
        }
    }

    /// Names of the classes, in order.
    pub(crate) fn class_names(self) -> Vec<String> {
        let names = |count: u32, name: fn(u32) -> String| (0..count).map(name).collect();
        match self {
            Self::Shape => SHAPES.map(String::from).to_vec(),
            Self::Size => names(NUM_SIZES, |i| format!("size {:.1}", size_of(i))),
            Self::Rotation => names(NUM_ROTATIONS, |i| format!("{}°", degrees_of(i))),
            Self::X => names(NUM_PLACES, |i| format!("x {i}")),
            Self::Y => names(NUM_PLACES, |i| format!("y {i}")),
            Self::Position => names(NUM_CELLS * NUM_CELLS, |i| {
                format!("x {} y {}", i % NUM_CELLS, i / NUM_CELLS)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Factor; 6] = [
        Factor::Shape,
        Factor::Size,
        Factor::Rotation,
        Factor::X,
        Factor::Y,
        Factor::Position,
    ];

    #[test]
    fn every_class_of_every_factor_is_equally_frequent() {
        let count = 40_000;
        let drawn: Vec<Factors> = (0..count).map(|index| factors(3, 0, index)).collect();
        for factor in ALL {
            let mut counts = vec![0.0; factor.class_names().len()];
            for factors in &drawn {
                counts[factor.class_of(factors) as usize] += 1.0;
            }
            let share = 1.0 / counts.len() as f64;
            let error = (share * (1.0 - share) / count as f64).sqrt();
            for (class, frequency) in counts.iter().map(|n| n / count as f64).enumerate() {
                let off = (frequency - share) / error;
                assert!(off.abs() < 5.0, "{factor} {class}: {off} standard errors");
            }
        }
    }

    #[test]
    fn factors_are_drawn_independently_of_each_other() {
        let count = 40_000;
        // Indices in units of their standard deviation, √((n² − 1) / 12).
        let standard = |index: u32, num: u32| {
            let num = f64::from(num);
            (f64::from(index) - (num - 1.0) / 2.0) / ((num * num - 1.0) / 12.0).sqrt()
        };
        let mut products = [[0.0; 5]; 5];
        for index in 0..count {
            let f = factors(4, 1, index);
            let values = [
                standard(f.shape, 3),
                standard(f.size, 6),
                standard(f.rotation, 16),
                standard(f.x, 32),
                standard(f.y, 32),
            ];
            for (row, a) in products.iter_mut().zip(values) {
                row.iter_mut()
                    .zip(values)
                    .for_each(|(sum, b)| *sum += a * b);
            }
        }
        for (i, j) in (0..5).flat_map(|i| (0..i).map(move |j| (i, j))) {
            let off = products[i][j] / (count as f64).sqrt();
            assert!(
                off.abs() < 5.0,
                "factors {i} and {j}: {off} standard errors"
            );
        }
    }

    #[test]
    fn an_image_keeps_its_factors_from_version_to_version() {
        for (index, split) in (0..50).flat_map(|index| [(index, 0), (index, 1)]) {
            let key = NoiseKey::new(7, Stream::DataSynthesis, 2 + split);
            let words = [key.words(index, 0), key.words(index, 1)].concat();
            let scaled = |i: usize, num: u64| ((u64::from(words[i]) * num) >> 32) as u32;
            let expected = Factors {
                shape: scaled(0, 3),
                size: scaled(1, 6),
                rotation: scaled(2, 16),
                x: scaled(3, 32),
                y: scaled(4, 32),
            };
            assert_eq!(factors(7, split, index as usize), expected);
        }
    }

    #[test]
    fn classes_are_the_indices_drawn_and_cells_count_row_by_row() {
        let factors = Factors {
            shape: 2,
            size: 5,
            rotation: 9,
            x: 31,
            y: 11,
        };
        let classes = ALL.map(|factor| factor.class_of(&factors));
        assert_eq!(classes, [2, 5, 9, 31, 11, 2 * 8 + 7]);
    }

    #[test]
    fn classes_are_named_after_their_values() {
        let [shapes, sizes, rotations, xs, ys, positions] = ALL.map(Factor::class_names);
        assert_eq!(shapes, ["square", "ellipse", "heart"]);
        assert_eq!(
            sizes,
            [
                "size 0.5", "size 0.6", "size 0.7", "size 0.8", "size 0.9", "size 1.0"
            ]
        );
        assert_eq!(rotations[..3], ["0°", "22.5°", "45°"]);
        assert_eq!((rotations.len(), rotations[15].as_str()), (16, "337.5°"));
        assert_eq!((xs.len(), xs[31].as_str()), (32, "x 31"));
        assert_eq!((ys.len(), ys[0].as_str()), (32, "y 0"));
        assert_eq!(positions.len(), 64);
        assert_eq!([&positions[1], &positions[8]], ["x 1 y 0", "x 0 y 1"]);
    }

    #[test]
    fn a_configuration_names_factors_as_they_print() {
        for factor in ALL {
            let value = toml::Value::try_from(factor).unwrap();
            assert_eq!(value.as_str(), Some(factor.to_string().as_str()));
        }
    }
}
