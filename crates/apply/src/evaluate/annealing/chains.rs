//! Move chains by Hamiltonian Monte Carlo at one temperature after the other.

use burn::tensor::Tensor;
use ebm_core::{Energy, NoiseKey, Stream, chain_pieces, each_piece};
use ebm_langevin::{Dynamics, LangevinConfig, Method, hmc};

use super::{Annealing, AnnealingError};

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
    state: hmc::State<D>,
}

impl<'a, 'b, const D: usize> Chains<'a, 'b, D> {
    /// Chains at `x`, whose steps have the random numbers of `key`.
    pub(super) fn start(annealing: &'a Annealing<'b, D>, x: Tensor<D>, key: u32) -> Self {
        let key = NoiseKey::new(annealing.options.seed, Stream::Sample, key);
        let device = annealing.device;
        let mut chains = Self {
            annealing,
            key,
            steps: 0,
            pieces: Vec::new(),
        };
        let config = chains.config(1.0, 1.0);
        let pieces = chain_pieces(device, x.dims()[0]);
        chains.pieces = each_piece(device, pieces, |rows| {
            let x = x.clone().narrow(0, rows.start, rows.len());
            let state = chains.with_dynamics(&config, rows.start, rows.len(), |dynamics| {
                hmc::init(dynamics, x.clone())
            });
            Piece {
                first: rows.start,
                state,
            }
        });
        chains
    }

    /// Do `work` with what moves some chains under the energy of their rows.
    fn with_dynamics<T>(
        &self,
        config: &LangevinConfig,
        first: usize,
        len: usize,
        work: impl Fn(&Dynamics<'_, D>) -> T,
    ) -> T {
        let Annealing { energy, device, .. } = self.annealing;
        let ids: Vec<u32> = (first as u32..(first + len) as u32).collect();
        let work =
            |energy: &dyn Energy<D>| work(&Dynamics::new(config, self.key, &ids, energy, device));
        match energy.of_rows(first..first + len) {
            Some(energy) => work(energy.as_ref()),
            None => work(*energy),
        }
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
        let (config, step) = (self.config(temperature, step_size), self.steps);
        let numbers = (0..self.pieces.len()).map(|number| number..number + 1);
        let stepped = each_piece(device, numbers.collect(), |number| {
            let Piece { first, state } = self.pieces[number.start].clone();
            let len = state.x.dims()[0];
            let (state, info) = self.with_dynamics(&config, first, len, |dynamics| {
                hmc::step(dynamics, state.clone(), step)
            });
            counter.add(len * options.leapfrog_steps);
            let ratios: Vec<f64> = info.log_ratio.into_data().iter::<f64>().collect();
            (Piece { first, state }, ratios)
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
        LangevinConfig {
            leapfrog_steps: options.leapfrog_steps,
            ..LangevinConfig::new(1)
                .with_method(Method::Hmc)
                .with_temperature(temperature)
                .with_step_size(step_size)
                .with_bounds(Some(options.bounds))
        }
    }

    /// E of every chain.
    pub(super) fn energies(&self) -> Vec<f64> {
        let each = self.pieces.iter().flat_map(|piece| {
            let energies = piece.state.energies.clone().into_data();
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
