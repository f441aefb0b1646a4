//! Sample from models that are given a class, and refuse classes that are not there.

use std::path::PathBuf;

use crate::common::{CONDITIONAL, Scratch, trained, trained_with, tree};

fn size_of_picture(scratch: &Scratch, name: &str) -> (u32, u32) {
    image::image_dimensions(scratch.join(name)).expect("a picture")
}

fn sample(scratch: &Scratch, args: &[&str]) -> Vec<u8> {
    let fixed = ["sample", "run", "--device", "cpu", "--steps", "8"];
    let all = [&fixed[..], args, &["--output", "out.npy"]].concat();
    scratch.ebm(&all).succeeds();
    std::fs::read(scratch.join("out.npy")).expect("an array that was written")
}

#[test]
fn a_class_can_be_asked_for_by_name_or_number_and_changes_the_samples() {
    let scratch = trained_with(&CONDITIONAL);
    let [three, eight] =
        ["3", "8"].map(|class| sample(&scratch, &["--class", class, "--num", "4"]));
    assert_ne!(three, eight);
    let args = ["data.dataset=shapes", "data.train_images=40"]
        .map(|key| ["--set", key])
        .concat();
    scratch
        .train("shapes", &[&args[..], &CONDITIONAL].concat())
        .succeeds();
    let by = |class: &str| {
        let output = format!("{class}.png");
        let args = ["--class", class, "--output", &output];
        scratch.sample("shapes", &args).succeeds();
        std::fs::read(scratch.join(&output)).expect("a picture")
    };
    assert_eq!(by("ellipse"), by("1"));
    assert_ne!(by("ellipse"), by("heart"));
}

#[test]
fn all_classes_are_a_row_each() {
    let scratch = trained_with(&CONDITIONAL);
    let args = [
        "sample", "run", "--device", "cpu", "--class", "all", "--steps", "2", "--num", "3",
    ];
    scratch.ebm(&args).succeeds();
    // Images of 16 pixels three times magnified, lines of two pixels between them.
    let side = |images: u32| 3 * (images * 16 + (images - 1) * 2);
    assert_eq!(
        size_of_picture(&scratch, "samples.png"),
        (side(3), side(10))
    );
}

/// The classes beside `s.npy`.
fn labels(scratch: &Scratch) -> Vec<u32> {
    let bytes = std::fs::read(scratch.join("s.labels.npy")).expect("an array of classes");
    let file = npyz::NpyFile::new(bytes.as_slice()).expect("an array");
    assert_eq!(file.dtype().descr(), "'<u4'");
    file.into_vec().expect("classes")
}

#[test]
fn an_array_of_samples_has_their_classes_beside_it() {
    let scratch = trained_with(&CONDITIONAL);
    let draw = |args: &[&str]| {
        let all = [&["--output", "s.npy"][..], args].concat();
        let said = scratch.sample("run", &all).succeeds().stdout;
        assert_eq!(said, "s.npy\ns.labels.npy\n");
        labels(&scratch)
    };
    assert_eq!(draw(&[]), [0, 1, 2, 3]);
    assert_eq!(draw(&["--class", "7"]), [7; 4]);
    assert_eq!(draw(&["--cross-class", "3:8"]), [8; 4]);
}

#[test]
fn a_folder_of_samples_has_a_folder_for_each_class_and_can_be_learned() {
    let scratch = trained_with(&CONDITIONAL);
    scratch.sample("run", &["--output", "out/"]).succeeds();
    let files = |folder: &str| -> Vec<PathBuf> {
        let found = tree(&scratch.join(folder)).into_iter();
        let files = found.filter(|(_, content)| content.is_some());
        files.map(|(path, _)| path).collect()
    };
    let expected = ["0/0000.png", "1/0001.png", "2/0002.png", "3/0003.png"];
    assert_eq!(files("out"), expected.map(PathBuf::from));
    let folder = [
        "--dataset",
        "folder",
        "--data-dir",
        "out",
        "--channels",
        "1",
    ];
    let conditional = ["--set", "model.conditional=true"];
    scratch
        .train("again", &[&folder[..], &conditional].concat())
        .succeeds();
    let known = ["--class", "3", "--output", "threes.png"];
    scratch.sample("again", &known).succeeds();

    let crossed = ["--cross-class", "3:8", "--output", "crossed/"];
    scratch.sample("run", &crossed).succeeds();
    let expected = ["8/0000.png", "8/0001.png", "8/0002.png", "8/0003.png"];
    assert_eq!(files("crossed"), expected.map(PathBuf::from));
}

