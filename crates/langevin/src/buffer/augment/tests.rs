//! Check the laws of the parameters, the matrices, and what becomes of images.

use burn::tensor::Device;
use ebm_core::Stream;

use super::*;

const ALL: [Augmentation; 4] = [
    Augmentation::Crop,
    Augmentation::Flip,
    Augmentation::Color,
    Augmentation::Grey,
];

fn config(augment: &[Augmentation], augment_prob: f64) -> BufferConfig {
    BufferConfig {
        augment: augment.to_vec(),
        augment_prob,
        ..BufferConfig::default()
    }
}

fn key(iteration: u32) -> NoiseKey {
    NoiseKey::new(2_021, Stream::Augment, iteration)
}

fn draws(augment: &[Augmentation], augment_prob: f64, chains: u32) -> Vec<Transition> {
    let config = config(augment, augment_prob);
    (0..chains)
        .map(|chain| Transition::draw(&config, key(3), chain))
        .collect()
}

fn window(start: f64, length: f64) -> Window {
    Window { start, length }
}

#[test]
fn resampling_the_whole_side_is_the_identity() {
    for size in [1, 3, 28, 31] {
        let matrix = resampling(size, Window::WHOLE, false);
        for (at, weight) in matrix.iter().enumerate() {
            let diagonal = at / size == at % size;
            assert_eq!(*weight, f32::from(u8::from(diagonal)), "{size}: {at}");
        }
    }
}

#[test]
fn mirroring_reverses_the_rows_of_the_matrix() {
    #[rustfmt::skip]
    let reversal = [
        0.0, 0.0, 1.0,
        0.0, 1.0, 0.0,
        1.0, 0.0, 0.0,
    ];
    assert_eq!(resampling(3, Window::WHOLE, true), reversal);
    let part = window(0.1, 0.85);
    let plain = resampling(5, part, false);
    let reversed: Vec<f32> = plain.chunks(5).rev().flatten().copied().collect();
    assert_eq!(resampling(5, part, true), reversed);
}

#[test]
fn two_of_four_pixels_become_four_with_the_weights_of_hand_computation() {
    // The middle half: new centres at 0.75, 1.25, 1.75 and 2.25.
    #[rustfmt::skip]
    let middle = [
        0.25, 0.75, 0.0, 0.0,
        0.0, 0.75, 0.25, 0.0,
        0.0, 0.25, 0.75, 0.0,
        0.0, 0.0, 0.75, 0.25,
    ];
    assert_eq!(resampling(4, window(0.25, 0.5), false), middle);
    // The left half: −0.25, which is outside and becomes 0, then 0.25, 0.75 and 1.25.
    #[rustfmt::skip]
    let left = [
        1.0, 0.0, 0.0, 0.0,
        0.75, 0.25, 0.0, 0.0,
        0.25, 0.75, 0.0, 0.0,
        0.0, 0.75, 0.25, 0.0,
    ];
    assert_eq!(resampling(4, window(0.0, 0.5), false), left);
}

#[test]
fn the_rows_of_every_drawn_matrix_sum_to_one() {
    for transition in draws(&ALL, 1.0, 200) {
        for size in [1, 2, 28, 32] {
            let columns = resampling(size, transition.columns, transition.mirrored);
            let rows = resampling(size, transition.rows, false);
            for row in columns.chunks(size).chain(rows.chunks(size)) {
                assert_eq!(row.iter().sum::<f32>(), 1.0);
            }
        }
    }
}

fn level(pixel: [f64; 3]) -> f64 {
    let parts = pixel.into_iter().zip(LUMA);
    parts.map(|(v, share)| v * f64::from(share)).sum()
}

fn mean_level(pixels: &[[f64; 3]]) -> f64 {
    pixels.iter().map(|p| level(*p)).sum::<f64>() / pixels.len() as f64
}

/// The new pixels of an RGB image by the steps in their order.
fn step_by_step(pixels: &[[f64; 3]], [b, k, s]: [f64; 3]) -> Vec<[f64; 3]> {
    let bright: Vec<_> = pixels.iter().map(|p| p.map(|v| b * v)).collect();
    let mean = mean_level(&bright);
    let contrasted = bright.iter().map(|p| p.map(|v| k * v + (1.0 - k) * mean));
    contrasted
        .map(|p| p.map(|v| s * v + (1.0 - s) * level(p)))
        .collect()
}

