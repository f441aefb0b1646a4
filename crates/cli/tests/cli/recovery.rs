//! Train energies at noise levels, and draw samples from level to level.

use crate::common::{Scratch, bytes, metrics, size_of_picture, trained_with};

/// Keys of a tiny run; the last word of a tiny job is that of its own keys.
const RECOVERY: [&str; 10] = [
    "--set",
    "objective.kind=recovery",
    "--set",
    "model.filters=none",
    "--set",
    "model.network=unet",
    "--set",
    "model.widths=[4, 4]",
    "--set",
    "langevin.grad_clip=none",
];

fn recovered(more: &[&str]) -> Scratch {
    trained_with(&[&RECOVERY[..], more].concat())
}

#[test]
fn a_run_tells_its_energies_and_draws_samples_on_the_way() {
    let scratch = recovered(&["--set", "output.sample_every=1"]);
    let lines = metrics(&scratch.join("run"));
    assert_eq!(lines.len(), 2);
    for line in lines {
        for key in [
            "e_pos",
            "e_neg",
            "gap",
            "loss",
            "contrastive",
            "e_samples",
            "sample_distance",
        ] {
            assert!(line[key].as_f64().is_some_and(f64::is_finite), "{key}");
        }
        assert_eq!(line["loss"], line["contrastive"]);
        assert!(line.get("buffer_age_mean").is_none());
    }
    assert!(scratch.join("run/samples/step_000002.png").exists());
}

#[test]
fn samples_come_down_the_levels_and_depend_on_steps_seed_and_nothing_else() {
    let scratch = recovered(&[]);
    let draw = |more: &[&str]| {
        let args = [more, &["--output", "s.npy"]].concat();
        scratch.sample("run", &args).succeeds();
        bytes(&scratch.join("s.npy"))
    };
    let usual = draw(&[]);
    assert_eq!(usual, draw(&["--steps", "4"]));
    assert_ne!(usual, draw(&["--steps", "5"]));
    assert_ne!(usual, draw(&["--seed", "1"]));
    let on_threads = |threads: &str| {
        let args = [
            "sample", "run", "--device", "cpu", "--num", "40", "--output", "s.npy",
        ];
        let mut command = scratch.command(&args);
        let output = command.env("RAYON_NUM_THREADS", threads).output();
        assert!(output.expect("the binary starts").status.success());
        bytes(&scratch.join("s.npy"))
    };
    assert_eq!(on_threads("1"), on_threads("3"));
}

#[test]
fn the_way_down_is_drawn_level_by_level() {
    let scratch = recovered(&["--set", "objective.recovery_levels=3"]);
    let pictures = ["--trajectory", "way.png", "--animation", "way.gif"];
    let args = [&pictures[..], &["--output", "s.png"]].concat();
    let said = scratch.sample("run", &args).succeeds().stdout;
    assert_eq!(said, "s.png\nway.png\nway.gif\n");
    // Twelve frames of four chains: of the start and four steps at each of three levels.
    let (columns, rows) = (12 * 16 + 11 * 2, 4 * 16 + 3 * 2);
    let size = size_of_picture(&scratch.join("way.png"));
    assert_eq!(size, (3 * columns, 3 * rows));
}

#[test]
fn classes_are_drawn_at_every_level() {
    let scratch = recovered(&["--set", "model.conditional=true"]);
    let of_class = ["--class", "3", "--output", "s.npy"];
    scratch.sample("run", &of_class).succeeds();
    let three = bytes(&scratch.join("s.npy"));
    scratch
        .sample("run", &["--class", "5", "--output", "s.npy"])
        .succeeds();
    assert_eq!(three.len(), bytes(&scratch.join("s.npy")).len());
    let cross = scratch.sample("run", &["--cross-class", "3:5"]);
    cross.fails_saying(&["one class all the way", "leave out --cross-class"]);
}

#[test]
fn what_does_not_go_with_noise_levels_is_refused() {
    let scratch = recovered(&[]);
    let from_buffer = scratch.sample("run", &["--init", "buffer"]);
    from_buffer.fails_saying(&["learned without chains", "start from noise"]);
    for (assignment, problem) in [
        (
            "langevin.method=hmc",
            "does nothing for objective.kind=recovery",
        ),
        (
            "langevin.final_denoise_std=0.1",
            "does nothing for objective.kind=recovery",
        ),
    ] {
        let args = ["sample", "run", "--device", "cpu", "--set", assignment];
        scratch.refuses_as_typed(&args, &[problem]);
    }
    let other = Scratch::new();
    let net = [&RECOVERY[..], &["--set", "model.network=pooled"]].concat();
    let refused = other.train("run", &net);
    refused.fails_with(2, &["model.network", "set model.network=unet"]);
}
