//! Write what a user wants to watch, one JSON line per log interval.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic_file::write_atomically;
use crate::trainer::StepInfo;

/// One line of `metrics.jsonl`. The first group is a function of the configuration alone, the
/// second of the machine too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Iterations done.
    pub iteration: u64,
    /// What was minimised.
    pub loss: f64,
    /// The objective's contrast of data and samples; for `cd` mean E(x₊) − mean E(x₋).
    pub contrastive: f64,
    /// The L2 penalty of energies.
    pub regularization: f64,
    /// The weighted KL term, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// Mean energy of data.
    pub e_pos: f64,
    /// Mean energy of samples.
    pub e_neg: f64,
    /// mean E(x₋) − mean E(x₊): positive where data are likelier than samples.
    pub gap: f64,
    /// Standard deviation of the energies of data.
    pub e_pos_std: f64,
    /// Standard deviation of the energies of samples.
    pub e_neg_std: f64,
    /// L2 norm of the parameter gradient before clipping.
    pub grad_norm: f64,
    /// Learning rate.
    pub lr: f64,
    /// Mean energy of the chains before sampling.
    pub chain_energy_before: f64,
    /// Mean energy of the chains after sampling.
    pub chain_energy_after: f64,
    /// Mean L2 norm of ∇E over chains and steps.
    pub chain_grad_norm_mean: f64,
    /// Largest L2 norm of ∇E.
    pub chain_grad_norm_max: f64,
    /// Share of gradient elements clamped, in [0, 1].
    pub clamped_share: f64,
    /// Share of sample pixels at 0 or 1, in [0, 1].
    pub at_bound_share: f64,
    /// Mean probability with which steps were accepted, in [0, 1], of `mala` and `hmc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<f64>,
    /// What the sampler's step size is multiplied by, where it adapts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_scale: Option<f64>,
    /// Mean rounds of sampling since the chains of the buffer were fresh.
    pub buffer_age_mean: f64,
    /// Largest such number.
    pub buffer_age_max: u32,
    /// Speed since the last line.
    #[serde(flatten)]
    pub speed: Speed,
}

/// How fast a run goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Langevin steps of one image per second, training included.
    pub image_steps_per_s: f64,
    /// Seconds per iteration.
    pub s_per_iteration: f64,
    /// Seconds of this process in training.
    pub elapsed_s: f64,
    /// Seconds to the last iteration.
    pub eta_s: f64,
}

impl Metrics {
    /// Read what a step left on the device.
    pub fn of_step(iteration: u64, info: &StepInfo, ages: &[u32], speed: Speed) -> Self {
        let (e_pos, e_neg) = (
            Moments::of(&floats(&info.e_pos)),
            Moments::of(&floats(&info.e_neg)),
        );
        let chains = info.chains.clone().unwrap_or_default();
        Self {
            iteration,
            loss: first(&info.loss),
            contrastive: first(&info.contrastive),
            regularization: first(&info.regularization),
            kl: info.kl.as_ref().map(first),
            e_pos: e_pos.mean,
            e_neg: e_neg.mean,
            gap: e_neg.mean - e_pos.mean,
            e_pos_std: e_pos.std,
            e_neg_std: e_neg.std,
            grad_norm: first(&info.grad_norm),
            lr: info.lr,
            chain_energy_before: Moments::of(&chains.energy_before).mean,
            chain_energy_after: Moments::of(&chains.energy_after).mean,
            chain_grad_norm_mean: chains.grad_norm_mean,
            chain_grad_norm_max: chains.grad_norm_max,
            clamped_share: chains.clamped_share,
            at_bound_share: chains.at_bound_share,
            step_scale: chains.acceptance.map(|_| info.step_scale),
            acceptance: chains.acceptance,
            buffer_age_mean: ages.iter().map(|&age| f64::from(age)).sum::<f64>()
                / ages.len().max(1) as f64,
            buffer_age_max: ages.iter().copied().max().unwrap_or(0),
            speed,
        }
    }

    /// The line for people.
    pub fn summary(&self) -> String {
        let acceptance = self
            .acceptance
            .map(|a| format!(" accepted {:.0}%", 100.0 * a));
        format!(
            "E+ {:+.3} E- {:+.3} gap {:+.3} loss {:+.4} |grad| {:.3} |dE/dx| {:.3} clamped {:.0}% age {:.0}{} {:.0} image-steps/s",
            self.e_pos,
            self.e_neg,
            self.gap,
            self.loss,
            self.grad_norm,
            self.chain_grad_norm_mean,
            100.0 * self.clamped_share,
            self.buffer_age_mean,
            acceptance.unwrap_or_default(),
            self.speed.image_steps_per_s,
        )
    }
}

struct Moments {
    mean: f64,
    std: f64,
}

impl Moments {
    fn of(values: &[f32]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let squares = values.iter().map(|&v| (f64::from(v) - mean).powi(2));
        Self {
            mean,
            std: (squares.sum::<f64>() / n).sqrt(),
        }
    }
}

fn floats(tensor: &burn::tensor::Tensor<1>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

fn first(tensor: &burn::tensor::Tensor<1>) -> f64 {
    floats(tensor).first().copied().map_or(f64::NAN, f64::from)
}

/// Appends lines to `metrics.jsonl`.
#[derive(Debug)]
pub struct MetricsFile {
    file: File,
}

impl MetricsFile {
    /// Open the file of a run that goes on after `step` iterations: lines from beyond it, which
    /// will be computed again, are dropped.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn open(path: PathBuf, step: u64) -> std::io::Result<Self> {
        if path.exists() {
            let kept = lines_up_to(&path, step)?;
            write_atomically(&path, kept.as_bytes())?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self { file })
    }

    /// Append a line.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn append(&mut self, metrics: &Metrics) -> std::io::Result<()> {
        let mut line = serde_json::to_string(metrics)?;
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

/// The whole lines of iterations up to `step`.
fn lines_up_to(path: &Path, step: u64) -> std::io::Result<String> {
    #[derive(Deserialize)]
    struct Line {
        iteration: u64,
    }
    let mut kept = String::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        match serde_json::from_str::<Line>(&line) {
            Ok(parsed) if parsed.iteration <= step => {
                kept.push_str(&line);
                kept.push('\n');
            }
            _ => {}
        }
    }
    Ok(kept)
}
