//! Print energies, and let weights leave and come back.

use std::path::Path;

use crate::common::Scratch;
use ebm_train::checkpoint;
use ebm_train::npy::save_npy_u8;

/// Three images of 16×16 grey pixels.
fn images(scratch: &Scratch) -> &'static str {
    let pixels: Vec<u8> = (0..3 * 256).map(|i| (i * 37 % 251) as u8).collect();
    save_npy_u8(&scratch.join("images.npy"), &[3, 16, 16, 1], &pixels).expect("written");
    "images.npy"
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("an array that was written");
    let file = npyz::NpyFile::new(bytes.as_slice()).expect("an array");
    file.into_vec().expect("numbers")
}

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
    export(&scratch, "run", "w.safetensors", &["--ema"]);
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
fn exported_arrays_are_plain_numbers_with_pytorchs_names() {
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
fn energies_of_pictures_are_a_line_each() {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    scratch.write_picture("a.png", [250, 250, 250]);
    scratch.write_picture("b.jpg", [5, 5, 5]);
    let args = [
        "energy",
        "run",
        "a.png",
        "b.jpg",
        images(&scratch),
        "--device",
        "cpu",
    ];
    let lines = scratch.ebm(&args).succeeds().stdout;
    let named: Vec<(f64, &str)> = { lines.lines() }
        .map(|line| line.split_once('\t').expect("an energy and a name"))
        .map(|(energy, name)| (energy.parse().expect("a number"), name))
        .collect();
    let names: Vec<_> = named.iter().map(|(_, name)| *name).collect();
    let expected = [
        "a.png",
        "b.jpg",
        "images.npy[0]",
        "images.npy[1]",
        "images.npy[2]",
    ];
    assert_eq!(names, expected);
    assert_ne!(named[0].0, named[1].0);
}

#[test]
fn refuses_images_and_weights_that_do_not_fit() {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    save_npy_u8(&scratch.join("small.npy"), &[1, 8, 8, 1], &[0; 64]).expect("written");
    scratch.write("text.png", "no picture");
    let energy = |image: &'static str| ["energy", "run", image, "--device", "cpu"];
    scratch.refuses(
        &energy("small.npy"),
        &["small.npy", "[1, 8, 8, 1]", "[n, 16, 16, 1]"],
    );
    scratch.refuses(&energy("text.png"), &["text.png", "as a picture", ".npy"]);
    scratch.refuses(&energy("none.png"), &["none.png", "No such file"]);

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
