//! Train with every preset, cut down to what a test can wait for.

use crate::common::{Scratch, metrics};
use ebm_train::preset::PRESETS;
use ebm_train::{Config, NetworkName};

/// A CIFAR-10 of twelve images a file.
fn write_cifar10(scratch: &Scratch) {
    let records = |seed: usize| -> Vec<u8> {
        (0..12usize)
            .flat_map(|i| {
                let pixels = (0..3072).map(move |p| ((p * 7 + i * 31 + seed) % 256) as u8);
                core::iter::once((i % 10) as u8).chain(pixels)
            })
            .collect()
    };
    for batch in 1..=5 {
        scratch.write(&format!("data/data_batch_{batch}.bin"), records(batch));
    }
    scratch.write("data/test_batch.bin", records(9));
}

fn write_folder(scratch: &Scratch) {
    for (class, colour) in [("cat", [200, 100, 50]), ("dog", [20, 90, 150])] {
        for i in 0..3u8 {
            let colour = colour.map(|c: u8| c + i);
            scratch.write_picture(&format!("data/{class}/{i}.png"), colour);
        }
    }
}

/// Pictures whose pixels have nothing to do with each other, so that patches vary in every direction.
fn write_noise(scratch: &Scratch) {
    for i in 0..3u32 {
        let pixels = (0..20 * 18u32).map(|p| {
            let value = (f64::from(p * p + 977 * i) * 12.9898).sin() * 43_758.545;
            (value.fract().abs() * 255.0) as u8
        });
        let picture = image::GrayImage::from_raw(20, 18, pixels.collect()).expect("as many");
        let path = scratch.write(&format!("data/{i}.png"), "");
        picture.save(path).expect("a picture");
    }
}

/// An MNIST of six images.
fn write_mnist(scratch: &Scratch) {
    let pixels: Vec<u8> = (0..6 * 784usize).map(|i| (i * 13 % 256) as u8).collect();
    let header = |magic: u8, dims: &[u32]| -> Vec<u8> {
        let sizes = dims.iter().flat_map(|size| size.to_be_bytes());
        [0, 0, 8, magic].into_iter().chain(sizes).collect()
    };
    scratch.write(
        "data/train-images-idx3-ubyte",
        [header(3, &[6, 28, 28]), pixels].concat(),
    );
    scratch.write(
        "data/train-labels-idx1-ubyte",
        [header(1, &[6]), (0..6).collect()].concat(),
    );
}

#[test]
fn every_preset_trains_fifty_iterations_with_finite_numbers() {
    for preset in PRESETS {
        let scratch = Scratch::new();
        match preset.name {
            name if name.contains("cifar10") => write_cifar10(&scratch),
            name if name.contains("imagenet") || ["pictures", "photos"].contains(&name) => {
                write_folder(&scratch)
            }
            "overcomplete-ica" => write_noise(&scratch),
            name if name.contains("mnist") => write_mnist(&scratch),
            _ => {}
        }
        let small = [
            "batch_size=4",
            "langevin.num_steps=2",
            "buffer.capacity=16",
            "data.train_images=64",
            "data.test_images=0",
            "output.log_every=1",
            "output.sample_every=0",
            "output.keep_checkpoints=1",
        ];
        let config = Config::resolve(preset.name, None, &[]).expect("a preset is valid");
        let narrow = match config.model.network {
            NetworkName::Unet
            | NetworkName::Pooled
            | NetworkName::Mlp
            | NetworkName::Latent
            | NetworkName::LatentFree => "model.widths=[4, 4, 4]",
            NetworkName::Experts => "model.experts=110",
            _ => "model.filters=4",
        };
        let size = match preset.name {
            // 128×128 pixels take their time.
            name if name.contains("128") => "32",
            // The size of pictures that are not square must be said.
            "pictures" | "photos" => "16",
            _ => "0",
        };
        let mut args = vec!["train", "--preset", preset.name, "--device", "cpu"];
        args.extend(["--run-dir", "run", "--iterations", "50"]);
        args.extend(["--set", narrow]);
        let is_drawn = config.data.dataset.is_drawn();
        if !is_drawn {
            args.extend(["--data-dir", "data"]);
        }
        let small = small.iter();
        let small = small.filter(|key| is_drawn || !key.contains("_images="));
        args.extend(small.flat_map(|key| ["--set", key]));
        if config.objective.generative_batch.is_some() {
            args.extend(["--set", "objective.generative_batch=2"]);
        }
        if size != "0" {
            args.extend(["--image-size", size]);
        }
        scratch.ebm(&args).succeeds();
        let lines = metrics(&scratch.join("run"));
        assert_eq!(lines.len(), 50, "{}", preset.name);
        for line in lines {
            for (key, value) in &line {
                let finite = value.as_f64().is_some_and(f64::is_finite);
                assert!(finite, "{}: {key} is {value}", preset.name);
            }
        }
    }
}

#[test]
fn chains_in_a_lower_precision_are_those_of_f32_but_for_rounding() {
    let scratch = Scratch::new();
    scratch.train("f32", &[]).succeeds();
    scratch.train("bf16", &["--precision", "bf16"]).succeeds();
    let written = std::fs::read_to_string(scratch.join("bf16/config.toml")).expect("a file");
    assert!(written.contains("precision = \"bf16\""), "{written}");
    for key in ["e_neg", "pixel_grad_norm_mean"] {
        let [exact, rounded] = ["f32", "bf16"].map(|run| {
            let lines = metrics(&scratch.join(run));
            lines[0][key].as_f64().expect("a number")
        });
        let error = (exact - rounded).abs();
        assert!(
            error > 0.0 && error < 0.02 * exact.abs().max(0.1),
            "{key}: {exact}, {rounded}"
        );
    }
    let picture = ["--precision", "f16", "--output", "samples.png"];
    scratch.sample("bf16", &picture).succeeds();
    let back = ["--precision", "f32", "--iterations", "3"];
    scratch.train("bf16", &back).fails_saying(&["precision"]);
}