#[test]
fn three_shares_are_brightness_then_contrast_then_saturation() {
    let pixels = [[0.1, 0.9, 0.4], [0.7, 0.2, 0.2], [0.0, 1.0, 0.5]];
    let mean = mean_level(&pixels);
    for factors in [[1.3, 0.7, 1.2], [0.6, 1.4, 0.0], [1.0, 1.0, 0.4]] {
        let [of_x, of_grey, of_mean] = recolouring(factors[0], factors[1], factors[2]);
        let expected = step_by_step(&pixels, factors);
        for (old, new) in pixels.iter().zip(expected) {
            for i in 0..3 {
                let got = of_x * old[i] + of_grey * level(*old) + of_mean * mean;
                // Rec. 601's shares sum to 1 within a rounding of f32.
                assert!((got - new[i]).abs() < 1e-7, "{got} is not {}", new[i]);
            }
        }
    }
}

#[test]
fn grey_is_the_luma_of_rec_601_and_one_channel_is_its_own() {
    assert_eq!(recolouring(1.0, 1.0, 0.0), [0.0, 1.0, 0.0]);
    assert_eq!(luma(3), [0.299, 0.587, 0.114]);
    assert_eq!(luma(3).iter().sum::<f32>(), 1.0);
    assert_eq!(luma(1), [1.0]);
}

#[test]
fn a_transition_is_a_function_of_seed_iteration_and_chain() {
    let config = config(&ALL, 1.0);
    let draw = |seed, iteration, chain| {
        let key = NoiseKey::new(seed, Stream::Augment, iteration);
        Transition::draw(&config, key, chain)
    };
    assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
    for other in [draw(9, 2, 3), draw(1, 9, 3), draw(1, 2, 9)] {
        assert_ne!(other, draw(1, 2, 3));
    }
}

#[test]
fn one_augmentation_does_not_change_what_another_does() {
    let all = draws(&ALL, 1.0, 50);
    let crops = draws(&[Augmentation::Crop], 1.0, 50);
    let flips = draws(&[Augmentation::Flip], 1.0, 50);
    let colours = draws(&[Augmentation::Grey, Augmentation::Color], 1.0, 50);
    for (i, all) in all.into_iter().enumerate() {
        let expected = Transition {
            mirrored: flips[i].mirrored,
            shares: colours[i].shares,
            ..crops[i]
        };
        assert_eq!(all, expected);
    }
}

fn assert_share(name: &str, happened: usize, of: usize, prob: f64) {
    let n = of as f64;
    let error = (happened as f64 - n * prob) / (n * prob * (1.0 - prob)).sqrt();
    assert!(error.abs() < 5.0, "{name}: {error} standard errors");
}

/// Mean and mean square of U(0, 1).
fn assert_uniform(name: &str, values: &[f64]) {
    let n = values.len() as f64;
    assert!(n > 1_000.0 && values.iter().all(|u| (-1e-9..=1.0 + 1e-9).contains(u)));
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|u| u * u).sum::<f64>() / n;
    for error in [
        (mean - 0.5) / (1.0 / 12.0 / n).sqrt(),
        (square - 1.0 / 3.0) / (4.0 / 45.0 / n).sqrt(),
    ] {
        assert!(error.abs() < 5.0, "{name}: {error} standard errors");
    }
}

#[test]
fn a_crop_has_the_sides_and_the_place_of_hand_computation() {
    // Area 0.8, and the widest aspect that fits, 1.25; then a square one.
    let close = |[rows, columns]: [Window; 2], expected: [f64; 4]| {
        let got = [rows.start, rows.length, columns.start, columns.length];
        let mut pairs = got.iter().zip(expected);
        assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-12), "{got:?}");
    };
    close(crop(0.0, 1.0, [0.5, 0.25]), [0.1, 0.8, 0.0, 1.0]);
    let side = 0.8f64.sqrt();
    let [half, quarter] = [0.5, 0.25].map(|place| place * (1.0 - side));
    close(crop(0.0, 0.5, [0.5, 0.25]), [half, side, quarter, side]);
}

#[test]
fn crops_follow_their_laws_and_stay_inside() {
    let (mut areas, mut aspects, mut places) = (vec![], vec![], [vec![], vec![]]);
    for transition in draws(&[Augmentation::Crop], 1.0, 20_000) {
        let windows = [transition.rows, transition.columns];
        for (window, places) in windows.iter().zip(&mut places) {
            assert!(window.start >= 0.0 && window.start + window.length <= 1.0 + 1e-12);
            places.push(window.start / (1.0 - window.length));
        }
        let [height, width] = windows.map(|window| window.length);
        let area = height * width;
        assert!((3.0 / 4.0..=4.0 / 3.0).contains(&(width / height)));
        areas.push((area - 0.8) / 0.2);
        // ln(width/height) is uniform between ln a and −ln a.
        aspects.push(0.5 - 0.5 * (width / height).ln() / area.ln());
    }
    assert_uniform("area", &areas);
    assert_uniform("aspect", &aspects);
    assert_uniform("top", &places[0]);
    assert_uniform("left", &places[1]);
}