#[test]
fn crossing_from_a_class_to_another_shows_the_trajectory_as_picture_and_animation() {
    let scratch = trained_with(&CONDITIONAL);
    let args = [
        &["sample", "run", "--device", "cpu", "--cross-class", "3:8"][..],
        &[
            "--steps",
            "11",
            "--num",
            "2",
            "--output",
            "path.png",
            "--animation",
            "path.gif",
        ],
    ];
    scratch.ebm(&args.concat()).succeeds();
    let side = |images: u32| 3 * (images * 16 + (images - 1) * 2);
    assert_eq!(size_of_picture(&scratch, "path.png"), (side(12), side(2)));
    let animation = std::fs::read(scratch.join("path.gif")).expect("an animation");
    assert!(animation.starts_with(b"GIF89a"));
}

#[test]
fn an_animation_can_be_a_png_too() {
    let scratch = trained();
    scratch
        .sample("run", &["--animation", "path.apng"])
        .succeeds();
    let animation = std::fs::read(scratch.join("path.apng")).expect("an animation");
    assert!(animation.windows(4).any(|chunk| chunk == b"acTL"));
}

#[test]
fn chains_of_the_buffer_are_taken_under_their_own_labels() {
    // So many chains that every class has some.
    let capacity = ["--set", "buffer.capacity=200"];
    let scratch = trained_with(&[&CONDITIONAL[..], &capacity].concat());
    scratch.sample("run", &["--init", "buffer"]).succeeds();
    let args = [
        "sample", "run", "--device", "cpu", "--init", "buffer", "--class", "3", "--num", "200",
    ];
    scratch.refuses(&args, &["chains of class 3", "--init noise"]);
}

#[test]
fn refuses_classes_that_are_not_there() {
    let scratch = trained_with(&CONDITIONAL);
    let refuses = |args: &[&str], fragments: &[&str]| {
        let all = [&["sample", "run", "--device", "cpu"][..], args].concat();
        scratch.refuses_as_typed(&all, fragments);
    };
    refuses(&["--class", "10"], &["--class 10", "0 to 9"]);
    refuses(&["--class", "cat"], &["--class cat", "0 to 9"]);
    refuses(&["--cross-class", "3"], &["--cross-class", "3:8"]);
    refuses(&["--cross-class", "3:11"], &["--cross-class 11", "0 to 9"]);
    refuses(
        &["--animation", "way.mp4"],
        &["--animation way.mp4", ".gif"],
    );
}

#[test]
fn a_model_without_classes_says_so() {
    let scratch = trained();
    for class in ["3", "all"] {
        let args = ["sample", "run", "--device", "cpu", "--class", class];
        scratch.refuses_as_typed(&args, &["knows no classes", "model.conditional=true"]);
    }
}

#[test]
fn refuses_to_condition_on_classes_that_the_data_do_not_have() {
    let scratch = Scratch::new();
    scratch.write_picture("pictures/a.png", [200, 10, 10]);
    let args = ["--dataset", "folder", "--data-dir", "pictures"];
    let args = [&args[..], &CONDITIONAL].concat();
    let ran = scratch.train("run", &args);
    ran.fails_saying(&["model.conditional", "labelled data"]);
}

#[test]
fn samples_are_drawn_with_another_sampler_where_asked() {
    let scratch = trained();
    let hmc = [
        "--set",
        "langevin.method=hmc",
        "--set",
        "langevin.step_size=0.01",
        "--set",
        "langevin.target_acceptance=0.65",
    ];
    let said = scratch.sample("run", &hmc).succeeds().stderr;
    assert!(said.contains("accepted "), "{said}");
    let fragments = ["--set batch_size=3", "only keys of langevin"];
    let args = ["sample", "run", "--device", "cpu", "--set", "batch_size=3"];
    scratch.refuses_as_typed(&args, &fragments);
}
