//! Hold every backend's kernels to the same numbers, element by element.

#![allow(deprecated)] // upstream prefers flex to ndarray; users compare them

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::{Distribution, NoiseKey, Schedule, Shard, StepKey, Stream, index_tensor};
use ebm_langevin::{
    Augmentation, BufferConfig, Descent, LangevinConfig, Method, Noise, ReplayBuffer, Sampler,
    descend, perturb, reference,
};

/// The backends of the CPU that are compiled in.
fn cpus() -> Vec<(String, Device)> {
    vec![
        ("flex".to_owned(), Device::flex()),
        #[cfg(feature = "ndarray")]
        ("ndarray".to_owned(), Device::ndarray()),
    ]
}

fn image(device: &Device, scale: f32) -> Tensor<4> {
    let values = (0..5 * 2 * 3 * 3).map(|i| (((i * 37) % 90) as f32 / 89.0 - 0.3) * scale);
    Tensor::from_data(
        TensorData::new(values.collect::<Vec<_>>(), [5, 2, 3, 3]),
        device,
    )
}

fn noise(distribution: Distribution, scale: f32) -> Noise {
    let key = NoiseKey::new(0xDEAD_BEEF_0000_0007, Stream::Langevin, 12).at_step(345);
    Noise {
        key,
        distribution,
        scale,
    }
}

const IDS: [u32; 5] = [7, 70_000, 0, 3, 2_000_000_000];

fn assert_close(name: &str, tensor: Tensor<4>, expected: &[f32]) {
    let got: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    assert_eq!(got.len(), expected.len());
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() <= 1e-6,
            "{name}, element {i}: {got} is not {expected}"
        );
    }
}

fn values(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn every_backend_draws_the_same_values(devices: &[(String, Device)]) {
    for (distribution, scale) in [(Distribution::Normal, 0.05), (Distribution::Uniform, 1.0)] {
        let noise = noise(distribution, scale);
        let host = noise.of_batch(&IDS, 18);
        for (name, device) in devices {
            let x = Tensor::<4>::zeros([5, 2, 3, 3], device);
            assert_close(name, perturb(x, &index_tensor(&IDS, device), noise), &host);
        }
    }
}

fn every_backend_takes_the_same_step(devices: &[(String, Device)]) {
    let descents = [
        Descent {
            step_size: 2.5,
            inverse_temperature: 0.8,
            grad_clip: 0.06,
            bounds: [0.0, 1.0],
        },
        Descent {
            step_size: 0.3,
            inverse_temperature: 1.0,
            grad_clip: f32::INFINITY,
            bounds: [f32::NEG_INFINITY, f32::INFINITY],
        },
    ];
    for descent in descents {
        for noise in [None, Some(noise(Distribution::Normal, 0.02))] {
            let flex = Device::flex();
            let ids = index_tensor(&IDS, &flex);
            let (x, g) = (image(&flex, 1.5), image(&flex, -0.2));
            let expected = values(reference::descend(x, g, &ids, descent, noise));
            for (name, device) in devices {
                let ids = index_tensor(&IDS, device);
                let (x, g) = (image(device, 1.5), image(device, -0.2));
                assert_close(name, descend(x, g, &ids, descent, noise), &expected);
            }
        }
    }
}

fn a_kernel_leaves_its_inputs_as_they_were_and_takes_views(devices: &[(String, Device)]) {
    for (name, device) in devices {
        let ids = index_tensor(&IDS, device);
        let x = image(device, 1.0);
        let before = values(x.clone());
        let noise = noise(Distribution::Normal, 0.5);
        let moved = perturb(x.clone(), &ids, noise);
        assert_close(name, x.clone(), &before);
        let turned = perturb(x.swap_dims(2, 3).swap_dims(2, 3), &ids, noise);
        assert_close(name, turned, &values(moved));
    }
}

fn every_backend_runs_the_same_chains(devices: &[(String, Device)]) {
    let config = LangevinConfig {
        num_steps: 10,
        step_size: Schedule::Constant(0.05),
        noise_std: Schedule::Constant(0.01),
        grad_clip: Some(0.8),
        ..LangevinConfig::default()
    };
    let energy = |x: Tensor<4>| -> Tensor<1> {
        let far: Tensor<2> = (x - 0.4).powi_scalar(2).flatten(1, 3);
        far.sum_dim(1).squeeze_dim(1)
    };
    let sampler = Sampler::new(config, NoiseKey::new(5, Stream::Langevin, 1)).with_stats(true);
    let expected = sampler.run(image(&Device::flex(), 1.0), &IDS, &energy);
    let steps = expected
        .stats
        .and_then(|stats| stats.steps)
        .expect("asked for");
    let floats = |x: Tensor<1>| x.into_data().iter::<f32>().collect::<Vec<_>>();
    let (norms, clamped) = (floats(steps.grad_norm_mean), floats(steps.clamped_share));
    let expected = values(expected.x);
    for (name, device) in devices {
        let run = sampler.run(image(device, 1.0), &IDS, &energy);
        assert_close(name, run.x, &expected);
        let there = run.stats.and_then(|stats| stats.steps).expect("asked for");
        let mut pairs = floats(there.grad_norm_mean).into_iter().zip(&norms);
        assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-5), "{name}");
        assert_eq!(floats(there.clamped_share), clamped, "{name}");
    }
}