#[test]
fn flips_colours_and_greys_follow_their_laws() {
    let n = 20_000;
    let all = draws(&ALL, 1.0, n as u32);
    let mirrored = all.iter().filter(|t| t.mirrored).count();
    assert_share("flip", mirrored, n, 0.5);
    let grey = all.iter().filter(|t| t.shares[0] == 0.0).count();
    assert_share("grey", grey, n, 0.2);
    let coloured = draws(&[Augmentation::Color], 1.0, n as u32);
    let jittered: Vec<[f64; 3]> = coloured
        .iter()
        .map(|t| t.shares)
        .filter(|shares| *shares != Transition::STAY.shares)
        .collect();
    assert_share("colour", jittered.len(), n, 0.8);
    // b is the sum of the shares, b·k that of the first two, b·k·s the first.
    type Factor = fn([f64; 3]) -> f64;
    let factors: [(&str, Factor); 3] = [
        ("brightness", |[x, g, m]| x + g + m),
        ("contrast", |[x, g, m]| (x + g) / (x + g + m)),
        ("saturation", |[x, g, _]| x / (x + g)),
    ];
    for (name, factor) in factors {
        let values: Vec<f64> = jittered.iter().map(|s| (factor(*s) - 0.6) / 0.8).collect();
        assert_uniform(name, &values);
    }
}

#[test]
fn chains_are_augmented_with_their_probability() {
    let moved = |prob| {
        let all = draws(&[Augmentation::Crop], prob, 20_000);
        all.iter().filter(|t| **t != Transition::STAY).count()
    };
    assert_eq!((moved(0.0), moved(1.0)), (0, 20_000));
    assert_share("augment_prob", moved(0.3), 20_000, 0.3);
}

const BATCH: usize = 40;
const IMAGE: [usize; 3] = [3, 5, 4];
const PIXELS: usize = 3 * 5 * 4;

fn ids() -> Vec<u32> {
    (0..BATCH as u32).map(|i| 1_000 + 17 * i).collect()
}

/// Pixels of all values, the bounds among them.
fn pixels() -> Vec<f32> {
    let values = (0..BATCH * PIXELS).map(|i| ((i * 7_919) % 1_009) as f32 / 1_008.0);
    values.collect()
}

fn tensor(values: Vec<f32>, [channels, height, width]: [usize; 3]) -> Tensor<4> {
    let batch = values.len() / (channels * height * width);
    let data = TensorData::new(values, [batch, channels, height, width]);
    Tensor::from_data(data, &Device::flex())
}

fn augmented(config: &BufferConfig, ids: &[u32], kept: &[bool], x: Vec<f32>) -> Vec<f32> {
    let x = augment(config, tensor(x, IMAGE), ids, kept, key(3), ByteRange::UNIT);
    x.into_data().iter::<f32>().collect()
}

fn drawn(config: &BufferConfig) -> Vec<Transition> {
    let draw = |id: u32| Transition::draw(config, key(3), id);
    ids().into_iter().map(draw).collect()
}

#[test]
fn a_flip_reverses_the_columns_of_an_image() {
    let config = config(&[Augmentation::Flip], 1.0);
    let (before, transitions) = (pixels(), drawn(&config));
    let after = augmented(&config, &ids(), &[true; BATCH], before.clone());
    assert!(transitions.iter().any(|t| t.mirrored));
    for (at, row) in before.chunks(4).enumerate() {
        let mut expected = row.to_vec();
        if transitions[at * 4 / PIXELS].mirrored {
            expected.reverse();
        }
        assert_eq!(after[4 * at..4 * (at + 1)], expected);
    }
}

#[test]
fn a_crop_resizes_a_linear_image_to_its_part() {
    // Away from the border bilinear interpolation is exact on a linear image.
    let config = config(&[Augmentation::Crop], 1.0);
    let plane = |row: f64, column: f64| 0.1 + 0.03 * row + 0.15 * column;
    let image = (0..PIXELS).map(|i| plane((i / 4 % 5) as f64, (i % 4) as f64) as f32);
    let before: Vec<f32> = image.collect();
    let after = augmented(&config, &ids(), &[true; BATCH], before.repeat(BATCH));
    for (image, t) in after.chunks(PIXELS).zip(drawn(&config)) {
        let at = |size: f64, window: Window, j: usize| {
            let centre = size * window.start + (j as f64 + 0.5) * window.length - 0.5;
            centre.clamp(0.0, size - 1.0)
        };
        for (i, got) in image.iter().enumerate() {
            let (row, column) = (at(5.0, t.rows, i / 4 % 5), at(4.0, t.columns, i % 4));
            let expected = plane(row, column);
            assert!(
                (f64::from(*got) - expected).abs() < 1e-5,
                "{got} {expected}"
            );
        }
    }
}

