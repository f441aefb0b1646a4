//! Take the gradient of an objective over all shards: each shard's own, and their mean over a fixed tree.

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::StepKey;
use ebm_data::Batch;
use ebm_model::EnergyModel;

use super::{Contrasted, Gradient, Objective, StepContext};
use crate::collective::{Meeting, Team, each_shard};
use crate::state::OfShard;

/// The gradient of an objective on the batches of this rank's shards, and of all others.
pub(crate) fn gradient_of_shards<M: EnergyModel + Sync, O: Objective<M>>(
    objective: &O,
    states: &mut [OfShard<O::State>],
    model: &M,
    batches: &[Batch],
    (key, record): (StepKey, bool),
    team: &Team,
) -> Gradient {
    assert_eq!(states.len(), batches.len(), "a batch for each shard");
    let step = StepContext::new(key, record);
    if let ([of_shard], [batch], 1) = (&mut *states, batches, team.num_shards()) {
        return objective.gradient(&mut of_shard.state, model, batch, &step);
    }
    let read = |(of_shard, batch): (&mut OfShard<O::State>, &Batch),
                others: Option<&dyn Meeting>| {
        let step = step.of_shard(of_shard.shard, others);
        Read::of(objective.gradient(&mut of_shard.state, model, batch, &step))
    };
    let inputs = states.iter_mut().zip(batches);
    let own = match objective.is_coupled() {
        true => each_shard(team, inputs.collect(), |input, others| {
            read(input, Some(others))
        }),
        false => inputs.map(|input| read(input, None)).collect(),
    };
    mean(own, team, &batches[0].images.device())
}

/// A gradient on the host.
struct Read {
    flat: Vec<f32>,
    names: Vec<&'static str>,
    told: Told,
}

impl Read {
    /// Reads the device.
    fn of(gradient: Gradient) -> Self {
        Self {
            flat: values_of(gradient.flat.clone()),
            names: gradient.terms.iter().map(|(name, _)| *name).collect(),
            told: Told::of(gradient),
        }
    }
}

/// The mean over all shards, of which `own` are this rank's.
fn mean(own: Vec<Read>, team: &Team, device: &Device) -> Gradient {
    let names = own[0].names.clone();
    let is_contrast = !own[0].told.energies.is_empty();
    let told = own.iter().map(|read| read.told.to_numbers(team.raised()));
    let told = told.collect();
    let flat = team.mean(own.into_iter().map(|read| read.flat).collect());
    let all = team.gather_of_shards(told);
    let (flags, told): (Vec<_>, Vec<_>) = all
        .iter()
        .map(|numbers| Told::of_numbers(numbers, names.len()))
        .unzip();
    team.agree_on(flags.into_iter().fold(0, |all, flags| all | flags));
    let terms = terms_of_all(&names, &told);
    let scalar = |value: f64| Tensor::<1>::from_floats([value as f32], device);
    Gradient {
        flat: Tensor::from_data(TensorData::from(&flat[..]), device),
        loss: scalar(mean_of(told.iter().map(|told| told.loss))),
        contrasted: is_contrast.then(|| contrasted(&told, device)),
        terms: names
            .into_iter()
            .zip(terms.into_iter().map(scalar))
            .collect(),
    }
}

/// What a shard tells of a step.
struct Told {
    loss: f64,
    /// Of data, then of samples; empty where nothing was contrasted.
    energies: Vec<f64>,
    restarted: Vec<bool>,
    terms: Vec<f64>,
}

impl Told {
    fn of(gradient: Gradient) -> Self {
        let Gradient {
            loss,
            contrasted,
            terms,
            ..
        } = gradient;
        let (energies, restarted) = contrasted.map_or_else(Default::default, |it| {
            let energies = values_of(it.energies).into_iter().map(f64::from);
            (energies.collect::<Vec<_>>(), it.restarted)
        });
        assert_eq!(
            energies.len(),
            2 * restarted.len(),
            "as many samples as data"
        );
        let numbers = core::iter::once(loss).chain(terms.into_iter().map(|(_, value)| value));
        let mut numbers = values_of(Tensor::cat(numbers.collect(), 0)).into_iter();
        Self {
            loss: numbers.next().map_or(f64::NAN, f64::from),
            energies,
            restarted,
            terms: numbers.map(f64::from).collect(),
        }
    }

