//! Let weights leave and come back, with the same energies.

use crate::common::{Scratch, floats, images, trained};
use ebm_train::checkpoint;

/// Energies and gradients under the averaged weights.
fn energies(scratch: &Scratch, source: &str) -> (Vec<f32>, Vec<f32>) {
    let args = ["energy", source, images(scratch), "--device", "cpu"];
    let outputs = ["--output", "e.npy", "--gradients", "g.npy"];
    scratch.ebm(&[&args[..], &outputs].concat()).succeeds();
    (
        floats(&scratch.join("e.npy")),
        floats(&scratch.join("g.npy")),
    )
}

/// Into a run directory `back`, from images of 16 pixels.
const IMPORT: [&str; 6] = [
    "import",
    "w.safetensors",
    "--image-size",
    "16",
    "--output",
    "back",
];
const FILTERS: [&str; 2] = ["--set", "model.filters=4"];

fn export(scratch: &Scratch, source: &str, file: &str, more: &[&str]) {
    let args = ["export", source, "--output", file, "--device", "cpu"];
    scratch.ebm(&[&args[..], more].concat()).succeeds();
}

/// A run with these keys, exported and imported again with the same energies.
fn there_and_back(keys: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    let set: Vec<&str> = keys.iter().flat_map(|key| ["--set", key]).collect();
    scratch.train("run", &set).succeeds();
    export(&scratch, "run", "w.safetensors", &[]);
    scratch
        .ebm(&[&IMPORT[..], &set, &FILTERS].concat())
        .succeeds();
    let (there, back) = (energies(&scratch, "run"), energies(&scratch, "back"));
    assert_eq!(there, back, "{keys:?}");
    assert_eq!((there.0.len(), there.1.len()), (3, 3 * 256));
    scratch
}

#[test]
fn what_is_exported_and_imported_has_the_same_energies() {
    let networks: [&[&str]; 4] = [
        &["model.network=uva"],
        &["model.network=mnist"],
        &["model.network=resnet32", "model.plain=true"],
        &["model.network=resnet32"],
    ];
    for keys in networks {
        let scratch = there_and_back(keys);
        // The imported run can be sampled from and exported to the same bytes.
        scratch.sample("back", &["--steps", "2"]).succeeds();
        export(&scratch, "back", "again.safetensors", &[]);
        let bytes = |name: &str| std::fs::read(scratch.join(name)).expect("weights");
        assert_eq!(bytes("w.safetensors"), bytes("again.safetensors"));
    }
}

#[test]
fn an_imported_run_is_trained_on_under_its_configuration() {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    export(&scratch, "run", "w.safetensors", &[]);
    let config = ["--config", "run/config.toml", "--output", "back"];
    let args = [&["import", "w.safetensors"], &config[..]].concat();
    scratch.ebm(&args).succeeds();
    scratch.train("back", &[]).succeeds();
}

#[test]
fn exported_arrays_are_plain_weights_with_pytorchs_names() {
    let scratch = Scratch::new();
    scratch
        .train("run", &["--set", "model.network=mnist"])
        .succeeds();
    export(&scratch, "run", "w.safetensors", &[]);
    let path = scratch.join("w.safetensors");
    let bytes = std::fs::read(&path).expect("weights");
    let arrays = checkpoint::decode(&bytes, &path).expect("arrays");
    let named: Vec<_> = arrays
        .iter()
        .map(|(n, a)| format!("{n} {:?}", a.shape()))
        .collect();
    let expected = [
        "convs.0.bias [4]",
        "convs.0.weight [4, 1, 3, 3]",
        "convs.1.bias [4]",
        "convs.1.weight [4, 4, 4, 4]",
        "convs.2.bias [8]",
        "convs.2.weight [8, 4, 4, 4]",
        "convs.3.bias [16]",
        "convs.3.weight [16, 8, 4, 4]",
        "fc.bias [8]",
        "fc.weight [8, 64]",
        "out.bias [1]",
        "out.weight [1, 8]",
    ];
    assert_eq!(named, expected);
}

#[test]
fn a_conditional_model_comes_back_with_its_classes() {
    let scratch = there_and_back(&["model.network=resnet32", "model.conditional=true"]);
    let of_class = |class: &str| {
        let args = [
            "energy",
            "back",
            images(&scratch),
            "--class",
            class,
            "--device",
            "cpu",
        ];
        scratch.ebm(&args).succeeds().stdout
    };
    assert_ne!(of_class("1"), of_class("2"));
    // Without its classes the file fits no network.
    let network = ["--set", "model.network=resnet32"];
    let args = [&IMPORT[..5], &["elsewhere"], &network, &FILTERS].concat();
    scratch.refuses(&args, &["given classes", "model.conditional=true"]);
}

#[test]
fn the_moving_average_is_exported_unless_the_last_weights_are_asked_for() {
    let scratch = Scratch::new();
    let visibly = ["--set", "lr=0.01", "--iterations", "5"];
    scratch.train("run", &visibly).succeeds();
    export(&scratch, "run", "average.safetensors", &[]);
    export(&scratch, "run", "last.safetensors", &["--no-ema"]);
    let bytes = |name: &str| std::fs::read(scratch.join(name)).expect("weights");
    assert_ne!(bytes("average.safetensors"), bytes("last.safetensors"));
    let old = ["export", "run", "--output", "w.safetensors", "--ema"];
    scratch.ebm(&old).fails_with(2, &["--ema"]);
}

#[test]
fn refuses_weights_that_do_not_fit() {
    let scratch = trained();
    export(&scratch, "run", "w.safetensors", &[]);
    for (more, fragments) in [
        (&[][..], &["convs.0.weight", "[16, 1, 5, 5]"][..]),
        (
            &["--set", "model.network=resnet32"],
            &["another network", "stem.weight"],
        ),
    ] {
        scratch.refuses(&[&IMPORT[..], more].concat(), fragments);
    }
    let bad = ["export", "run", "--output", "w.pt", "--device", "cpu"];
    scratch.refuses(&bad, &["--output w.pt", ".safetensors"]);
}
