//! Print energies of pictures, arrays, and the data that a run was trained on.

use crate::common::{Scratch, floats, images, trained};
use ebm_cli::save_npy_u8;

/// Energies and names of the lines that `ebm energy` prints.
fn named_energies(lines: &str) -> Vec<(f64, &str)> {
    let pairs = lines.lines().map(|line| line.split_once('\t'));
    let pairs = pairs.map(|pair| pair.expect("an energy and a name"));
    pairs
        .map(|(energy, name)| (energy.parse().expect("a number"), name))
        .collect()
}

#[test]
fn energies_of_the_runs_own_data_are_a_line_each_with_a_summary_beside_them() {
    let scratch = Scratch::new();
    let images = ["--set", "data.test_images=12"];
    scratch.train("run", &images).succeeds();
    let score = |args: &[&str]| {
        let fixed = ["energy", "run", "--device", "cpu"];
        scratch.ebm(&[&fixed[..], args].concat()).succeeds()
    };
    let test = score(&["--data", "test"]);
    let named = named_energies(&test.stdout);
    let names: Vec<_> = named.iter().map(|(_, name)| (*name).to_owned()).collect();
    let expected: Vec<_> = (0..12).map(|i| format!("test[{i}]")).collect();
    assert_eq!(names, expected);
    let mean = named.iter().map(|(energy, _)| energy).sum::<f64>() / 12.0;
    let mut said = test.stderr.lines();
    assert!(said.next().is_some_and(|line| line.starts_with("device: ")));
    let summary = said
        .next()
        .and_then(|line| line.strip_prefix("test: mean energy "));
    let summary = summary.expect("a summary");
    let (said_mean, rest) = summary.split_once(',').expect("more than a mean");
    let said_mean: f64 = said_mean.parse().expect("a number");
    assert!((said_mean - mean).abs() < 1e-5, "{said_mean} is not {mean}");
    assert!(rest.contains("standard deviation") && rest.contains("of 12 images"));

    let few = score(&["--data", "train", "--num", "3", "--quiet"]);
    assert_eq!(named_energies(&few.stdout).len(), 3);
    assert!(few.stdout.contains("\ttrain[2]\n"), "{}", few.stdout);
    assert_eq!(few.stderr, "");
}

#[test]
fn files_and_data_are_scored_together_and_written_as_one_array() {
    let scratch = Scratch::new();
    scratch
        .train("run", &["--set", "data.test_images=2"])
        .succeeds();
    let files = ["energy", "run", images(&scratch), "--device", "cpu"];
    let more = ["--data", "test", "--output", "e.npy"];
    scratch.ebm(&[&files[..], &more].concat()).succeeds();
    assert_eq!(floats(&scratch.join("e.npy")).len(), 3 + 2);
}

#[test]
fn data_that_moved_are_found_in_another_folder() {
    let scratch = Scratch::new();
    for i in 0..4_u8 {
        scratch.write_picture(&format!("here/{i}.png"), [60 * i, 10, 90]);
    }
    let folder = ["--dataset", "folder", "--data-dir", "here"];
    let grey = ["--set", "data.channels=1"];
    scratch
        .train("run", &[&folder[..], &grey].concat())
        .succeeds();
    std::fs::rename(scratch.join("here"), scratch.join("there")).expect("moved");
    let score = ["energy", "run", "--data", "train", "--device", "cpu"];
    scratch.refuses(&score, &["does not exist", "--data-dir"]);
    let moved = [&score[..], &["--data-dir", "there"]].concat();
    let lines = scratch.ebm(&moved).succeeds().stdout;
    assert_eq!(lines.lines().count(), 4);
}

