//! Check the loop: pieces, trajectories, statistics.

use burn::tensor::{Device, Tensor};
use ebm_core::{Energy, NoiseKey, Schedule, Stream, Varying, each_piece, pieces_of};
use ebm_langevin::{
    ChainRun, ChainStats, Dynamics, LangevinConfig, Method, Sampler, Stage, StepCounter,
    sampler_outside_training, sgld,
};

fn bowl(x: Tensor<4>) -> Tensor<1> {
    let far: Tensor<2> = (x - 0.5).powi_scalar(2).flatten(1, 3);
    far.sum_dim(1).squeeze_dim(1)
}

fn config(num_steps: usize, noise_std: f64) -> LangevinConfig {
    LangevinConfig {
        num_steps,
        step_size: Schedule::Constant(0.1),
        noise_std: Schedule::Constant(noise_std),
        grad_clip: Some(0.5),
        ..LangevinConfig::default()
    }
}

fn key() -> NoiseKey {
    NoiseKey::new(3, Stream::Langevin, 9)
}

fn sampler(num_steps: usize, noise_std: f64) -> Sampler {
    Sampler::new(config(num_steps, noise_std), key()).with_stats(true)
}

fn pixels(x: Tensor<4>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// Every statistic of every chain, in one order.
fn values(stats: Option<ChainStats>) -> Vec<Vec<f32>> {
    let stats = stats.expect("asked for");
    let mut all = vec![
        stats.energy_before,
        stats.energy_after,
        stats.at_bound_share,
    ];
    if let Some(steps) = stats.steps {
        all.extend([
            steps.grad_norm_mean,
            steps.grad_norm_max,
            steps.clamped_share,
        ]);
        all.extend(steps.acceptance);
    }
    let floats = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect();
    all.into_iter().map(floats).collect()
}

fn start(batch: usize) -> Tensor<4> {
    let values = Tensor::arange(0..(batch * 15) as i64, &Device::flex()).float();
    (values / (batch * 15) as f32).reshape([batch, 1, 3, 5])
}

#[test]
fn pieces_give_the_bits_of_the_whole_batch() {
    let ids: Vec<u32> = (100..113).collect();
    let runs: Vec<ChainRun<4>> = [13, 1, 4, 100]
        .map(|size| {
            sampler(7, 0.02)
                .with_piece_size(size)
                .with_trajectory(3)
                .run(start(13), &ids, &bowl)
        })
        .into();
    let whole = runs[0].clone();
    for run in runs {
        assert_eq!(pixels(run.x), pixels(whole.x.clone()));
        assert_eq!(run.trajectory.len(), 3);
        for (frame, expected) in run.trajectory.into_iter().zip(&whole.trajectory) {
            assert_eq!(pixels(frame), pixels(expected.clone()));
        }
        assert_eq!(values(run.stats), values(whole.stats.clone()));
    }
}

#[test]
fn a_chain_sees_the_same_noise_wherever_it_stands_in_a_batch() {
    let x = start(4);
    let together = sampler(5, 0.05).run(x.clone(), &[8, 3, 5, 1], &bowl).x;
    let alone = sampler(5, 0.05).run(x.narrow(0, 2, 1), &[5], &bowl).x;
    assert_eq!(pixels(together.narrow(0, 2, 1)), pixels(alone));
}

#[test]
fn without_noise_a_chain_descends_by_hand() {
    let x = Tensor::<4>::from_floats([[[[0.9]]], [[[0.4]]]], &Device::flex());
    let run = sampler(2, 0.0).with_trajectory(1).run(x, &[0, 1], &bowl);
    // ∇E = 2(x − 0.5), clamped to 0.5: 0.9 → 0.85 → 0.80; 0.4 → 0.42 → 0.436.
    let expected = [[0.9, 0.4], [0.85, 0.42], [0.80, 0.436]];
    for (frame, expected) in run.trajectory.into_iter().zip(expected) {
        let close = |(a, b): (f32, f32)| (a - b).abs() < 1e-6;
        assert!(pixels(frame).into_iter().zip(expected).all(close));
    }
    let expected = [
        [0.16, 0.01],          // energy before
        [0.09, 0.064 * 0.064], // and after
        [0.0, 0.0],            // at a bound
        [0.75, 0.18],          // mean norm of the gradient
        [0.8, 0.2],            // and its maximum
        [1.0, 0.0],            // clamped
    ];
    for (got, expected) in values(run.stats).into_iter().zip(expected) {
        let close = |(a, b): (f32, f32)| (a - b).abs() < 1e-6;
        assert!(got.into_iter().zip(expected).all(close));
    }
}

#[test]
fn pixels_at_a_bound_are_counted() {
    let x = Tensor::<4>::from_floats([[[[1.0, 0.5]]]], &Device::flex());
    let slope = |x: Tensor<4>| -> Tensor<1> { -x.flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1) };
    let stats = values(sampler(1, 0.0).run(x, &[0], &slope).stats);
    assert_eq!(stats[2], [0.5]);
}

