//! Write a configuration in one way of all that mean the same, so that two of them can be compared.

use ebm_core::Schedule;
use ebm_data::{DataConfig, DatasetKind};
use ebm_langevin::BufferConfig;
use ebm_model::NetworkConfig;

use super::changes::differences;
use super::data_dir::absolute_dir;
use super::model::ModelConfig;
use super::network::Conditions;
use super::objective::ObjectiveConfig;
use super::phases::Phase;
use super::settings::Config;

impl Config {
    /// The same configuration with the value that an absent key stands for in its place, lists whose order means
    /// nothing in order, and schedules and limits that change nothing left out.
    pub(super) fn spelled_out(&self) -> Self {
        let mut all = Self {
            model: self.model.spelled_out(),
            data: of_data(&self.data),
            buffer: of_buffer(&self.buffer),
            sample_energy_l2: Some(self.sample_energy_l2.unwrap_or(self.energy_l2)),
            phases: self.phases_spelled_out(),
            ..self.clone()
        };
        let langevin = &mut all.langevin;
        let limits = [
            &mut langevin.grad_clip,
            &mut langevin.grad_norm_clip,
            &mut all.optimizer.grad_norm_clip,
        ];
        for limit in limits {
            *limit = limit.filter(|limit| limit.is_finite());
        }
        if !all.objective.has_flow_contrast() {
            let usual = ObjectiveConfig::default();
            all.objective.contrast_floor = usual.contrast_floor;
            all.objective.contrast_trimmed = usual.contrast_trimmed;
        }
        let schedules = [
            &mut langevin.step_size,
            &mut langevin.noise_std,
            &mut langevin.temperature,
            &mut all.lr,
        ];
        for schedule in schedules {
            if let Ok((low, high)) = schedule.range()
                && low == high
            {
                *schedule = Schedule::Constant(low);
            }
        }
        all
    }

    /// Each phase with the keys in which it differs from the rest of the run, in order.
    fn phases_spelled_out(&self) -> Vec<Phase> {
        let parts = self.parts().unwrap_or_default();
        if self.phases.is_empty() || parts.is_empty() {
            return self.phases.clone();
        }
        let own = Self {
            phases: Vec::new(),
            ..self.clone()
        };
        let own = own.spelled_out();
        let phases = self.phases.iter().zip(parts).map(|(phase, part)| {
            let set = differences(&own, &part.config.spelled_out());
            let assignment = |(key, [_, value]): (String, [Option<String>; 2])| {
                format!("{key}={}", value.as_deref().unwrap_or("none"))
            };
            Phase {
                until: phase.until,
                set: set.into_iter().map(assignment).collect(),
            }
        });
        phases.collect()
    }
}

impl ModelConfig {
    /// The same network, with the published or usual value of each key that it has.
    fn spelled_out(&self) -> Self {
        let with = |activation, spectral_norm, centered_input| Self {
            activation: Some(activation),
            spectral_norm: Some(spectral_norm),
            centered_input: Some(centered_input),
            dropout: Some(self.dropout_prob()),
            ..self.clone()
        };
        let filters = Some(self.filters.unwrap_or(self.network.published_filters()));
        match self.network(Conditions::default()) {
            NetworkConfig::Conv(net) => Self {
                filters,
                plain: false, // which says nothing else of such a network than that of spectral norm
                ..with(net.activation, net.spectral_norm, net.centered_input)
            },
            NetworkConfig::Res(net) => Self {
                filters,
                ..with(net.activation, net.spectral_norm, false)
            },
            NetworkConfig::UNet(net) => Self {
                widths: Some(net.widths),
                patch: Some(net.patch),
                blocks: Some(net.blocks),
                head: Some(net.head),
                input_scale: Some(net.input_scale),
                energy_scale: Some(net.energy_scale),
                ..with(net.activation, net.spectral_norm, true)
            },
            NetworkConfig::Pooled(net) => Self {
                widths: Some(net.widths),
                energy_scale: Some(net.energy_scale),
                ..with(net.activation, net.spectral_norm, net.centered_input)
            },
            // How many experts and dimensions there are where nothing is said, the data decide.
            NetworkConfig::Experts(net) => Self {
                intensity: Some(net.intensity),
                remove_mean: Some(net.remove_mean),
                dropout: Some(self.dropout_prob()),
                ..self.clone()
            },
            NetworkConfig::Mlp(net) => Self {
                widths: Some(net.widths),
                ..with(net.activation, net.spectral_norm, net.centered_input)
            },
            NetworkConfig::Latent(net) => Self {
                widths: Some(net.widths),
                latents: Some(net.latents),
                observation_std: Some(net.observation_std),
                inference_steps: Some(net.inference_steps),
                inference_step_size: Some(net.inference_step_size),
                activation: Some(net.activation),
                spectral_norm: Some(net.spectral_norm),
                dropout: Some(self.dropout_prob()),
                ..self.clone()
            },
        }
    }
}