    /// Flags, loss, terms, then energies and which samples were restarted: two of the first for each of the second.
    fn to_numbers(&self, flags: u32) -> Vec<f64> {
        let restarted = self.restarted.iter().map(|&it| f64::from(u8::from(it)));
        let head = [f64::from(flags), self.loss].into_iter();
        head.chain(self.terms.iter().copied())
            .chain(self.energies.iter().copied())
            .chain(restarted)
            .collect()
    }

    fn of_numbers(numbers: &[f64], num_terms: usize) -> (u32, Self) {
        let (terms, rest) = numbers[2..].split_at(num_terms);
        let (energies, restarted) = rest.split_at(rest.len() / 3 * 2);
        let told = Self {
            loss: numbers[1],
            energies: energies.to_vec(),
            restarted: restarted.iter().map(|&it| it == 1.0).collect(),
            terms: terms.to_vec(),
        };
        (numbers[0] as u32, told)
    }
}

fn values_of(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Energies of data of all shards, then of their samples.
fn contrasted(told: &[Told], device: &Device) -> Contrasted {
    let half = |second: usize| {
        let of_shards = told.iter().flat_map(move |told| {
            let half = told.energies.len() / 2;
            &told.energies[second * half..(second + 1) * half]
        });
        of_shards.map(|&energy| energy as f32)
    };
    let energies: Vec<f32> = half(0).chain(half(1)).collect();
    Contrasted {
        energies: Tensor::from_floats(&energies[..], device),
        restarted: told
            .iter()
            .flat_map(|told| told.restarted.iter().copied())
            .collect(),
    }
}

/// The terms of all shards together; see [`Gradient::terms`].
fn terms_of_all(names: &[&str], told: &[Told]) -> Vec<f64> {
    let of = |place: usize| told.iter().map(move |told| told.terms[place]);
    let together = |(place, name): (usize, &&str)| {
        if name.ends_with("_max") {
            return of(place).fold(f64::NEG_INFINITY, larger);
        }
        let mean = name.strip_suffix("_std");
        let mean = mean.and_then(|mean| names.iter().position(|name| *name == mean));
        match mean {
            Some(mean) => pooled_std(of(place), of(mean)),
            None => mean_of(of(place)),
        }
    };
    names.iter().enumerate().map(together).collect()
}

/// The larger of two numbers, and what is not a number above all.
fn larger(a: f64, b: f64) -> f64 {
    match a.is_nan() || a > b {
        true => a,
        false => b,
    }
}

fn mean_of(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// The standard deviation of all values of groups of one size, from those and the means of the groups.
fn pooled_std(
    stds: impl ExactSizeIterator<Item = f64>,
    means: impl ExactSizeIterator<Item = f64> + Clone,
) -> f64 {
    let mean = mean_of(means.clone());
    let squares = stds
        .zip(means)
        .map(|(std, of_group)| std * std + (of_group - mean).powi(2));
    mean_of(squares).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(terms: [f64; 3]) -> Told {
        Told {
            loss: 1.0,
            energies: vec![1.0, 2.0, 3.0, 4.0],
            restarted: vec![true, false],
            terms: terms.into(),
        }
    }

    #[test]
    fn what_a_shard_tells_comes_back_from_numbers() {
        let (flags, back) = Told::of_numbers(&told([5.0, 6.0, 7.0]).to_numbers(2), 3);
        assert_eq!((flags, back.loss), (2, 1.0));
        assert_eq!(back.energies, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(back.restarted, [true, false]);
        assert_eq!(back.terms, [5.0, 6.0, 7.0]);
    }

    #[test]
    fn terms_of_shards_become_those_of_all_images() {
        let names = ["e", "e_std", "age_max"];
        // Values 1, 3 and 5, 7: mean 4, standard deviation √5.
        let all = terms_of_all(&names, &[told([2.0, 1.0, 9.0]), told([6.0, 1.0, 4.0])]);
        assert_eq!(all[0], 4.0);
        assert!((all[1] - 5f64.sqrt()).abs() < 1e-12);
        assert_eq!(all[2], 9.0);
        let broken = terms_of_all(&names, &[told([2.0, 1.0, f64::NAN]), told([6.0, 1.0, 4.0])]);
        assert!(broken[2].is_nan());
    }

    #[test]
    fn energies_of_data_of_all_shards_come_first() {
        let both = contrasted(&[told([0.0; 3]), told([0.0; 3])], &Device::flex());
        assert_eq!(
            values_of(both.energies),
            [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]
        );
        assert_eq!(both.restarted, [true, false, true, false]);
    }
}
