//! Let weights leave and come back, with the same energies.

use crate::common::{Scratch, floats, images, trained};
use ebm_train::checkpoint;
use serde_json::{Value, json};

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

/// What an exported file says of its model.
fn metadata(scratch: &Scratch, file: &str) -> Value {
    let bytes = std::fs::read(scratch.join(file)).expect("weights");
    let note = checkpoint::note(&bytes, "ebm").expect("metadata");
    serde_json::from_str(&note).expect("JSON")
}

/// Write a file's arrays again without its metadata, as other programs do.
fn strip(scratch: &Scratch, file: &str) {
    let path = scratch.join(file);
    let bytes = std::fs::read(&path).expect("weights");
    let arrays = checkpoint::decode(&bytes, &path).expect("arrays");
    scratch.write(file, checkpoint::encode(&arrays));
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
    scratch.train("back", &["--iterations", "4"]).succeeds();
}

/// A run under spectral norm, exported and imported into `back` with its own configuration.
fn imported_from_under_spectral_norm(network: &str) -> Scratch {
    let scratch = Scratch::new();
    let keys = ["--set", network, "--set", "model.spectral_norm=true"];
    scratch.train("run", &keys).succeeds();
    export(&scratch, "run", "w.safetensors", &[]);
    let config = ["--config", "run/config.toml", "--output", "back"];
    let args = [&["import", "w.safetensors"], &config[..]].concat();
    scratch.ebm(&args).succeeds();
    scratch
}

