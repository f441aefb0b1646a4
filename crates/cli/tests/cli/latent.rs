//! Train energies of images and latent vectors, draw from them, and ask what explains an image.

use crate::common::{Scratch, bytes, metrics};

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
    let scratch = Scratch::new();
    let args = [&LATENT[..], more].concat();
    scratch.train("run", &args).succeeds();
    scratch
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
fn a_run_that_was_stopped_goes_on_to_the_same_weights() {
    let whole = trained(&["--iterations", "4"]);
    let halved = trained(&[]);
    let args = [&LATENT[..], &["--iterations", "4"]].concat();
    halved.train("run", &args).succeeds();
    let of = |scratch: &Scratch| {
        let last = scratch.join("run/checkpoints/step_000004/model.safetensors");
        bytes(&last)
    };
    assert!(of(&whole) == of(&halved), "weights differ");
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
