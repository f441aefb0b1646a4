//! Keep what steps computed until somebody reads it: reading waits for the device.

use burn::tensor::Tensor;

use crate::objective::Contrasted;
use crate::step::StepInfo;

/// Losses and energies that nobody has looked at.
#[derive(Debug, Default)]
pub(super) struct Unread {
    steps: Vec<UnreadStep>,
}

#[derive(Debug)]
struct UnreadStep {
    iteration: u64,
    /// `[1]`.
    loss: Tensor<1>,
    contrasted: Option<Contrasted>,
}

/// What a step computed, on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ReadStep {
    pub(super) iteration: u64,
    pub(super) loss: f32,
    /// Energies of data, then of as many samples; empty where the objective has none.
    pub(super) energies: Vec<f32>,
    /// See [`Contrasted::restarted`].
    pub(super) restarted: Vec<bool>,
}

impl Unread {
    pub(super) fn push(&mut self, iteration: u64, info: &StepInfo) {
        self.steps.push(UnreadStep {
            iteration,
            loss: info.loss.clone(),
            contrasted: info.contrasted.clone(),
        });
    }

    /// Forget everything: the run goes back.
    pub(super) fn clear(&mut self) {
        self.steps.clear();
    }

    /// Read all steps, and `others`, `[1]` each, in the same transaction.
    pub(super) fn read_with(&mut self, others: Vec<Tensor<1>>) -> (Vec<ReadStep>, Vec<f32>) {
        let steps = std::mem::take(&mut self.steps);
        let of_steps = steps.iter().flat_map(|step| {
            let energies = step.contrasted.as_ref().map(|it| it.energies.clone());
            std::iter::once(step.loss.clone()).chain(energies)
        });
        let all: Vec<_> = of_steps.chain(others).collect();
        if all.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let data = Tensor::cat(all, 0).into_data();
        let mut values = data.iter::<f32>();
        let read = steps.into_iter().map(|step| {
            let contrasted = step.contrasted;
            let count = contrasted.as_ref().map_or(0, |it| it.energies.dims()[0]);
            ReadStep {
                iteration: step.iteration,
                loss: values.next().unwrap_or(f32::NAN),
                energies: values.by_ref().take(count).collect(),
                restarted: contrasted.map_or_else(Vec::new, |it| it.restarted),
            }
        });
        let read = read.collect();
        (read, values.collect())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn tensor<const N: usize>(values: [f32; N]) -> Tensor<1> {
        Tensor::from_floats(values, &Device::flex())
    }

    fn info(loss: f32, energies: Option<[f32; 2]>) -> StepInfo {
        StepInfo {
            loss: tensor([loss]),
            contrasted: energies.map(|energies| Contrasted {
                energies: tensor(energies),
                restarted: vec![true],
            }),
            terms: Vec::new(),
            grad_norm: tensor([0.0]),
            lr: 0.0,
        }
    }

    #[test]
    fn what_was_pushed_is_read_once_and_in_order() {
        let mut unread = Unread::default();
        unread.push(7, &info(0.5, Some([1.0, 2.0])));
        unread.push(8, &info(f32::NAN, None));
        let (steps, others) = unread.read_with(vec![tensor([9.0]), tensor([10.0])]);
        assert_eq!(others, [9.0, 10.0]);
        assert_eq!((steps[0].iteration, steps[0].loss), (7, 0.5));
        assert_eq!(steps[0].energies, [1.0, 2.0]);
        assert_eq!(steps[0].restarted, [true]);
        assert!(steps[1].loss.is_nan() && steps[1].energies.is_empty());
        assert_eq!(unread.read_with(Vec::new()), (Vec::new(), Vec::new()));
    }
}