#[test]
fn an_imported_run_is_trained_on_however_its_configuration_is_written() {
    let left_open = ["--set", "model.spectral_norm=none"];
    let scratch = imported_from_under_spectral_norm("model.network=uva");
    // Off by import, and by itself where it is left open.
    scratch.train("back", &left_open).succeeds();
    // This network has it where it is left open, and the weights have it folded in.
    let scratch = imported_from_under_spectral_norm("model.network=mnist");
    let refused = scratch.train("back", &left_open);
    refused.fails_saying(&["model.spectral_norm: false → true", "ebm train --run-dir"]);
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
fn an_exported_file_says_what_its_network_is_and_what_it_sees() {
    let scratch = trained();
    export(&scratch, "run", "w.safetensors", &[]);
    let mut expected = json!({
        "format_version": 1,
        "network": "uva",
        "filters": 4,
        "activation": "swish",
        "centered_input": true,
        "plain": false,
        "channels": 1,
        "image_size": [16, 16],
        "num_classes": 0,
        "class_names": [],
        "pixels": "x = (q + 0.5) / 256 for a byte q, in [0, 1]",
        "input": "2x - 1",
        "weights": "average",
    });
    assert_eq!(metadata(&scratch, "w.safetensors"), expected);

    let mnist = ["--set", "model.network=mnist"];
    scratch.train("mnist", &mnist).succeeds();
    export(&scratch, "mnist", "last.safetensors", &["--no-ema"]);
    for (key, value) in [
        ("network", json!("mnist")),
        ("activation", json!("leaky-relu")),
        ("centered_input", json!(false)),
        ("input", json!("x")),
        ("weights", json!("last")),
    ] {
        expected[key] = value;
    }
    assert_eq!(metadata(&scratch, "last.safetensors"), expected);
}

#[test]
fn the_names_of_classes_come_back() {
    let keys = [
        "data.dataset=shapes",
        "data.train_images=40",
        "model.conditional=true",
    ];
    let scratch = Scratch::new();
    let set: Vec<&str> = keys.iter().flat_map(|key| ["--set", key]).collect();
    scratch.train("run", &set).succeeds();
    export(&scratch, "run", "w.safetensors", &[]);
    let names = &metadata(&scratch, "w.safetensors")["class_names"];
    assert_eq!(names, &json!(["square", "ellipse", "heart"]));
    // The configuration is of digits, whose classes have other names.
    let conditional = ["--set", "model.conditional=true"];
    scratch
        .ebm(&[&IMPORT[..], &conditional, &FILTERS].concat())
        .succeeds();
    let of_class = |source: &'static str, class: &'static str| {
        let args = ["energy", source, images(&scratch), "--device", "cpu"];
        [&args[..], &["--class", class]].concat()
    };
    let [there, back] =
        ["run", "back"].map(|source| scratch.ebm(&of_class(source, "ellipse")).succeeds());
    assert_eq!(there.stdout, back.stdout);
    scratch.refuses_as_typed(&of_class("back", "circle"), &["square, ellipse, heart"]);
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
    let network = ["--set", "model.network=resnet32"];
    let args = [&IMPORT[..5], &["elsewhere"], &network, &FILTERS].concat();
    let fragments = [
        "w.safetensors is of another model",
        "model.conditional is true there and false here",
        "pass --set model.conditional=true",
    ];
    scratch.refuses(&args, &fragments);
    // Which classes its tables are for stands in the metadata alone.
    strip(&scratch, "w.safetensors");
    let conditional = ["--set", "model.conditional=true"];
    let fragments = [
        "w.safetensors does not say which classes",
        "model.conditional=false",
    ];
    scratch.refuses(&[&args[..], &conditional].concat(), &fragments);
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
fn refuses_the_configuration_of_another_model() {
    let scratch = trained();
    export(&scratch, "run", "w.safetensors", &[]);
    let (set, sized) = ("--set", "--image-size");
    for (args, told, flags) in [
        (
            &[sized, "16"][..],
            &["model.filters is 4 there and 16 here"][..],
            "pass --set model.filters=4",
        ),
        (
            &[
                sized,
                "16",
                set,
                "model.network=mnist",
                set,
                "model.filters=4",
            ],
            &["model.network is uva there and mnist here"],
            "pass --set model.network=uva",
        ),
        (
            &[set, "model.activation=leaky-relu", set, "model.filters=4"],
            &[
                "model.activation is swish there and leaky-relu here, ",
                "data.image_size is 16 there and 28 here",
            ],
            "pass --set model.activation=swish --image-size 16",
        ),
    ] {
        let named = [told, &["w.safetensors is of another model", flags]].concat();
        let import = ["import", "w.safetensors", "--output", "back"];
        scratch.refuses(&[&import[..], args].concat(), &named);
    }
}

#[test]
fn refuses_weights_from_elsewhere_that_do_not_fit() {
    let scratch = trained();
    export(&scratch, "run", "w.safetensors", &[]);
    strip(&scratch, "w.safetensors");
    for (more, fragments) in [
        (
            &[][..],
            &["convs.0.weight", "[16, 1, 5, 5]", "--config"][..],
        ),
        (
            &["--set", "model.network=resnet32"],
            &["another network", "stem.weight", "--preset"],
        ),
    ] {
        let named = [fragments, &["cannot import w.safetensors"]].concat();
        scratch.refuses(&[&IMPORT[..], more].concat(), &named);
    }
    scratch.ebm(&[&IMPORT[..], &FILTERS].concat()).succeeds();
    assert_eq!(energies(&scratch, "run"), energies(&scratch, "back"));
    let bad = ["export", "run", "--output", "w.pt", "--device", "cpu"];
    scratch.refuses_as_typed(&bad, &["--output w.pt", ".safetensors"]);
}

#[test]
fn import_names_its_file_and_the_flag_that_mends() {
    let scratch = trained();
    scratch.write("w.safetensors", "no tensors");
    let fragments = ["w.safetensors is not valid", "as `ebm export` writes it"];
    scratch.refuses(&IMPORT, &fragments);
    export(&scratch, "run", "w.safetensors", &[]);
    let args = [&IMPORT[..5], &["run"], &FILTERS].concat();
    let fragments = ["cannot import w.safetensors", "run holds a run", "--output"];
    scratch.refuses(&args, &fragments);
}