fn every_backend_follows_the_same_flow(devices: &[(String, Device)]) {
    let energy = |x: Tensor<4>| -> Tensor<1> {
        let far: Tensor<2> = (x - 0.4).powi_scalar(2).flatten(1, 3);
        far.sum_dim(1).squeeze_dim::<1>(1) * 0.3
    };
    for method in [Method::Euler, Method::Heun] {
        // Noise in the second half; steps from t = 1 on are clipped.
        let config = LangevinConfig::new(10)
            .with_method(method)
            .with_flow_time(1.25)
            .with_flow_temperature(1e-3)
            .with_flow_heated_from(0.625);
        let sampler = Sampler::new(config, NoiseKey::new(5, Stream::Langevin, 1));
        let run = |device: &Device| sampler.run(image(device, 1.5), &IDS, &energy).x;
        let expected = values(run(&Device::flex()));
        for (name, device) in devices {
            assert_close(&format!("{name}, {method}"), run(device), &expected);
        }
    }
}

fn every_backend_keeps_the_same_bytes(devices: &[(String, Device)]) {
    let config = BufferConfig {
        capacity: 20,
        reinit_prob: 0.3,
        ..BufferConfig::default()
    };
    let after_two_rounds = |device: &Device| {
        let mut buffer = ReplayBuffer::new(
            config.clone(),
            [2, 3, 3],
            vec![0.5, 0.5],
            1,
            Shard::WHOLE,
            device,
        );
        let mut drawn = Vec::new();
        for iteration in 0..2 {
            let chains = buffer.draw(6, StepKey::new(1, iteration), Shard::WHOLE, None);
            drawn.extend(values(chains.x.clone()));
            let x = (chains.x.clone() * 0.9 + 0.05).clamp(0.0, 1.0);
            // Away from the edges of a cell, where rounding may differ by a level.
            let x = ((x * 256.0).floor() + 0.5) / 256.0;
            buffer.put(&chains, x);
        }
        (drawn, buffer.to_state())
    };
    let (drawn, state) = after_two_rounds(&Device::flex());
    for (name, device) in devices {
        let (there, bytes) = after_two_rounds(device);
        assert!(
            there.iter().zip(&drawn).all(|(a, b)| (a - b).abs() <= 1e-6),
            "{name}"
        );
        let levels = bytes.images.iter().zip(&state.images);
        let off = levels.filter(|(a, b)| a.abs_diff(**b) > 0).count();
        assert_eq!(off, 0, "{name}");
        assert_eq!(
            (bytes.labels, bytes.ages),
            (state.labels.clone(), state.ages.clone())
        );
    }
}

fn every_backend_augments_alike(devices: &[(String, Device)]) {
    let config = BufferConfig {
        capacity: 12,
        reinit_prob: 0.2,
        augment: vec![
            Augmentation::Crop,
            Augmentation::Flip,
            Augmentation::Color,
            Augmentation::Grey,
        ],
        ..BufferConfig::default()
    };
    let drawn = |device: &Device| {
        let buffer = ReplayBuffer::new(config.clone(), [3, 6, 5], vec![], 1, Shard::WHOLE, device);
        values(buffer.draw(12, StepKey::new(1, 0), Shard::WHOLE, None).x)
    };
    let expected = drawn(&Device::flex());
    for (name, device) in devices {
        let there = drawn(device);
        let mut pairs = there.iter().zip(&expected);
        // Products may run in TF32, which rounds to 2⁻¹¹.
        assert!(pairs.all(|(a, b)| (a - b).abs() <= 5e-3), "{name}");
    }
}

#[cfg(feature = "wgpu")]
fn gpus() -> Vec<(String, Device)> {
    let adapters = ebm_core::adapters_under_test().into_iter().enumerate();
    adapters
        .map(|(i, device)| (format!("wgpu:{i}"), device))
        .collect()
}

/// Runs each check on every CPU backend, and, where asked for, on every GPU adapter.
macro_rules! checks {
    ($($check:ident),+ $(,)?) => {
        mod on_cpus {
            $(#[test]
            fn $check() {
                super::$check(&super::cpus());
            })+
        }

        #[cfg(feature = "wgpu")]
        mod on_gpus {
            $(#[test]
            #[ignore = "runs on GPU adapters; cargo test -- --ignored"]
            fn $check() {
                super::$check(&super::gpus());
            })+
        }
    };
}

checks!(
    every_backend_draws_the_same_values,
    every_backend_takes_the_same_step,
    a_kernel_leaves_its_inputs_as_they_were_and_takes_views,
    every_backend_runs_the_same_chains,
    every_backend_follows_the_same_flow,
    every_backend_keeps_the_same_bytes,
    every_backend_augments_alike,
);