#[test]
fn an_energy_that_is_not_a_number_is_not_hidden() {
    let broken = |x: Tensor<4>| bowl(x) * f32::NAN;
    let run = sampler(2, 0.01).run(start(3), &[0, 1, 2], &broken);
    let [_, energy_after, _, grad_norm_mean, grad_norm_max, _] =
        values(run.stats).try_into().expect("six statistics");
    for stat in [energy_after, grad_norm_mean, grad_norm_max] {
        assert!(stat.iter().all(|value| value.is_nan()));
    }
    assert!(pixels(run.x).iter().any(|pixel| pixel.is_nan()));
}

#[test]
fn results_of_pieces_come_back_in_order() {
    let starts = each_piece(&Device::flex(), pieces_of(99, 2), |piece| piece.start);
    assert_eq!(starts, (0..50).map(|i| 2 * i).collect::<Vec<_>>());
}

#[test]
#[should_panic = "need as many chain ids"]
fn every_image_needs_a_chain_id() {
    sampler(1, 0.0).run(start(3), &[0, 1], &bowl);
}

#[test]
fn energies_are_recorded_without_anything_of_the_steps() {
    let ids: Vec<u32> = (0..13).collect();
    let sampler = sampler(5, 0.05).with_piece_size(4);
    let all = values(sampler.clone().run(start(13), &ids, &bowl).stats);
    let sampler = sampler.with_stats(false).with_energies(true);
    let ends = values(sampler.run(start(13), &ids, &bowl).stats);
    assert_eq!((all.len(), ends.len()), (6, 3));
    assert_eq!(ends, all[..3]);
}

#[test]
fn steps_taken_one_by_one_give_the_bits_of_a_run() {
    let ids: Vec<u32> = (0..13).collect();
    let config = config(5, 0.05);
    let dynamics = Dynamics::new(&config, key(), &ids, &bowl, &Device::flex());
    let mut state = sgld::init(start(13));
    for step in 0..5 {
        (state, _) = sgld::step(&dynamics, state, step);
    }
    let run = sampler(5, 0.05).run(start(13), &ids, &bowl);
    assert_eq!(pixels(state.x), pixels(run.x));
}

#[test]
fn chains_that_stop_and_go_on_give_the_bits_of_chains_that_do_not() {
    let ids: Vec<u32> = (0..13).collect();
    let falling = Varying::Geometric {
        start: 0.1,
        end: 0.01,
    };
    for method in [
        Method::Sgld,
        Method::Mala,
        Method::Hmc,
        Method::Euler,
        Method::Heun,
    ] {
        let config = LangevinConfig {
            noise_std: Schedule::Varying(falling),
            flow_temperature: 0.02,
            flow_heated_from: 0.5,
            ..config(5, 0.0).with_method(method)
        };
        let config = match method.is_flow() {
            true => LangevinConfig {
                grad_clip: None,
                ..config
            },
            false => config,
        };
        let run = |x: Tensor<4>, steps| {
            let sampler = Sampler::new(config.clone(), key()).with_piece_size(4);
            sampler.with_steps(steps).run(x, &ids, &bowl).x
        };
        let whole = pixels(run(start(13), 0..8));
        let parts = [0..1, 1..5, 5..5, 5..8];
        let parts = parts.into_iter().fold(start(13), run);
        assert_eq!(pixels(parts), whole, "{method}");
        let all = Sampler::new(config.clone(), key()).run(start(13), &ids, &bowl);
        assert_eq!(
            pixels(run(start(13), 0..5)),
            pixels(all.x.clone()),
            "{method}"
        );
        assert_ne!(pixels(all.x), whole, "{method}");
    }
}

