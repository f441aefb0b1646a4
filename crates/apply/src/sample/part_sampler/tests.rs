//! Check that ranks draw what one process draws, and fail together.

use ebm_core::ImageShape;
use ebm_langevin::Method;

use super::*;
use crate::sample::{Init, sample};
use crate::testing::{each_rank, untrained};

const SMALL: ImageShape = ImageShape::new(1, 16, 16);
const CHAINS: usize = 13;

fn conditional() -> Trained {
    untrained(&["model.conditional=true"], SMALL)
}

/// Chains of the run's own steps.
fn options(trained: &Trained) -> SampleOptions {
    SampleOptions {
        first_chain: 7,
        seed: 3,
        ..SampleOptions::new(trained, CHAINS)
    }
}

/// Five parts, the last of one chain.
fn small_parts(options: &SampleOptions) -> Vec<SampleOptions> {
    let starts = (0..CHAINS).step_by(3);
    starts
        .map(|start| options.part(start..CHAINS.min(start + 3)))
        .collect()
}

/// The parts that each rank takes, without their times.
fn taken(trained: &Trained, options: &SampleOptions, world: u32) -> Vec<Vec<SamplePart>> {
    each_rank(world, |ranks| {
        let sampler = PartSampler::new(trained, options).with_ranks(ranks);
        let mut found = Vec::new();
        let drawn = sampler.draw_parts(&small_parts(options), |index, part| {
            assert_eq!(index, found.len(), "parts come in order");
            found.push(SamplePart {
                seconds: 0.0,
                ..part
            });
            Ok::<_, SampleError>(())
        });
        drawn.expect("drawn");
        found
    })
}

#[test]
fn any_number_of_ranks_gives_the_first_the_parts_that_one_process_draws() {
    let trained = conditional();
    let own = options(&trained);
    let mut rejecting = SampleOptions {
        langevin: own.langevin.changed_to(Method::Mala),
        ..own.clone()
    };
    rejecting.langevin.target_acceptance = None;
    for (options, may_reject) in [(own, false), (rejecting, true)] {
        let alone = taken(&trained, &options, 1).remove(0);
        assert_eq!(alone.len(), 5);
        let rejects = |part: &SamplePart| part.acceptance.is_some();
        assert!(alone.iter().all(|part| rejects(part) == may_reject));
        for world in [2, 3, 4, 8] {
            let of_ranks = taken(&trained, &options, world);
            assert_eq!(of_ranks[0], alone, "{world} ranks");
            assert!(of_ranks[1..].iter().all(Vec::is_empty), "{world} ranks");
        }
    }
}

#[test]
fn parts_together_are_the_samples_that_are_drawn_at_once() {
    let trained = conditional();
    let options = options(&trained);
    let at_once = sample(&trained, &options).expect("drawn");
    let parts = taken(&trained, &options, 2).remove(0);
    let pixels: Vec<u8> = parts.iter().flat_map(|part| part.pixels.clone()).collect();
    assert_eq!(pixels, to_bytes(at_once.images));
    let energies = parts.iter().flat_map(|part| part.energies.clone());
    assert_eq!(energies.collect::<Vec<_>>(), at_once.energies);
}

#[test]
fn the_first_rank_counts_the_gradients_of_all() {
    let trained = untrained(&[], SMALL);
    let options = options(&trained);
    let even: Vec<_> = [0, 3, 6, 9]
        .map(|start| options.part(start..start + 3))
        .into();
    let expected: u64 = even.iter().map(SampleOptions::num_gradients).sum();
    for world in [1, 2, 4] {
        let counts = each_rank(world, |ranks| {
            let counter = StepCounter::default();
            let sampler = PartSampler::new(&trained, &options).with_ranks(ranks);
            let sampler = sampler.with_counter(counter.clone());
            let drawn = sampler.draw_parts(&even, |_, _| Ok::<_, SampleError>(()));
            drawn.expect("drawn");
            counter.gradients()
        });
        assert_eq!(counts[0], expected, "{world} ranks");
    }
}

#[test]
fn samples_that_depend_on_each_other_come_from_the_first_rank() {
    let trained = untrained(&[], SMALL);
    let options = SampleOptions {
        init: Init::Buffer,
        ..options(&trained)
    };
    let expected = to_bytes(sample(&trained, &options).expect("drawn").images);
    let found = each_rank(2, |ranks| {
        let sampler = PartSampler::new(&trained, &options).with_ranks(ranks);
        let mut pixels = Vec::new();
        let drawn = sampler.draw(|part| {
            pixels.extend(part.pixels);
            Ok::<_, SampleError>(())
        });
        drawn.expect("drawn");
        pixels
    });
    assert_eq!(found, [expected, Vec::new()]);
}

/// The error of every rank.
fn errors(
    trained: &Trained,
    parts: &[SampleOptions],
    take: impl Fn(usize) -> Result<(), SampleError> + Sync,
) -> Vec<SampleError> {
    let options = options(trained);
    each_rank(3, |ranks| {
        let sampler = PartSampler::new(trained, &options).with_ranks(ranks);
        let drawn = sampler.draw_parts(parts, |index, _| take(index));
        drawn.expect_err("refused")
    })
}

#[test]
fn what_one_rank_cannot_draw_ends_all_of_them_after_the_parts_before_it() {
    let trained = untrained(&[], SMALL);
    let mut parts = small_parts(&options(&trained));
    // The second part of the second round wants more chains than the buffer has.
    parts[4] = SampleOptions {
        init: Init::Buffer,
        labels: vec![0; 33],
        ..options(&trained)
    };
    let last = std::sync::Mutex::new(None);
    let found = errors(&trained, &parts, |index| {
        *last.lock().expect("no panic") = Some(index);
        Ok(())
    });
    assert_eq!(last.into_inner().expect("no panic"), Some(3));
    let own = SampleError::FewChains {
        asked: 33,
        capacity: 32,
    };
    let elsewhere = SampleError::OnRank {
        rank: 1,
        why: own.to_string(),
    };
    assert_eq!(found, [elsewhere.clone(), own, elsewhere]);
}

#[test]
fn a_part_that_the_first_rank_cannot_take_ends_all_of_them() {
    let trained = untrained(&[], SMALL);
    let parts = small_parts(&options(&trained));
    let found = errors(&trained, &parts, |index| match index {
        1 => Err(SampleError::OneClass),
        index => {
            assert_eq!(index, 0, "nothing is taken after an error");
            Ok(())
        }
    });
    let elsewhere = SampleError::OnRank {
        rank: 0,
        why: SampleError::OneClass.to_string(),
    };
    let expected = [SampleError::OneClass, elsewhere.clone(), elsewhere];
    assert_eq!(found, expected);
}

#[test]
fn ranks_that_would_draw_other_samples_are_refused() {
    let trained = untrained(&[], SMALL);
    let found = each_rank(4, |ranks| {
        let options = SampleOptions {
            seed: u64::from(ranks.rank() == 2),
            ..options(&trained)
        };
        let sampler = PartSampler::new(&trained, &options).with_ranks(ranks);
        let refused = sampler.draw(|_| Ok::<_, SampleError>(()));
        refused.expect_err("refused")
    });
    let expected = SampleError::RanksDiffer { rank: 2 };
    assert!(found.iter().all(|found| *found == expected), "{found:?}");
}
