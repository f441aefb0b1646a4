//! Hold every objective's gradient on a GPU to that on the CPU.

use burn::tensor::Device;
use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Shard, Stream};
use ebm_data::Batch;
use ebm_langevin::{BufferConfig, Ladder, LangevinConfig, Method, noise_images};
use ebm_model::{
    ConvNetConfig, EnergyModel, ExpertsConfig, LatentConfig, Network, NetworkConfig, Precision,
    UNetConfig,
};

use super::contrastive::{Contrastive, EnergyL2, LossConfig, LossKind};
use super::*;

const SHAPE: ImageShape = ImageShape::new(1, 16, 16);
/// As small as patches of experts, which few images determine.
const PATCH: ImageShape = ImageShape::new(1, 2, 4);
const LEVELS: usize = 3;

/// An objective, and a network for images of a shape that it teaches.
struct Case {
    objective: AnyObjective,
    network: NetworkConfig,
    shape: ImageShape,
}

impl Case {
    /// Its gradient on a device.
    fn gradient(&self, device: &Device) -> Vec<f32> {
        let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
        let net = self
            .network
            .init(self.shape, &mut rng, &device.clone().autodiff());
        let mut net = net.expect("fits");
        let calibrated = net.calibrate(noise_images(200, self.shape, 4, device));
        calibrated.expect("images that vary");
        let batch = Batch {
            images: noise_images(12, self.shape, 3, device),
            labels: (0..12).map(|i| i % 3).collect(),
        };
        let (objective, data) = (&self.objective, DataSummary::unlabelled(self.shape));
        let mut state = Objective::<Network>::init(objective, &data, 0, Shard::WHOLE, device);
        let found = objective.gradient(&mut state, &net, &batch, &StepContext::default());
        found.flat.into_data().iter::<f32>().collect()
    }
}

/// A network with three classes, which meet it in its last layer.
fn of_classifier(objective: AnyObjective) -> Case {
    let network = ConvNetConfig {
        num_classes: 3,
        class_head: true,
        ..ConvNetConfig::uva_with_filters(4)
    };
    Case {
        objective,
        network: NetworkConfig::Conv(network),
        shape: SHAPE,
    }
}

fn contrastive(kind: LossKind, marginal: bool) -> AnyObjective {
    let objective = Contrastive::default()
        .with_langevin(LangevinConfig::new(2))
        .with_buffer(BufferConfig::new(24))
        .with_loss(LossConfig {
            kind,
            sharpness: 2.0,
        });
    AnyObjective::Contrastive(Contrastive {
        marginal,
        ..objective
    })
}

fn flow() -> AnyObjective {
    AnyObjective::Flow(Flow {
        coupling: Coupling::Optimal,
        contrast: Some(FlowContrast {
            weight: 1.0,
            floor: 10.0,
            trimmed: 0.1,
            langevin: LangevinConfig::new(2).with_method(Method::Euler),
            precision: Precision::F32,
        }),
        ..Flow::default()
    })
}

fn jem(generative: AnyObjective) -> Case {
    of_classifier(AnyObjective::Jem(Box::new(Jem {
        generative,
        classification: Classification::default(),
        weight: 0.5,
        images: None,
    })))
}

fn recovery() -> Case {
    let network = UNetConfig {
        widths: vec![4, 6],
        levels: LEVELS,
        ..UNetConfig::default()
    };
    Case {
        objective: AnyObjective::Recovery(Recovery {
            ladder: Ladder::new(LEVELS),
            num_steps: 2,
            precision: Precision::F32,
            micro_batch: None,
        }),
        network: NetworkConfig::UNet(network),
        shape: SHAPE,
    }
}

fn latent(free: bool) -> Case {
    let network = LatentConfig {
        free,
        latents: 3,
        widths: vec![4, 6],
        hidden: 8,
        ..LatentConfig::default()
    };
    Case {
        objective: AnyObjective::Latent(Latent {
            langevin: LangevinConfig::new(2)
                .with_step_size(0.01)
                .with_noise_std(0.1),
            posterior_steps: 2,
            energy_l2: EnergyL2::from(0.1),
            precision: Precision::F32,
            micro_batch: None,
        }),
        network: NetworkConfig::Latent(network),
        shape: SHAPE,
    }
}

fn of_experts(objective: AnyObjective) -> Case {
    let network = ExpertsConfig {
        experts: Some(8),
        remove_mean: false,
        ..ExpertsConfig::default()
    };
    Case {
        objective,
        network: NetworkConfig::Experts(network),
        shape: PATCH,
    }
}

/// Random numbers are the same on every device, and so are gradients, up to the rounding of a difference of energies:
/// an objective draws nothing that a device decides.
#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn every_objective_has_the_gradient_of_the_cpu_on_a_gpu() {
    let marginal_flow = AnyObjective::Flow(Flow {
        marginal: true,
        ..Flow::default()
    });
    let marginal_denoising = AnyObjective::Denoising(Denoising {
        marginal: true,
        ..Denoising::default()
    });
    let cases = [
        of_classifier(contrastive(LossKind::Cd, false)),
        of_classifier(contrastive(LossKind::Logsumexp, false)),
        of_classifier(contrastive(LossKind::Softplus, false)),
        of_classifier(flow()),
        of_classifier(AnyObjective::Denoising(Denoising::default())),
        of_classifier(AnyObjective::Classification(Classification::default())),
        jem(contrastive(LossKind::Cd, true)),
        jem(marginal_flow),
        jem(marginal_denoising),
        recovery(),
        latent(false),
        latent(true),
        of_experts(AnyObjective::WhitenedContrast(WhitenedContrast::default())),
        of_experts(AnyObjective::ScoreMatching(ScoreMatching::default())),
    ];
    let devices = ebm_core::adapters_under_test();
    for case in &cases {
        let expected = case.gradient(&Device::flex());
        let largest = expected.iter().fold(0f32, |max, it| max.max(it.abs()));
        assert!(largest > 0.0, "{:?}", case.objective);
        for device in &devices {
            let found = case.gradient(device);
            for (found, expected) in found.iter().zip(&expected) {
                let error = (found - expected).abs() / largest;
                assert!(error < 2e-2, "{error} of {:?}", case.objective);
            }
        }
    }
}