#[test]
fn steps_beyond_the_last_one_keep_the_last_values_of_schedules() {
    let slope = |x: Tensor<4>| -> Tensor<1> { -x.flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1) };
    let shrinking = Varying::Linear {
        start: 0.25,
        end: 0.0625,
    };
    let config = LangevinConfig::new(3)
        .with_step_size(Schedule::Varying(shrinking))
        .with_noise_std(0.0);
    let x = Tensor::<4>::zeros([1, 1, 1, 1], &Device::flex());
    let run = |steps| {
        let sampler = Sampler::new(config.clone(), key()).with_steps(steps);
        pixels(sampler.run(x.clone(), &[0], &slope).x)[0]
    };
    assert_eq!(run(0..3), 0.25 + 0.15625 + 0.0625);
    assert_eq!(run(2..3), 0.0625);
    assert_eq!(run(70..74), 4.0 * 0.0625);
}

#[test]
fn chains_follow_the_gradient_that_an_energy_brings() {
    /// [`bowl`] with its gradient in closed form.
    struct Bowl;
    impl Energy<4> for Bowl {
        fn energies(&self, x: Tensor<4>) -> Tensor<1> {
            bowl(x)
        }

        fn energies_and_gradients(&self, x: Tensor<4>) -> (Tensor<1>, Tensor<4>) {
            (bowl(x.clone()), (x - 0.5) * 2.0)
        }
    }
    let ids: Vec<u32> = (0..13).collect();
    let by_tape = sampler(5, 0.05).run(start(13), &ids, &bowl);
    let own = sampler(5, 0.05).run(start(13), &ids, &Bowl);
    let error = (own.x - by_tape.x).abs().max().into_scalar::<f32>();
    assert!(error < 1e-6, "{error}");
}

#[test]
fn a_long_gradient_keeps_its_direction_where_its_norm_is_limited() {
    // E = 3x₀ + 4x₁: ∇E/T has the length 5/T.
    let energy = |x: Tensor<2>| -> Tensor<1> {
        let slope = Tensor::<2>::from_floats([[3.0, 4.0]], &Device::flex());
        (x * slope).sum_dim(1).squeeze_dim(1)
    };
    let ran = |temperature: f64, longest: f64| -> ChainRun<2> {
        let config = LangevinConfig {
            num_steps: 1,
            step_size: Schedule::Constant(0.1),
            noise_std: Schedule::Constant(0.0),
            temperature: Schedule::Constant(temperature),
            grad_norm_clip: Some(longest),
            bounds: None,
            ..LangevinConfig::default()
        };
        let sampler = Sampler::new(config, NoiseKey::new(3, Stream::Langevin, 9));
        let x = Tensor::zeros([1, 2], &Device::flex());
        sampler.with_stats(true).run(x, &[0], &energy)
    };
    for (temperature, longest, moved, share) in
        [(1.0, 1.0, [0.06, 0.08], 1.0), (5.0, 2.0, [0.06, 0.08], 0.0)]
    {
        let run = ran(temperature, longest);
        let x: Vec<f32> = run.x.into_data().iter::<f32>().collect();
        assert!(
            (x[0] + moved[0]).abs() < 1e-6 && (x[1] + moved[1]).abs() < 1e-6,
            "{x:?}"
        );
        assert_eq!(values(run.stats)[5], [share]);
    }
}

