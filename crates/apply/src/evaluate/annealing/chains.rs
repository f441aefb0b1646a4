//! Move chains by Hamiltonian Monte Carlo at one temperature after the other.

use burn::tensor::Tensor;
use ebm_core::{Energy, NoiseKey, Stream, chain_pieces, each_piece};
use ebm_langevin::{Dynamics, LangevinConfig, Method, hmc};

use super::{Annealing, AnnealingError, Base, half_square};

/// Chains under way, in pieces that suit the device.
pub(super) struct Chains<'a, 'b, const D: usize> {
    annealing: &'a Annealing<'b, D>,
    key: NoiseKey,
    steps: usize,
    pieces: Vec<Piece<D>>,
}

/// Consecutive chains.
#[derive(Clone)]
struct Piece<const D: usize> {
    /// The first of them.
    first: usize,
    /// Under the energy of the last step.
    state: hmc::State<D>,
    /// What their energies have beyond that of the base, `[chains]`.
    beyond: Tensor<1>,
}

/// ½‖x‖² + (E(x) − ½‖x‖²)/T: from N(0, I) at infinite T to E at 1.
struct FromNormal<'a, const D: usize> {
    energy: &'a dyn Energy<D>,
    /// 1/T.
    inverse: f64,
}

impl<const D: usize> Energy<D> for FromNormal<'_, D> {
    fn energies(&self, x: Tensor<D>) -> Tensor<1> {
        let of_normal = half_square(&x) * (1.0 - self.inverse);
        self.energy.energies(x) * self.inverse + of_normal
    }

    fn energies_and_gradients(&self, x: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        let (energies, gradients) = self.energy.energies_and_gradients(x.clone());
        let of_normal = 1.0 - self.inverse;
        (
            energies * self.inverse + half_square(&x) * of_normal,
            gradients * self.inverse + x * of_normal,
        )
    }
}

impl<'a, 'b, const D: usize> Chains<'a, 'b, D> {
    /// Chains at `x`, whose steps have the random numbers of `key`.
    pub(super) fn start(annealing: &'a Annealing<'b, D>, x: Tensor<D>, key: u32) -> Self {
        let key = NoiseKey::new(annealing.options.seed, Stream::Sample, key);
        let Annealing {
            energy,
            device,
            options,
            ..
        } = annealing;
        let pieces = each_piece(device, chain_pieces(device, x.dims()[0]), |rows| {
            let first = rows.start;
            let x = x.clone().narrow(0, first, rows.len());
            let of_rows = energy.of_rows(rows);
            let energy = of_rows.as_deref().unwrap_or(*energy);
            let (energies, gradient) = energy.energies_and_gradients(x.clone());
            Piece {
                first,
                beyond: options.base.beyond(energies.clone(), &x),
                state: hmc::State {
                    x,
                    energies,
                    gradient,
                },
            }
        });
        Self {
            annealing,
            key,
            steps: 0,
            pieces,
        }
    }

    /// One step of a piece under its energy at a temperature; the logarithms of the acceptance ratios.
    fn stepped(
        &self,
        Piece { first, state, .. }: Piece<D>,
        temperature: f64,
        step_size: f64,
    ) -> (Piece<D>, Vec<f64>) {
        let Annealing {
            energy,
            device,
            options,
            ..
        } = self.annealing;
        let rows = first..first + state.x.dims()[0];
        let ids: Vec<u32> = (rows.start as u32..rows.end as u32).collect();
        let of_rows = energy.of_rows(rows);
        let energy = of_rows.as_deref().unwrap_or(*energy);
        let config = self.config(temperature, step_size);
        let (state, info, energies) = match options.base {
            Base::Uniform(_) => {
                let dynamics = Dynamics::new(&config, self.key, &ids, energy, device);
                let (state, info) = hmc::step(&dynamics, state, self.steps);
                let energies = state.energies.clone();
                (state, info, energies)
            }
            // Energies and gradients of the last step are those of another mixture of both energies.
            Base::Normal => {
                let inverse = 1.0 / temperature;
                let mixed = FromNormal { energy, inverse };
                let dynamics = Dynamics::new(&config, self.key, &ids, &mixed, device);
                let state = hmc::init(&dynamics, state.x);
                let (state, info) = hmc::step(&dynamics, state, self.steps);
                let energies = energy.energies(state.x.clone());
                (state, info, energies)
            }
        };
        let beyond = options.base.beyond(energies, &state.x);
        let ratios = info.log_ratio.into_data().iter::<f64>().collect();
        (
            Piece {
                first,
                state,
                beyond,
            },
            ratios,
        )
    }

    /// Chains.
    pub(super) fn len(&self) -> usize {
        let lens = self.pieces.iter().map(|piece| piece.state.x.dims()[0]);
        lens.sum()
    }

    /// One step at a temperature; the mean probability with which it was accepted.
    ///
    /// # Errors
    /// Where the energy of a proposal is not finite: it would be refused, and nobody would know.
    pub(super) fn step(&mut self, temperature: f64, step_size: f64) -> Result<f64, AnnealingError> {
        let Annealing {
            device,
            options,
            counter,
            ..
        } = self.annealing;
        let numbers = (0..self.pieces.len()).map(|number| number..number + 1);
        let stepped = each_piece(device, numbers.collect(), |number| {
            let piece = self.pieces[number.start].clone();
            let len = piece.state.x.dims()[0];
            let stepped = self.stepped(piece, temperature, step_size);
            counter.add(len * options.leapfrog_steps);
            stepped
        });
        self.steps += 1;
        let (pieces, ratios): (Vec<_>, Vec<_>) = stepped.into_iter().unzip();
        self.pieces = pieces;
        // Summed chain by chain, whatever the pieces.
        let ratios = ratios.concat();
        if ratios.iter().any(|ratio| !ratio.is_finite()) {
            return Err(AnnealingError::NotFinite);
        }
        let accepted = ratios.iter().map(|ratio| ratio.min(0.0).exp());
        Ok(accepted.sum::<f64>() / self.len() as f64)
    }

    fn config(&self, temperature: f64, step_size: f64) -> LangevinConfig {
        let options = &self.annealing.options;
        // From N(0, I), the energy itself has the temperature.
        let (temperature, bounds) = match options.base {
            Base::Uniform(bounds) => (temperature, Some(bounds)),
            Base::Normal => (1.0, None),
        };
        LangevinConfig {
            leapfrog_steps: options.leapfrog_steps,
            ..LangevinConfig::new(1)
                .with_method(Method::Hmc)
                .with_temperature(temperature)
                .with_step_size(step_size)
                .with_bounds(bounds)
        }
    }

    /// What E of every chain has beyond the energy of the base.
    pub(super) fn energies(&self) -> Vec<f64> {
        let each = self.pieces.iter().flat_map(|piece| {
            let energies = piece.beyond.clone().into_data();
            energies.iter::<f64>().collect::<Vec<_>>()
        });
        each.collect()
    }

    /// Where they are, `[chains, ..]`.
    pub(super) fn positions(&self) -> Tensor<D> {
        let pieces = self.pieces.iter().map(|piece| piece.state.x.clone());
        Tensor::cat(pieces.collect(), 0)
    }
}
