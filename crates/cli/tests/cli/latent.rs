//! Train energies of images and latent vectors, draw from them, and ask what explains an image.

use serde_json::Value;

use crate::common::{Scratch, bytes, metrics, size_of_picture, trained_with};

/// Keys of a tiny run.
const LATENT: [&str; 20] = [
    "--set",
    "objective.kind=latent",
    "--set",
    "model.spectral_norm=none",
    "--set",
    "model.filters=none",
    "--set",
    "model.network=latent",
    "--set",
    "model.widths=[4, 4]",
    "--set",
    "model.latents=3",
    "--set",
    "model.inference_steps=5",
    "--set",
    "langevin.grad_clip=none",
    "--set",
    "langevin.step_size=0.08",
    "--set",
    "langevin.noise_std=0.4",
];

fn trained(more: &[&str]) -> Scratch {
    trained_with(&[&LATENT[..], more].concat())
}

const FREE: [&str; 4] = [
    "--set",
    "model.network=latent-free",
    "--set",
    "langevin.step_size=0.01",
];

#[test]
fn a_run_tells_its_energies_and_draws_samples_on_the_way() {
    for (more, has_generator) in [(&[][..], true), (&FREE[..], false)] {
        let more = [more, &["--set", "output.sample_every=1"]].concat();
        let scratch = trained(&more);
        let lines = metrics(&scratch.join("run"));
        assert_eq!(lines.len(), 2);
        for line in lines {
            for key in ["e_pos", "e_neg", "gap", "loss", "e_samples"] {
                assert!(line[key].as_f64().is_some_and(f64::is_finite), "{key}");
            }
            let error = line.get("reconstruction").and_then(|it| it.as_f64());
            assert_eq!(error.is_some_and(|error| error > 0.0), has_generator);
        }
        assert!(scratch.join("run/samples/step_000002.png").exists());
    }
}

#[test]
fn samples_depend_on_steps_seed_and_nothing_else() {
    for more in [&[][..], &FREE[..]] {
        let scratch = trained(more);
        let draw = |more: &[&str]| {
            let args = [more, &["--output", "s.npy"]].concat();
            scratch.sample("run", &args).succeeds();
            bytes(&scratch.join("s.npy"))
        };
        let usual = draw(&[]);
        assert_eq!(usual, draw(&["--steps", "4"]));
        assert_ne!(usual, draw(&["--steps", "5"]));
        assert_ne!(usual, draw(&["--seed", "1"]));
    }
}

#[test]
fn what_does_not_go_with_latents_is_refused() {
    let scratch = trained(&[]);
    let from_buffer = scratch.sample("run", &["--init", "buffer"]);
    from_buffer.fails_saying(&["learned without chains", "start from noise"]);
    let other = Scratch::new();
    let net = [&LATENT[..], &["--set", "model.network=pooled"]].concat();
    let refused = other.train("run", &net);
    refused.fails_with(2, &["model.latents"]);
}

/// A run, and two pictures.
fn with_pictures(more: &[&str]) -> Scratch {
    let scratch = trained(more);
    for level in [40, 200] {
        scratch.write_picture(&format!("in/{level}.png"), [level; 3]);
    }
    scratch
}