fn of_data(data: &DataConfig) -> DataConfig {
    let (mut all, shape) = (data.clone(), data.native_shape());
    // Arrays decide on their channels, and they or the first picture of a folder on the size.
    if data.dataset != DatasetKind::Arrays {
        all.channels = shape.channels;
    }
    if !data.dataset.is_told_by_dir() {
        all.image_size = shape.height;
    }
    all.dir = data.dir.as_deref().map(absolute_dir);
    all.leave_out.sort();
    all.leave_out.dedup();
    all
}

fn of_buffer(buffer: &BufferConfig) -> BufferConfig {
    let mut all = buffer.clone();
    all.augment.sort_by_key(|kind| *kind as u8);
    all.augment.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(keys: &[&str]) -> Config {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        Config::resolve("mnist-uva", None, &keys).expect("resolves")
    }

    fn changes(old: &[&str], new: &[&str]) -> Vec<String> {
        config(new).changes_from(&config(old))
    }

    /// All of these are written otherwise and mean the same.
    #[track_caller]
    fn assert_same(ways: &[&[&str]]) {
        let first = ways[0];
        for way in &ways[1..] {
            let (one, other) = (config(first), config(way));
            assert_ne!(one.to_toml(), other.to_toml(), "{way:?}");
            assert_eq!(one.changes_from(&other), [""; 0], "{way:?}");
            assert_eq!(other.changes_from(&one), [""; 0], "{way:?}");
        }
    }

    const OF_UVA: [&str; 6] = [
        "filters=16",
        "activation=swish",
        "spectral_norm=false",
        "centered_input=true",
        "dropout=0.0",
        "plain=true",
    ];
    const OF_MNIST: [&str; 5] = [
        "filters=64",
        "activation=leaky-relu",
        "spectral_norm=true",
        "centered_input=false",
        "dropout=0.0",
    ];
    const OF_RESNET: [&str; 5] = [
        "filters=128",
        "activation=leaky-relu",
        "spectral_norm=true",
        "centered_input=false",
        "dropout=0.0",
    ];
    const OF_UNET: [&str; 9] = [
        "widths=[32, 64, 64]",
        "patch=1",
        "blocks=1",
        "head=dot",
        "input_scale=1.0",
        "energy_scale=1.0",
        "activation=swish",
        "spectral_norm=false",
        "centered_input=true",
    ];
    const OF_POOLED: [&str; 5] = [
        "widths=[32, 64, 64]",
        "energy_scale=1.0",
        "activation=swish",
        "spectral_norm=false",
        "centered_input=true",
    ];

    const OF_MLP: [&str; 5] = [
        "widths=[1200, 1200]",
        "activation=relu",
        "spectral_norm=false",
        "centered_input=false",
        "dropout=0.0",
    ];

    const OF_LATENT: [&str; 5] = [
        "widths=[16, 32, 64]",
        "latents=32",
        "observation_std=0.15",
        "inference_steps=60",
        "inference_step_size=0.005",
    ];

    #[test]
    fn latents_that_are_left_open_are_those_that_they_stand_for() {
        let keys = OF_LATENT.map(|key| format!("model.{key}"));
        let base = [
            "model.network=latent",
            "objective.kind=latent",
            "langevin.grad_clip=none",
            "langevin.step_size=0.08",
        ];
        let all: Vec<&str> = base
            .into_iter()
            .chain(keys.iter().map(String::as_str))
            .collect();
        assert_same(&[&base[..], &all[..]]);
    }

    #[test]
    fn a_key_of_a_network_that_is_left_open_is_the_value_that_it_stands_for() {
        let networks: [(&str, &[&str]); 7] = [
            ("uva", &OF_UVA),
            ("mnist", &OF_MNIST),
            ("resnet32", &OF_RESNET),
            ("resnet32-large", &["dropout=0.5"]),
            ("unet", &OF_UNET),
            ("pooled", &OF_POOLED),
            ("mlp", &OF_MLP),
        ];
        for (network, keys) in networks {
            let network = format!("model.network={network}");
            for key in keys {
                let key = format!("model.{key}");
                assert_same(&[&[network.as_str()], &[network.as_str(), key.as_str()]]);
            }
        }
        let plain = ["model.network=mnist", "model.plain=true"];
        let unbound = ["model.network=mnist", "model.spectral_norm=false"];
        assert_same(&[&plain, &unbound]);
    }

    #[test]
    fn limits_that_limit_nothing_and_schedules_that_stay_are_none() {
        for key in [
            "langevin.grad_clip",
            "langevin.grad_norm_clip",
            "optimizer.grad_norm_clip",
        ] {
            let [none, infinite] = ["none", "inf"].map(|value| format!("{key}={value}"));
            assert_same(&[&[none.as_str()], &[infinite.as_str()]]);
        }
        for key in ["lr", "langevin.step_size"] {
            let number = format!("{key}=0.5");
            for kind in ["linear", "geometric", "cosine"] {
                let schedule = format!("{key}={{ kind = \"{kind}\", start = 0.5, end = 0.5 }}");
                assert_same(&[&[number.as_str()], &[schedule.as_str()]]);
            }
        }
        assert_same(&[&[], &["sample_energy_l2=0.1"]]); // as energy_l2
    }

    #[test]
    fn data_that_are_the_same_are_so_however_they_are_named() {
        assert_same(&[&["data.image_size=0"], &["data.image_size=28"]]);
        assert_same(&[&["data.channels=0"], &["data.channels=1"]]);
        let folder = "data.dataset=folder";
        assert_same(&[&[folder, "data.channels=0"], &[folder, "data.channels=3"]]);
        let of_pictures = changes(&[folder], &[folder, "data.image_size=32"]);
        assert_eq!(of_pictures, ["data.image_size: 0 → 32"]);
        let arrays = "data.dataset=arrays";
        let [native, colour] = ["data.channels=0", "data.channels=3"];
        let of_arrays = changes(&[arrays, native], &[arrays, colour]);
        assert_eq!(of_arrays, ["data.channels: 0 → 3"]);
        let in_full = std::path::absolute("mnist").expect("a path");
        let in_full = format!("data.dir={}", in_full.display());
        assert_same(&[
            &["data.dir=mnist"],
            &["data.dir=mnist/"],
            &["data.dir=./mnist"],
            &[in_full.as_str()],
        ]);
        assert_same(&[
            &["data.leave_out=[\"4\", \"7\"]"],
            &["data.leave_out=[\"7\", \"4\", \"7\"]"],
        ]);
        assert_same(&[
            &["buffer.augment=[\"crop\", \"grey\"]"],
            &["buffer.augment=[\"grey\", \"crop\"]"],
        ]);
    }

    #[test]
    fn keys_of_a_contrast_are_told_apart_where_a_flow_has_one() {
        let floor = "objective.contrast_floor=0.02";
        assert_same(&[&[], &[floor, "objective.contrast_trimmed=0.3"]]);
        let flow = ["objective.kind=flow", "objective.contrast_weight=0.0005"];
        let with_floor = [flow[0], flow[1], floor];
        let changes = changes(&flow, &with_floor);
        assert_eq!(changes, ["objective.contrast_floor: 0.0025 → 0.02"]);
    }

    #[test]
    fn phases_are_what_they_change() {
        let phases = |set: &str| format!("phases=[{{ until = 20, set = [{set}] }}]");
        let [one, other, idle, different] = [
            "\"lr=0.01\", \"batch_size=64\"",
            "\"batch_size = 64\", \"lr = 1e-2\"",
            "\"lr=0.01\", \"batch_size=64\", \"energy_l2=0.1\"",
            "\"lr=0.02\", \"batch_size=64\"",
        ]
        .map(phases);
        let one = [one.as_str()];
        assert_same(&[&one, &[other.as_str()], &[idle.as_str()]]);
        let changes = changes(&one, &[different.as_str()]);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(changes[0].starts_with("phases: ["), "{changes:?}");
    }

    #[test]
    fn what_means_something_else_is_listed_by_what_was_written() {
        let mnist = "model.network=mnist";
        let other = changes(&[], &[mnist]);
        assert_eq!(other, ["model.network: \"uva\" → \"mnist\""]);
        let folded_in = changes(&[mnist, "model.spectral_norm=false"], &[mnist]);
        assert_eq!(folded_in, ["model.spectral_norm: false → true"]);
        // Nothing that was written for both differs, and what it means does.
        let plain = changes(&[mnist, "model.plain=true"], &[mnist]);
        assert_eq!(plain, ["model.spectral_norm: false → true"]);
    }

    /// Optional keys that are spelled out, and those whose absence means what no value does.
    const SPELLED_OUT: [&str; 23] = [
        "data.dir",
        "data.leave_out",
        "langevin.grad_clip",
        "langevin.grad_norm_clip",
        "model.activation",
        "model.blocks",
        "model.centered_input",
        "model.dropout",
        "model.energy_scale",
        "model.filters",
        "model.head",
        "model.inference_step_size",
        "model.inference_steps",
        "model.input_scale",
        "model.intensity",
        "model.latents",
        "model.observation_std",
        "model.patch",
        "model.remove_mean",
        "model.spectral_norm",
        "model.widths",
        "optimizer.grad_norm_clip",
        "sample_energy_l2",
    ];
    const ABSENT: [&str; 18] = [
        "langevin.final_denoise_std",
        "langevin.target_acceptance",
        "micro_batch", // not compared
        "model.class_head",
        "model.dimensions",
        "model.experts",
        "objective.generative_batch",
        "objective.noise_reference",
        "objective.posterior_steps",
        "objective.trajectory_step_size",
        "objective.trajectory_steps",
        "optimizer.method",
        "phases",
        "posterior.burn_in",
        "posterior.every",
        "posterior.exploration",
        "posterior.prior_precision",
        "posterior.temperature",
    ];

    #[test]
    fn whoever_adds_an_optional_key_says_what_its_absence_means() {
        for key in Config::keys().iter().filter(|key| key.is_optional) {
            let name = key.name.as_str();
            assert!(
                SPELLED_OUT.contains(&name) || ABSENT.contains(&name),
                "{name}"
            );
        }
    }
}