#[test]
fn the_last_step_leads_from_where_it_says_to_the_end() {
    let ids: Vec<u32> = (0..13).collect();
    for size in [13, 4] {
        let sampler = sampler(5, 0.02).with_piece_size(size).with_last_step(true);
        let run = sampler.run(start(13), &ids, &bowl);
        let last = run.last_step.expect("asked for");
        let gradient = (last.from.clone() - 0.5) * 2.0;
        let expected = last.descent.of_tensor(last.from, gradient);
        let error = (run.x - expected).abs().max().into_scalar::<f32>();
        assert!(error < 1e-6, "{error}");
    }
}

#[test]
fn a_count_has_the_gradients_of_ranks_that_take_their_steps_at_the_same_time() {
    let counter = StepCounter::default();
    counter.add(2);
    let of_three_ranks = counter.weighted(3);
    of_three_ranks.add(5);
    counter.add(1);
    assert_eq!(counter.gradients(), 2 + 3 * 5 + 1);
    assert_eq!(of_three_ranks.gradients(), counter.gradients());
}

#[test]
fn samples_end_with_their_noise_taken_off_and_chains_that_go_on_do_not() {
    let ids: Vec<u32> = (0..13).collect();
    let config = config(5, 0.05).with_final_denoise_std(0.5);
    let run = |sampler: Sampler| {
        let counter = StepCounter::default();
        let sampler = sampler.with_counter(counter.clone()).with_energies(true);
        let run = sampler.with_trajectory(5).run(start(13), &ids, &bowl);
        (run, counter.gradients())
    };
    let outside = |stage| sampler_outside_training(&config, 5, 3, stage).with_piece_size(4);
    for stage in [Stage::Chains, Stage::Second] {
        let (before, gradients) = run(outside(stage).with_final_denoising(false));
        assert_eq!(gradients, 13 * 5);
        let (denoised, gradients) = run(outside(stage));
        assert_eq!(gradients, 13 * config.gradients_of_sample(5) as u64);
        assert_eq!(gradients, 13 * (5 + 1));
        // x − σ₀²∇E, ∇E = 2(x − ½) and σ₀² = ¼, is half as far from the middle.
        let expected = (before.x.clone() - 0.5) / 2.0 + 0.5;
        let error = (denoised.x.clone() - expected).abs().max();
        assert!(error.into_scalar::<f32>() < 1e-6);
        // The trajectory ends before it, the energies after it.
        let last = denoised.trajectory[1].clone();
        assert_eq!(pixels(last), pixels(before.x));
        let after = floats(bowl(denoised.x));
        assert_eq!(values(denoised.stats)[1], after);
    }
    let burnt_in = run(outside(Stage::BurnIn)).1;
    let played_with = run(outside(Stage::Playground)).1;
    let training = run(Sampler::new(config.clone(), key())).1;
    assert_eq!([burnt_in, played_with, training], [13 * 5; 3]);
}

fn floats(energies: Tensor<1>) -> Vec<f32> {
    energies.into_data().iter::<f32>().collect()
}

#[test]
fn what_is_taken_off_is_clipped_and_in_pieces_gives_the_bits_of_the_whole() {
    let ids: Vec<u32> = (0..13).collect();
    let config = config(3, 0.05)
        .with_final_denoise_std(3.0)
        .with_margin(0.25);
    let run = |size: usize| {
        let sampler = sampler_outside_training(&config, 3, 3, Stage::Chains);
        let run = sampler.with_piece_size(size).run(start(13), &ids, &bowl);
        pixels(run.x)
    };
    let whole = run(13);
    assert_eq!(whole, run(4));
    // Nine times the gradient leads beyond the bounds, to the other side.
    let at_bounds = whole.iter().filter(|x| [-0.25, 1.25].contains(*x)).count();
    assert!(at_bounds > whole.len() / 2, "{at_bounds}");
}
