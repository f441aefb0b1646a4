//! Train a recipe that ships with the program, watch it, open what it leaves, and draw samples.
//!
//! `cargo run --release -p ebm-apply --example train`

use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use ebm_apply::{SampleOptions, Trained, sample};
use ebm_train::{Config, Observer, ObserverError, Run, RunOptions, StepReport};

/// Prints the metrics of every log interval.
struct Printer;

impl Observer for Printer {
    fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
        if let Some(metrics) = report.metrics {
            println!(
                "{}/{} {}",
                report.iteration,
                report.total,
                metrics.summary()
            );
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("energies of four samples: {:?}", energies_of_samples()?);
    Ok(())
}

/// Trains for a few iterations and draws from what was learned.
pub fn energies_of_samples() -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let settings = [
        "iterations=20",
        "output.log_every=5",
        "data.train_images=500",
    ];
    let config = Config::resolve("digits", None, &settings.map(String::from))?;
    let (device, dir) = (Device::flex(), tempfile::tempdir()?);
    let data = ebm_data::load(&config.data, config.seed)?;
    let run = Run::open(&config, &data, &device, &RunOptions::new(dir.path()))?;
    run.train(&mut [&mut Printer], &AtomicBool::new(false))?;

    let trained = Trained::open(dir.path(), &device)?;
    let samples = sample(&trained, &SampleOptions::new(&trained, 4))?;
    Ok(samples.energies)
}
