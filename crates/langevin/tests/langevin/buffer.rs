//! Compare the replay buffer with a naive one.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::{Shard, StepKey};
use ebm_langevin::{Augmentation, BufferConfig, Chains, ReplayBuffer, Restart, RestartData};
use proptest::prelude::*;

const SHAPE: [usize; 3] = [1, 2, 3];
const PIXELS: usize = 6;

fn buffer(capacity: usize, reinit_prob: f64) -> ReplayBuffer {
    let config = BufferConfig {
        capacity,
        reinit_prob,
        ..BufferConfig::default()
    };
    ReplayBuffer::new(
        config,
        SHAPE,
        vec![0.2, 0.3, 0.5],
        11,
        Shard::WHOLE,
        &Device::flex(),
    )
}

fn draw(buffer: &ReplayBuffer, batch: usize, seed: u64, iteration: u32) -> Chains {
    buffer.draw(batch, StepKey::new(seed, iteration), Shard::WHOLE, None)
}

fn pixels(x: Tensor<4>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

fn tensor(values: Vec<f32>) -> Tensor<4> {
    let batch = values.len() / PIXELS;
    Tensor::from_data(TensorData::new(values, [batch, 1, 2, 3]), &Device::flex())
}

#[test]
fn chains_that_start_afresh_are_new_and_where_they_are_put() {
    let mut buffer = buffer(4, 0.0);
    let chains = draw(&buffer, 4, 3, 0);
    buffer.put(&chains, chains.x.clone());
    let before = buffer.to_state();
    let x = (0..2 * PIXELS).map(|place| place as f32 / 16.0);
    buffer.start_at(&[2, 0], tensor(x.collect()));
    let after = buffer.to_state();
    assert_eq!(after.ages, [0, 1, 0, 1]);
    assert_eq!(after.labels, before.labels);
    let images: Vec<&[u8]> = after.images.chunks(PIXELS).collect();
    assert_eq!(images[2], [0, 16, 32, 48, 64, 80]);
    assert_eq!(images[0], [96, 112, 128, 144, 160, 176]);
    for slot in [1, 3] {
        assert_eq!(images[slot], &before.images[slot * PIXELS..][..PIXELS]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_was_put_is_what_is_drawn(
        capacity in 1usize..20,
        share in 0.0f64..1.0,
        rounds in prop::collection::vec(any::<u32>(), 1..12),
    ) {
        let batch = ((capacity as f64 * share) as usize).max(1);
        let mut buffer = buffer(capacity, 0.0);
        let mut naive: BTreeMap<u32, (Vec<u8>, u32, u32)> = BTreeMap::new();
        for (iteration, salt) in (0u32..).zip(rounds) {
            let chains = draw(&buffer, batch, 3, iteration);
            let mut slots = chains.slots.clone();
            slots.sort_unstable();
            slots.dedup();
            prop_assert_eq!(slots.len(), batch, "slots are unique");
            prop_assert!(slots.iter().all(|&slot| (slot as usize) < capacity));
            let drawn = pixels(chains.x.clone());
            for (i, slot) in chains.slots.iter().enumerate() {
                if let Some((bytes, label, age)) = naive.get(slot) {
                    let row = &drawn[i * PIXELS..(i + 1) * PIXELS];
                    let levels: Vec<u8> = row.iter().map(|v| (v * 256.0) as u8).collect();
                    prop_assert_eq!(&levels, bytes);
                    prop_assert_eq!((chains.labels[i], chains.ages[i]), (*label, *age));
                }
            }
            let bytes: Vec<u8> = (0..batch * PIXELS)
                .map(|i| (salt.wrapping_mul(i as u32 + 1) >> 13) as u8)
                .collect();
            let x = bytes.iter().map(|&byte| (f32::from(byte) + 0.5) / 256.0).collect();
            for (i, slot) in chains.slots.iter().enumerate() {
                let row = bytes[i * PIXELS..(i + 1) * PIXELS].to_vec();
                naive.insert(*slot, (row, chains.labels[i], chains.ages[i] + 1));
            }
            buffer.put(&chains, tensor(x));
        }
    }

    #[test]
    fn a_saved_buffer_is_the_same_buffer(rounds in 0u32..5, seed in any::<u64>()) {
        let config = BufferConfig { capacity: 9, reinit_prob: 0.3, ..BufferConfig::default() };
        let frequencies = vec![0.5, 0.5];
        let device = Device::flex();
        let mut buffer = ReplayBuffer::new(config.clone(), SHAPE, frequencies.clone(), seed, Shard::WHOLE, &device);
        for iteration in 0..rounds {
            let chains = draw(&buffer, 4, seed, iteration);
            let x = chains.x.clone();
            buffer.put(&chains, x);
        }
        let copy = ReplayBuffer::from_state(config, SHAPE, frequencies, buffer.to_state(), &device);
        prop_assert_eq!(copy.to_state(), buffer.to_state());
        let (a, b) = (draw(&buffer, 4, seed, rounds), draw(&copy, 4, seed, rounds));
        prop_assert_eq!((a.slots, a.labels, a.ages), (b.slots, b.labels, b.ages));
        prop_assert_eq!(pixels(a.x), pixels(b.x));
    }
}

#[test]
fn chains_are_known_by_their_places_in_the_global_batch_wherever_they_are_kept() {
    let buffer = buffer(16, 0.5);
    let of = |rank| buffer.draw(4, StepKey::new(3, 7), Shard { rank, world: 2 }, None);
    let (first, second) = (of(0), of(1));
    assert_eq!(
        [first.ids, second.ids].concat(),
        (0..8).collect::<Vec<u32>>()
    );
    assert_ne!(first.slots, second.slots, "workers draw their own chains");
    let whole = buffer.draw(4, StepKey::new(3, 7), Shard::WHOLE, None);
    assert_eq!(
        pixels(whole.x),
        pixels(first.x),
        "the first worker is keyed as the only one"
    );
}

#[test]
fn another_attempt_draws_other_chains() {
    let buffer = buffer(400, 0.1);
    let key = StepKey::new(3, 7);
    let again = StepKey { attempt: 1, ..key };
    let [first, second] = [key, again].map(|key| buffer.draw(20, key, Shard::WHOLE, None).slots);
    assert_ne!(first, second);
}

#[test]
fn extreme_pixels_are_kept_within_a_level() {
    let mut buffer = buffer(4, 0.0);
    let chains = draw(&buffer, 1, 0, 0);
    let values = vec![0.0, 1.0, 0.5, 255.0 / 256.0, 1.0 / 256.0, 0.999_999];
    buffer.put(&chains, tensor(values));
    let state = buffer.to_state();
    let at = chains.slots[0] as usize * PIXELS;
    assert_eq!(state.images[at..at + PIXELS], [0, 255, 128, 255, 1, 255]);
}

#[test]
fn storing_and_drawing_leaves_the_mean_of_a_pixel_as_it_is() {
    let mut buffer = buffer(2_000, 0.0);
    let chains = draw(&buffer, 2_000, 0, 0);
    buffer.put(&chains, chains.x.clone());
    let again = draw(&buffer, 2_000, 0, 1);
    let mut order: Vec<usize> = (0..2_000).collect();
    order.sort_by_key(|&i| again.slots[i]);
    let before = pixels(chains.x);
    let after = pixels(again.x);
    let position: BTreeMap<u32, usize> = chains.slots.iter().copied().zip(0..).collect();
    let differences = order.iter().flat_map(|&i| {
        let j = position[&again.slots[i]];
        let pairs = after[i * PIXELS..(i + 1) * PIXELS]
            .iter()
            .zip(&before[j * PIXELS..]);
        pairs.map(|(a, b)| f64::from(a - b)).collect::<Vec<_>>()
    });
    let differences: Vec<f64> = differences.collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    // The difference of two independent U(0, 1/256).
    let standard_error = (1.0f64 / 6.0).sqrt() / 256.0 / n.sqrt();
    assert!(mean.abs() < 5.0 * standard_error, "{mean}");
}

#[test]
fn chains_restart_with_their_probability_and_forget_their_age() {
    let mut buffer = buffer(500, 0.25);
    for iteration in 0..20 {
        let chains = draw(&buffer, 500, 0, iteration);
        buffer.put(&chains, chains.x.clone() * 0.0);
    }
    let (mut fresh, mut n) = (0.0, 0.0);
    for iteration in 20..60 {
        let chains = draw(&buffer, 500, 0, iteration);
        let rows = pixels(chains.x);
        for (i, age) in chains.ages.iter().enumerate() {
            let bright = rows[i * PIXELS..(i + 1) * PIXELS]
                .iter()
                .any(|&v| v > 1.0 / 256.0);
            assert_eq!(*age == 0, bright, "fresh chains are noise, old ones black");
            fresh += f64::from(u8::from(bright));
            n += 1.0;
        }
    }
    let error = (fresh / n - 0.25) / (0.25f64 * 0.75 / n).sqrt();
    assert!(error.abs() < 5.0, "{error} standard errors");
}

#[test]
fn fresh_labels_follow_the_frequencies() {
    let buffer = buffer(6_000, 1.0);
    let labels = draw(&buffer, 6_000, 0, 1).labels;
    for (label, share) in (0u32..).zip([0.2f64, 0.3, 0.5]) {
        let count = labels.iter().filter(|&&l| l == label).count() as f64;
        let error = (count - 6_000.0 * share) / (6_000.0 * share * (1.0 - share)).sqrt();
        assert!(error.abs() < 5.0, "label {label}: {error} standard errors");
    }
}

#[test]
fn chains_can_restart_from_data() {
    let config = BufferConfig {
        capacity: 8,
        reinit_prob: 1.0,
        restart: Restart::Data,
        restart_noise_std: 0.0,
        ..BufferConfig::default()
    };
    let buffer = ReplayBuffer::new(config, SHAPE, vec![], 0, Shard::WHOLE, &Device::flex());
    let images = tensor((0..4 * PIXELS).map(|i| i as f32 / 24.0).collect());
    let labels = [3, 1, 4, 1];
    let data = RestartData {
        images: &images,
        labels: &labels,
    };
    let chains = buffer.draw(4, StepKey::new(0, 0), Shard::WHOLE, Some(data));
    assert_eq!(pixels(chains.x), pixels(images));
    assert_eq!(chains.labels, labels);
}

#[test]
fn kept_chains_are_augmented_and_fresh_ones_are_not() {
    let drawn = |augment: Vec<Augmentation>| {
        let config = BufferConfig {
            capacity: 60,
            reinit_prob: 0.5,
            augment,
            ..BufferConfig::default()
        };
        let mut buffer =
            ReplayBuffer::new(config, SHAPE, vec![], 11, Shard::WHOLE, &Device::flex());
        let first = draw(&buffer, 60, 0, 0);
        let x = first.x.clone();
        buffer.put(&first, x);
        draw(&buffer, 60, 0, 1)
    };
    // Dequantisation draws the same numbers in both, so that only augmentation tells them apart.
    let (plain, augmented) = (drawn(vec![]), drawn(vec![Augmentation::Crop]));
    assert_eq!(plain.slots, augmented.slots);
    let (before, after) = (pixels(plain.x), pixels(augmented.x));
    let rows = before.chunks(PIXELS).zip(after.chunks(PIXELS));
    for ((before, after), age) in rows.zip(augmented.ages) {
        assert_eq!(before == after, age == 0, "a chain of age {age}");
    }
}

#[test]
fn augmentations_are_written_as_their_names() {
    let text = "augment = [\"crop\", \"flip\", \"color\", \"grey\"]\naugment_prob = 0.5\n";
    let config: BufferConfig = toml::from_str(text).unwrap();
    let all = [
        Augmentation::Crop,
        Augmentation::Flip,
        Augmentation::Color,
        Augmentation::Grey,
    ];
    assert_eq!((&config.augment[..], config.augment_prob), (&all[..], 0.5));
    let written = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<BufferConfig>(&written).unwrap(), config);
    assert!(toml::from_str::<BufferConfig>("augment = [\"blur\"]").is_err());
    assert_eq!(toml::from_str(""), Ok(BufferConfig::default()));
}

#[test]
fn refuses_impossible_settings_by_name() {
    let config = |capacity, reinit_prob| BufferConfig {
        capacity,
        reinit_prob,
        ..BufferConfig::default()
    };
    let message = |config: BufferConfig| config.validate(32).map_err(|error| error.to_string());
    assert_eq!(
        message(config(8, 0.1)),
        Err("configuration: `capacity` must be at least batch_size = 32, got 8".into())
    );
    assert_eq!(
        message(config(64, 1.5)),
        Err("configuration: `reinit_prob` must be in [0, 1], got 1.5".into())
    );
    assert!(message(config(64, f64::NAN)).is_err());
    let augmented = |augment_prob| BufferConfig {
        augment_prob,
        ..config(64, 0.1)
    };
    assert_eq!(
        message(augmented(-0.5)),
        Err("configuration: `augment_prob` must be in [0, 1], got -0.5".into())
    );
    assert!(message(augmented(f64::NAN)).is_err());
    assert_eq!(message(config(64, 1.0)), Ok(()));
}

#[test]
fn a_pixel_in_a_wider_range_comes_back_from_within_its_byte() {
    let config = BufferConfig::new(4).with_range([-0.25, 1.25]);
    let mut buffer = ReplayBuffer::new(config, SHAPE, vec![], 11, Shard::WHOLE, &Device::flex());
    let chains = draw(&buffer, 1, 3, 0);
    let put = vec![-0.25, -0.1, 0.0, 0.5, 1.1, 1.25];
    buffer.put(&chains, tensor(put.clone()));
    let got = pixels(buffer.peek(&chains.slots, 5));
    for (before, after) in put.into_iter().zip(got) {
        assert!(
            (before - after).abs() <= 1.5 / 256.0,
            "{before} became {after}"
        );
    }
}

#[test]
fn only_young_chains_start_afresh() {
    let mut buffer = buffer(8, 0.0);
    let old = draw(&buffer, 3, 3, 0);
    buffer.put(&old, old.x.clone());
    let before = buffer.to_state();
    buffer.restart_young(1, StepKey::new(3, 7), Shard::WHOLE);
    let after = buffer.to_state();
    assert_eq!(after.labels, before.labels);
    assert_eq!(after.ages, before.ages);
    let image = |state: &ebm_langevin::BufferState, slot: usize| {
        state.images[slot * PIXELS..][..PIXELS].to_vec()
    };
    for slot in 0..8 {
        let is_old = old.slots.contains(&(slot as u32));
        assert_eq!(
            image(&before, slot) == image(&after, slot),
            is_old,
            "{slot}"
        );
    }
}