#[test]
fn grey_makes_all_channels_equal() {
    let config = config(&[Augmentation::Grey], 1.0);
    let (before, transitions) = (pixels(), drawn(&config));
    let after = augmented(&config, &ids(), &[true; BATCH], before.clone());
    let grey = |t: &Transition| t.shares == [0.0, 1.0, 0.0];
    assert!(transitions.iter().any(grey));
    for (i, transition) in transitions.iter().enumerate() {
        let (old, new) = (&before[i * PIXELS..], &after[i * PIXELS..]);
        for (at, channel) in (0..PIXELS).map(|at| (at % 20, at / 20)) {
            let rgb = [old[at], old[at + 20], old[at + 40]];
            let expected = if grey(transition) {
                rgb.iter().zip(LUMA).map(|(v, w)| v * w).sum()
            } else {
                rgb[channel]
            };
            assert_eq!(
                new[at + 20 * channel],
                new[at + 20 * channel].clamp(0.0, 1.0)
            );
            assert!((new[at + 20 * channel] - expected).abs() < 1e-6);
            assert!(!grey(transition) || new[at + 20 * channel] == new[at]);
        }
    }
}

#[test]
fn a_chain_that_stays_keeps_its_bits() {
    let config = config(&ALL, 0.5);
    let kept: Vec<bool> = (0..BATCH).map(|i| i % 3 > 0).collect();
    // Also beyond 1, where clipping would show.
    let before: Vec<f32> = pixels().iter().map(|v| 1.5 * v).collect();
    let transitions = drawn(&config);
    let after = augmented(&config, &ids(), &kept, before.clone());
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let (mut fresh, mut stayed, mut moved) = (0, 0, 0);
    for (i, t) in transitions.iter().enumerate() {
        let image = i * PIXELS..(i + 1) * PIXELS;
        let same = bits(&before[image.clone()]) == bits(&after[image]);
        assert_eq!(same, !kept[i] || *t == Transition::STAY, "chain {i}");
        match (kept[i], same) {
            (false, _) => fresh += 1,
            (true, true) => stayed += 1,
            (true, false) => moved += 1,
        }
    }
    assert!(fresh > 5 && stayed > 5 && moved > 5);
}

#[test]
fn an_empty_list_leaves_every_chain_as_it_is() {
    let after = augmented(&config(&[], 1.0), &ids(), &[true; BATCH], pixels());
    assert_eq!(after, pixels());
}

#[test]
fn augmented_pixels_stay_in_the_unit_interval() {
    let after = augmented(&config(&ALL, 1.0), &ids(), &[true; BATCH], pixels());
    assert!(after.iter().all(|v| (0.0..=1.0).contains(v)));
    let at_bound = after.iter().filter(|v| **v == 1.0).count();
    assert!(at_bound > BATCH, "brightness pushes pixels out: {at_bound}");
}

#[test]
fn what_happens_to_a_chain_does_not_depend_on_its_batch() {
    let config = config(&ALL, 0.8);
    let before = pixels();
    let together = augmented(&config, &ids(), &[true; BATCH], before.clone());
    for (i, id) in ids().into_iter().enumerate() {
        let image = i * PIXELS..(i + 1) * PIXELS;
        let alone = augmented(&config, &[id], &[true], before[image.clone()].to_vec());
        for (alone, together) in alone.iter().zip(&together[image]) {
            assert!((alone - together).abs() < 1e-6, "chain {id}");
        }
    }
}

#[test]
fn one_channel_has_brightness_and_contrast_only() {
    let shape = [1, 2, 2];
    let before = tensor(pixels()[..4 * BATCH].to_vec(), shape);
    let run = |augment_list: &[Augmentation]| -> Vec<f32> {
        let config = config(augment_list, 1.0);
        let x = augment(
            &config,
            before.clone(),
            &ids(),
            &[true; BATCH],
            key(3),
            ByteRange::UNIT,
        );
        x.into_data().iter::<f32>().collect()
    };
    assert_eq!(run(&[Augmentation::Grey]), pixels()[..4 * BATCH]);
    let coloured = run(&[Augmentation::Color]);
    let transitions = drawn(&config(&[Augmentation::Color], 1.0));
    for (i, t) in transitions.iter().enumerate() {
        let old: Vec<f64> = (0..4).map(|j| f64::from(pixels()[4 * i + j])).collect();
        let mean = old.iter().sum::<f64>() / 4.0;
        let [of_x, of_grey, of_mean] = t.shares;
        for (j, old) in old.iter().enumerate() {
            let expected = ((of_x + of_grey) * old + of_mean * mean).clamp(0.0, 1.0);
            assert!((f64::from(coloured[4 * i + j]) - expected).abs() < 1e-6);
        }
    }
}