#[test]
fn pictures_are_explained_line_by_line_and_beside_each_other() {
    let scratch = with_pictures(&[]);
    let done = scratch.line("infer run in --device cpu --output s.png --latents z.npy");
    let said = done.succeeds().stdout;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    for (line, name) in lines.iter().zip(["in/200.png", "in/40.png"]) {
        let (energy, picture) = line.split_once('\t').expect("two columns");
        assert!(energy.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        assert_eq!(picture, name);
    }
    assert_eq!(lines[2..], ["z.npy", "s.png"]);
    // Two rows of two.
    let (width, height) = size_of_picture(&scratch.join("s.png"));
    assert_eq!(width, height);
    let energies_of = |line: &str| -> Vec<f64> {
        let said = scratch.line(line).succeeds().stdout;
        let energy = |line: &str| {
            let (energy, _) = line.split_once('\t').expect("two columns");
            energy.parse::<f64>().expect("a number")
        };
        said.lines().map(energy).collect()
    };
    // The energy of an image is that of the z that a descent from z = 0 finds; several find no higher one.
    let own = energies_of("energy run in --device cpu");
    let one = energies_of("infer run in --device cpu --starts 1");
    let several = energies_of("infer run in --device cpu");
    assert_eq!([own.len(), one.len(), several.len()], [2; 3]);
    for ((own, one), several) in own.iter().zip(one).zip(several) {
        let rounding = 1e-4 * own.abs().max(1.0);
        assert!((own - one).abs() <= rounding, "{own}, {one}");
        assert!(several <= own + rounding, "{several}, {own}");
    }
}

#[test]
fn what_explains_a_picture_is_the_same_beside_others_and_under_the_same_seed() {
    let scratch = with_pictures(&[]);
    let said = |line: &str| {
        let line = format!("infer run {line} --device cpu --json");
        scratch.line(&line).succeeds().stdout
    };
    let both = said("in");
    assert_eq!(both, said("in --seed 0 --starts 16"));
    let second = both.lines().nth(1).expect("two pictures");
    assert_eq!(second, said("in/40.png").trim_end());
    for starts in ["0", "many", "100000"] {
        let args = ["infer", "run", "in", "--starts", starts];
        scratch.refuses_as_typed(&args, &["--starts"]);
    }
}

#[test]
fn samples_free_energies_and_latents_are_told_in_json() {
    let scratch = with_pictures(&[]);
    let line = "infer run in/40.png --device cpu --samples 2 --steps 3 --json --box 0,0,8,16";
    let said = scratch.line(line).succeeds().stdout;
    let told: Value = serde_json::from_str(&said).expect("a JSON object");
    assert_eq!(told["picture"], "in/40.png");
    assert_eq!(told["latents"].as_array().map(Vec::len), Some(3));
    assert_eq!(told["samples"].as_array().map(Vec::len), Some(2));
    assert_eq!(said, scratch.line(line).succeeds().stdout);
    let line = "infer run in/40.png --device cpu --free-energy --temperatures 2 --json";
    let said = scratch.line(line).succeeds().stdout;
    let told: Value = serde_json::from_str(&said).expect("a JSON object");
    let free = told["free_energy"]["value"].as_f64();
    assert!(free.is_some_and(f64::is_finite), "{said}");
}

#[test]
fn a_line_between_two_pictures_is_a_strip() {
    let scratch = with_pictures(&[]);
    let line = "infer run in --device cpu --between 5 --output strip.png";
    scratch.line(line).succeeds();
    let (width, height) = size_of_picture(&scratch.join("strip.png"));
    assert!(width > 4 * height, "{width} by {height}");
    let three = "infer run in in/40.png --device cpu --between 5 --output strip.png";
    scratch.line(three).fails_with(2, &["two pictures, got 3"]);
}

#[test]
fn what_latents_tell_of_shapes_is_read_out() {
    let shapes = ["--dataset", "shapes", "--set", "data.test_images=40"];
    let scratch = trained(&shapes);
    let said = scratch
        .line("infer run --device cpu --read-out --num 40")
        .succeeds()
        .stdout;
    let factors: Vec<&str> = said
        .lines()
        .map(|line| line.split_once('\t').expect("two columns").1)
        .collect();
    assert_eq!(factors, ["x", "y", "size"]);
    let digits = with_pictures(&[]);
    let refused = digits.line("infer run --device cpu --read-out");
    refused.fails_saying(&["--read-out", "data.dataset=shapes"]);
}

#[test]
fn what_a_run_cannot_be_asked_is_refused() {
    let free = with_pictures(&FREE);
    free.line("infer run in --device cpu").succeeds();
    let refused = free.line("infer run in --device cpu --output s.png");
    refused.fails_saying(&["generates no image", "model.network=latent"]);
    free.line("infer run --device cpu")
        .fails_with(2, &["give pictures"]);
    for (line, expected) in [
        ("in --samples 3", "--samples does nothing without"),
        ("in --between 1 --output s.png", "must be at least 2"),
        ("--read-out --latents z.npy", "--latents does nothing"),
        ("--read-out --starts 4", "--starts does nothing"),
        ("--read-out --box 0,0,2,2", "--mask or --box does nothing"),
        (
            "--read-out --samples 4",
            "--samples does nothing for --read-out alone",
        ),
        (
            "--read-out --samples 4 --output s.png",
            "--output does nothing for --read-out alone",
        ),
        (
            "--read-out --seed 4",
            "--seed does nothing for --read-out alone",
        ),
        (
            "in --seed 4 --starts 1",
            "--seed does nothing with --starts 1",
        ),
        ("in --box -1,0,4,4", "it lies beyond the picture"),
    ] {
        let line = format!("infer run --device cpu {line}");
        free.line(&line).fails_with(2, &[expected]);
    }
    let mask = free.line("infer run in --device cpu --mask in/40.png --output in/40.png");
    mask.fails_with(1, &["--output in/40.png", "--mask reads"]);
    let plain = Scratch::new();
    plain.train("run", &[]).succeeds();
    plain.write_picture("a.png", [90; 3]);
    let refused = plain.line("infer run a.png --device cpu");
    refused.fails_saying(&["no latent vectors", "mnist-latent"]);
}