#[test]
fn refuses_to_score_images_that_there_are_not() {
    let scratch = trained(); // without test images
    let score = ["energy", "run", "--device", "cpu"];
    let of = |args: &[&'static str]| [&score[..], args].concat();
    scratch.refuses(
        &of(&["--data", "test"]),
        &["no test images", "--data train"],
    );
    let none = of(&["--data", "train", "--num", "0"]);
    scratch.ebm(&none).fails_with(2, &["--num", "at least 1"]);
    let nothing = ["pictures or arrays", "--data test", "ebm energy"];
    scratch.ebm(&score).fails_with(2, &nothing);
    let without_data = of(&["a.png", "--num", "3"]);
    scratch.ebm(&without_data).fails_with(2, &["--data"]);
}

#[test]
fn energies_of_pictures_are_a_line_each() {
    let scratch = trained();
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
    let named = named_energies(&lines);
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
fn refuses_images_that_do_not_fit() {
    let scratch = trained();
    save_npy_u8(&scratch.join("small.npy"), &[1, 8, 8, 1], &[0; 64]).expect("written");
    scratch.write("text.png", "no picture");
    let energy = |image: &'static str| ["energy", "run", image, "--device", "cpu"];
    scratch.refuses(
        &energy("small.npy"),
        &["small.npy", "[1, 8, 8, 1]", "[n, 16, 16, 1]"],
    );
    scratch.refuses(
        &energy("text.png"),
        &["text.png", "as a picture", "give a picture"],
    );
    scratch.refuses(&energy("none.png"), &["there is no file none.png"]);
}

/// A `.npy` file of this shape, with so many bytes after its header.
fn array(shape: &str, bytes: usize) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.resize(file.len() + bytes, 7);
    file
}

#[test]
fn arrays_that_do_not_hold_what_they_say_are_refused() {
    let scratch = trained();
    let energy = ["energy", "run", "a.npy", "--device", "cpu"];
    scratch.write("a.npy", array("(2, 16, 16, 1)", 512));
    scratch.ebm(&energy).succeeds();
    for (shape, bytes, problem) in [
        ("(2, 16, 16, 1)", 511, "it is cut short"),
        ("(2, 16, 16, 1)", 513, "it goes on after its last element"),
        ("(0, 16, 16, 1)", 0, "holds no elements"),
        (
            "(72057594037927936, 16, 16, 1)", // 2⁶⁴ elements
            0,
            "more elements than any file holds",
        ),
    ] {
        scratch.write("a.npy", array(shape, bytes));
        scratch.refuses(&energy, &["a.npy: ", problem, "type uint8 in C order"]);
        let denoise = ["denoise", "a.npy", "--output", "b.npy", "--device", "cpu"];
        scratch.refuses(&denoise, &["a.npy: ", "type float32 in C order"]);
    }
}

#[test]
fn images_of_a_contact_sheet_are_scored_one_by_one() {
    let scratch = trained();
    for output in ["s.png", "s.npy"] {
        scratch.sample("run", &["--output", output]).succeeds();
    }
    let score = |image: &str| {
        let args = ["energy", "run", image, "--device", "cpu"];
        scratch.ebm(&args).succeeds().stdout
    };
    let sheet = score("s.png");
    assert_eq!(sheet, score("s.npy").replace("s.npy", "s.png"));
    let names: Vec<_> = named_energies(&sheet).iter().map(|pair| pair.1).collect();
    assert_eq!(names, ["s.png[0]", "s.png[1]", "s.png[2]", "s.png[3]"]);

    let single = ["sample", "run", "--device", "cpu", "--num", "1"];
    let single = [&single[..], &["--output", "one.png"]].concat();
    scratch.ebm(&single).succeeds();
    assert!(score("one.png").ends_with("\tone.png\n"));
}

#[test]
fn a_runs_own_sheets_are_scored_as_samples_and_data() {
    let scratch = Scratch::new();
    let every = ["--set", "output.sample_every=1"];
    scratch.train("run", &every).succeeds();
    let sheet = "run/samples/step_000002.png";
    let args = ["energy", "run", sheet, "--device", "cpu"];
    let lines = scratch.ebm(&args).succeeds().stdout;
    let names: Vec<_> = named_energies(&lines).iter().map(|pair| pair.1).collect();
    let of = |half: &'static str| (0..4).map(move |i| format!("{sheet}[{half} {i}]"));
    let expected: Vec<_> = of("sample").chain(of("data")).collect();
    assert_eq!(names, expected);
}

#[test]
fn refuses_a_contact_sheet_of_other_images() {
    let scratch = trained();
    let preview = ["data", "preview", "--num", "3", "--output", "digits.png"];
    let few = [
        "--set",
        "data.train_images=10",
        "--set",
        "data.test_images=0",
    ];
    scratch.ebm(&[&preview[..], &few].concat()).succeeds();
    let energy = ["energy", "run", "digits.png", "--device", "cpu"];
    let fragments = ["digits.png", "contact sheet of 1×28×28", "takes 1×16×16"];
    scratch.refuses(&energy, &fragments);
}

#[test]
fn a_picture_that_looks_like_a_sheet_is_warned_of() {
    let scratch = trained();
    let score = |name: &str, width: u32, height: u32| {
        let picture = image::RgbImage::new(width, height);
        picture.save(scratch.join(name)).expect("a picture");
        let args = ["energy", "run", name, "--device", "cpu"];
        scratch.ebm(&args).succeeds()
    };
    for (name, width, height) in [("wide.png", 61, 30), ("high.png", 30, 61)] {
        let scored = score(name, width, height);
        assert_eq!(scored.stdout.lines().count(), 1);
        let warning = format!("{name} looks like a sheet of several pictures");
        assert!(scored.stderr.contains(&warning), "{}", scored.stderr);
        assert!(scored.stderr.contains("only its centre square"));
    }
    let usual = score("usual.png", 60, 30);
    assert!(!usual.stderr.contains("looks like"), "{}", usual.stderr);
}
