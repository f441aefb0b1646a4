//! Draw samples of a trained run, and look at the pictures and arrays.

use std::path::PathBuf;

use crate::common::{Scratch, bytes, latest, size_of_picture, trained, tree};
use serde_json::Value;

#[test]
fn samples_are_a_picture_or_an_array_with_channels_last() {
    let scratch = trained();
    let said = scratch
        .sample("run", &["--output", "s.png"])
        .succeeds()
        .stdout;
    assert_eq!(said, "s.png\n");
    assert_eq!(size_of_picture(&scratch.join("s.png")), (3 * 34, 3 * 34));
    scratch.sample("run", &["--output", "s.npy"]).succeeds();
    assert_is_npy(&bytes(&scratch.join("s.npy")), [4, 16, 16, 1]);
    assert!(!scratch.join("s.labels.npy").exists());
}

#[test]
fn samples_are_a_folder_with_a_picture_of_each_at_its_own_size() {
    let scratch = trained();
    let said = scratch
        .sample("run", &["--output", "out/"])
        .succeeds()
        .stdout;
    assert_eq!(said, "out/\n");
    let names: Vec<_> = tree(&scratch.join("out")).into_keys().collect();
    let expected = ["0000.png", "0001.png", "0002.png", "0003.png"];
    assert_eq!(names, expected.map(PathBuf::from));
    let last = image::open(scratch.join("out/0003.png")).expect("a picture");
    assert_eq!((last.width(), last.height()), (16, 16));
    scratch.sample("run", &["--output", "s.npy"]).succeeds();
    assert!(bytes(&scratch.join("s.npy")).ends_with(last.as_bytes()));
}

#[test]
fn a_folder_of_samples_may_be_there_while_it_is_empty() {
    let scratch = trained();
    std::fs::create_dir(scratch.join("out")).expect("a folder");
    let said = scratch.sample("run", &["--output", "out"]).succeeds();
    assert_eq!(said.stdout, "out\n");
    scratch.write("file", "");
    let refuses = |output: &str, fragments: &[&str]| {
        let args = ["sample", "run", "--device", "cpu", "--output", output];
        scratch.refuses(&args, fragments);
    };
    refuses(
        "out",
        &["--output out", "has files already", "name another"],
    );
    refuses("file/", &["--output file/", "a file of this name"]);
    refuses(
        "nowhere/out/",
        &["--output nowhere/out/", "nowhere; make it"],
    );
    let new = ["sample", "run", "--device", "cpu", "--output", "new"];
    scratch.refuses_as_typed(&new, &["--output new", ".png or .npy", "folder: new/"]);
}

#[test]
fn a_count_of_nothing_is_a_wrong_command_line() {
    let scratch = Scratch::new();
    let sample = |flag: &str, count: &str| scratch.ebm(&["sample", "run", flag, count]);
    sample("--num", "0").fails_with(2, &["--num", "at least 1"]);
    sample("--steps", "0").fails_with(2, &["--steps", "at least 1"]);
    sample("--steps", "16777216").fails_with(2, &["--steps", "2²⁴"]);
}

/// A NumPy file, version 1, of bytes of this shape.
#[track_caller]
fn assert_is_npy(npy: &[u8], shape: [usize; 4]) {
    assert_eq!(&npy[..8], b"\x93NUMPY\x01\x00");
    let header_len = usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    let (header, pixels) = npy[10..].split_at(header_len);
    let header: String = String::from_utf8_lossy(header).split_whitespace().collect();
    let header = header.replace(",)", ")");
    let [n, h, w, c] = shape;
    let shape_part = format!("'shape':({n},{h},{w},{c})");
    for part in ["'descr':'|u1'", "'fortran_order':False", &shape_part] {
        assert!(header.contains(part), "no {part} in: {header}");
    }
    assert_eq!(pixels.len(), n * h * w * c);
}

#[test]
fn a_seed_determines_the_samples() {
    let scratch = trained();
    let draw = |seed: &str, more: &[&str]| {
        let args = [&["--output", "s.npy", "--seed", seed][..], more].concat();
        scratch.sample("run", &args).succeeds();
        bytes(&scratch.join("s.npy"))
    };
    let nothing: &[&str] = &[];
    for more in [nothing, &["--init", "buffer"], &["--no-ema"]] {
        assert_eq!(draw("7", more), draw("7", more), "{more:?}");
        assert_ne!(draw("7", more), draw("8", more), "{more:?}");
    }
    assert_ne!(draw("7", &[]), draw("7", &["--init", "buffer"]));
    assert_ne!(draw("7", &[]), draw("7", &["--steps", "9"]));
}

#[test]
fn a_run_and_its_latest_checkpoint_give_the_same_samples() {
    let scratch = trained();
    scratch.sample("run", &["--output", "a.npy"]).succeeds();
    scratch
        .sample("run/checkpoints/step_000002", &["--output", "b.npy"])
        .succeeds();
    assert_eq!(bytes(&scratch.join("a.npy")), bytes(&scratch.join("b.npy")));
}

#[test]
fn a_trajectory_shows_a_row_per_chain_from_start_to_end() {
    let scratch = trained();
    let args = [
        "--steps",
        "4",
        "--output",
        "s.png",
        "--trajectory",
        "way.png",
    ];
    let said = scratch.sample("run", &args).succeeds().stdout;
    assert_eq!(said, "s.png\nway.png\n");
    // Four chains; the start and four steps.
    let (columns, rows) = (5 * 16 + 4 * 2, 4 * 16 + 3 * 2);
    assert_eq!(
        size_of_picture(&scratch.join("way.png")),
        (3 * columns, 3 * rows)
    );
}

#[test]
fn a_folder_of_class_folders_can_be_learned_in_colour() {
    let scratch = Scratch::new();
    for i in 0..12_u8 {
        let class = ["cats", "dogs", "owls"][usize::from(i) % 3];
        scratch.write_picture(
            &format!("photos/{class}/{i}.png"),
            [20 * i, 255 - 20 * i, 90],
        );
    }
    let args = [
        "--dataset",
        "folder",
        "--data-dir",
        "photos",
        "--image-size",
        "16",
    ];
    let more = ["--channels", "3", "--set", "output.sample_every=1"];
    let run = scratch
        .train("run", &[&args[..], &more].concat())
        .succeeds();
    assert!(
        run.stderr
            .contains("data: 12 training and 0 test images of 3×16×16, 3 classes"),
        "{}",
        run.stderr
    );
    let grid = image::open(scratch.join("run/samples/step_000002.png")).expect("a picture");
    assert!(grid.color().has_color());
    let last = latest(&scratch.join("run")).expect("a finished run has a checkpoint");
    let state: Value = last.json("state.json").expect("the numbers of a state");
    assert_eq!(state["class_frequencies"].as_array().map(Vec::len), Some(3));
    scratch.sample("run", &["--output", "s.npy"]).succeeds();
    assert_is_npy(&bytes(&scratch.join("s.npy")), [4, 16, 16, 3]);
}
