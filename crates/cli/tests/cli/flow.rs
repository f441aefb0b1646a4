//! Draw samples along a flow, go on after one, and take the last noise off samples.

use crate::common::{Scratch, bytes, metrics, size_of_picture, trained, trained_with};

/// A tiny run whose own chains follow a flow.
fn flowing(more: &[&str]) -> Scratch {
    let own = [
        "--set",
        "langevin.method=euler",
        "--set",
        "langevin.grad_clip=none",
    ];
    trained_with(&[&own[..], more].concat())
}

/// Draw four samples into `s.npy`; what was said, and the array.
fn draw(scratch: &Scratch, more: &[&str]) -> (String, Vec<u8>) {
    let args = [more, &["--output", "s.npy"]].concat();
    let said = scratch.sample("run", &args).succeeds().stderr;
    (said, bytes(&scratch.join("s.npy")))
}

#[test]
fn a_flow_draws_samples_of_any_run_from_noise() {
    let scratch = trained();
    let time = ["--set", "langevin.flow_time=20"];
    let [euler, heun] = ["euler", "heun"].map(|name| {
        let chosen = format!("langevin.method={name}");
        let (said, samples) = draw(&scratch, &[&["--set", &chosen], &time[..]].concat());
        let expected = format!("from noise, 4 steps of {name} to time 20");
        assert!(said.contains(&expected), "{said}");
        assert!(!said.contains("the run's own"), "{said}");
        samples
    });
    assert_ne!(euler, heun);
    assert_ne!(euler, draw(&scratch, &[]).1);
    // Without a time it is that of the run's own steps: four of size 10.
    let (said, _) = draw(&scratch, &["--set", "langevin.method=heun"]);
    assert!(said.contains("4 steps of heun to time 40"), "{said}");
    let from_buffer = ["--init", "buffer", "--set", "langevin.method=heun"];
    let (said, _) = draw(&scratch, &from_buffer);
    assert!(
        said.contains("from chains of the buffer, 4 steps"),
        "{said}"
    );
}

#[test]
fn a_flow_has_a_trajectory_and_an_animation() {
    let scratch = trained();
    let pictures = ["--trajectory", "way.png", "--animation", "way.gif"];
    let heun = ["--set", "langevin.method=heun", "--output", "s.png"];
    let said = scratch
        .sample("run", &[&pictures[..], &heun].concat())
        .succeeds()
        .stdout;
    assert_eq!(said, "s.png\nway.png\nway.gif\n");
    // Four chains; the start and four steps.
    let (columns, rows) = (5 * 16 + 4 * 2, 4 * 16 + 3 * 2);
    let size = size_of_picture(&scratch.join("way.png"));
    assert_eq!(size, (3 * columns, 3 * rows));
    assert!(!bytes(&scratch.join("way.gif")).is_empty());
}

#[test]
fn other_methods_go_on_after_the_flow_of_a_run() {
    let scratch = flowing(&[]);
    let (said, flow) = draw(&scratch, &[]);
    assert!(!said.contains("steps of euler"), "{said}");
    let heated = ["--set", "langevin.flow_temperature=0.01"];
    let first = "first the run's own 4 steps of euler to time 1, at the temperature 1.0e-2 from time 1 on, which bring";
    for (name, then) in [
        ("sgld", "then 4 steps of sgld at the temperature 1.0e-2"),
        ("mala", "then 4 steps of mala at the temperature 1.0e-2"),
        ("hmc", "then 4 steps of hmc at the temperature 1.0e-2"),
    ] {
        let chosen = format!("langevin.method={name}");
        let (said, samples) = draw(&scratch, &[&["--set", &chosen], &heated[..]].concat());
        assert!(said.contains(first) && said.contains(then), "{said}");
        assert_eq!(said.contains("accepted "), name != "sgld", "{said}");
        assert_ne!(samples, flow, "{name}");
    }
    // Another flow takes its place.
    let (said, _) = draw(&scratch, &["--set", "langevin.method=heun"]);
    assert!(
        said.contains("from noise, 4 steps of heun to time 1"),
        "{said}"
    );
    assert!(!said.contains("the run's own"), "{said}");
    // Where chains do not start from noise, nothing comes first.
    let from_buffer = ["--init", "buffer", "--set", "langevin.method=sgld"];
    let (said, _) = draw(&scratch, &from_buffer);
    assert!(said.contains("4 steps of sgld without noise"), "{said}");
    assert!(!said.contains("the run's own"), "{said}");
}

#[test]
fn what_a_flow_cannot_have_is_refused() {
    let scratch = trained();
    for (assignment, fragments) in [
        ("langevin.grad_clip=0.1", "limits no step of heun"),
        ("langevin.grad_norm_clip=1", "limits no step of heun"),
        ("langevin.target_acceptance=0.6", "needs method"),
        ("langevin.flow_time=0", "must be > 0, got 0"),
        ("langevin.flow_temperature=-1", "must be ≥ 0, got -1"),
        ("langevin.flow_heated_from=-1", "must be ≥ 0, got -1"),
    ] {
        let args = [
            "sample",
            "run",
            "--device",
            "cpu",
            "--set",
            "langevin.method=heun",
            "--set",
            assignment,
        ];
        let typed = format!("--set {assignment}");
        scratch.refuses_as_typed(&args, &[&typed, fragments]);
    }
}

#[test]
fn samples_of_a_flow_do_not_depend_on_threads() {
    let scratch = flowing(&["--set", "langevin.flow_temperature=0.01"]);
    let on_threads = |threads: &str| {
        let args = [
            "sample",
            "run",
            "--device",
            "cpu",
            "--num",
            "40",
            "--set",
            "langevin.flow_time=1.5",
            "--output",
            "s.npy",
        ];
        let mut command = scratch.command(&args);
        let output = command.env("RAYON_NUM_THREADS", threads).output();
        assert!(output.expect("the binary starts").status.success());
        bytes(&scratch.join("s.npy"))
    };
    assert_eq!(on_threads("1"), on_threads("3"));
}

#[test]
fn samples_may_end_with_their_noise_taken_off_also_while_training() {
    let scratch = trained();
    let (_, before) = draw(&scratch, &[]);
    let denoised = ["--set", "langevin.final_denoise_std=2"];
    assert_ne!(before, draw(&scratch, &denoised).1);
    // The start, four steps, and the end after them.
    let picture = ["--trajectory", "way.png", "--output", "s.png"];
    scratch
        .sample("run", &[&picture[..], &denoised].concat())
        .succeeds();
    let width = size_of_picture(&scratch.join("way.png")).0;
    assert_eq!(width, 3 * (6 * 16 + 5 * 2));

    let watched = ["--set", "output.sample_every=1"];
    let run = |name: &str, more: &[&str]| {
        scratch
            .train(name, &[&watched[..], more].concat())
            .succeeds();
        metrics(&scratch.join(name))
    };
    let (plain, ended) = (run("plain", &[]), run("ended", &denoised));
    for (plain, ended) in plain.iter().zip(&ended) {
        assert_ne!(plain["e_samples"], ended["e_samples"]);
        for key in ["e_pos", "e_neg", "loss", "e_noise"] {
            assert_eq!(plain[key], ended[key], "{key}");
        }
    }
    assert_eq!(plain.len(), 2);
}
