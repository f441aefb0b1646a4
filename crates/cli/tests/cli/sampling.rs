//! Draw samples of a trained run, and look at the pictures and arrays.

use std::collections::BTreeMap;
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
    scratch.refuses_as_typed(
        &new,
        &["--output new", ".png or .npy or .npz", "folder: new/"],
    );
}

#[test]
fn a_count_of_nothing_is_a_wrong_command_line() {
    let scratch = Scratch::new();
    let sample = |flag: &str, count: &str| scratch.ebm(&["sample", "run", flag, count]);
    sample("--num", "0").fails_with(2, &["--num", "at least 1"]);
    sample("--steps", "0").fails_with(2, &["--steps", "at least 1"]);
    sample("--steps", "16777216").fails_with(2, &["--steps", "2²⁴"]);
}

#[test]
fn two_outputs_of_one_name_are_a_wrong_command_line() {
    let scratch = Scratch::new();
    let both = scratch.line("sample run --trajectory s.png --animation s.png");
    both.fails_with(2, &["--animation s.png: this is what --trajectory names"]);
    // That of the samples is the usual one.
    let usual = scratch.line("sample run --trajectory samples.png");
    usual.fails_with(
        2,
        &["--trajectory samples.png: this is what --output names"],
    );
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

/// The content of each entry of a zip file that stores them, found through its zip64 directory.
fn entries(zip: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let number = |at: usize, len: usize| {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&zip[at..at + len]);
        u64::from_le_bytes(bytes) as usize
    };
    let locator = zip.len() - 42;
    assert_eq!(&zip[locator..locator + 4], b"PK\x06\x07");
    let end = number(locator + 8, 8);
    assert_eq!(&zip[end..end + 4], b"PK\x06\x06");
    let (num, mut header) = (number(end + 32, 8), number(end + 48, 8));
    let mut found = BTreeMap::new();
    for _ in 0..num {
        assert_eq!(&zip[header..header + 4], b"PK\x01\x02");
        assert_eq!(number(header + 10, 2), 0, "stored without compression");
        let extra = header + 46 + number(header + 28, 2);
        let name = String::from_utf8_lossy(&zip[header + 46..extra]).into_owned();
        // Length, length as stored, and place of the local header.
        let (len, local) = (number(extra + 4, 8), number(extra + 20, 8));
        assert_eq!(&zip[local..local + 4], b"PK\x03\x04");
        let start = local + 30 + number(local + 26, 2) + number(local + 28, 2);
        let content = zip[start..start + len].to_vec();
        let checksum = crc32fast::hash(&content);
        assert_eq!(number(header + 16, 4), checksum as usize, "{name}");
        found.insert(name, content);
        header = extra + number(header + 30, 2);
    }
    found
}

#[test]
fn an_archive_holds_the_array_that_a_file_of_its_own_is() {
    let scratch = trained();
    let said = scratch
        .sample("run", &["--output", "s.npz"])
        .succeeds()
        .stdout;
    assert_eq!(said, "s.npz\n");
    scratch.sample("run", &["--output", "s.npy"]).succeeds();
    let expected = [("arr_0.npy".to_owned(), bytes(&scratch.join("s.npy")))];
    let archive = bytes(&scratch.join("s.npz"));
    assert_eq!(entries(&archive), BTreeMap::from(expected));
    scratch.sample("run", &["--output", "S.NPZ"]).succeeds();
    assert_eq!(bytes(&scratch.join("S.NPZ")), archive);
}

#[test]
fn an_archive_holds_the_classes_of_a_model_that_has_classes() {
    let scratch = Scratch::new();
    let conditional = ["--set", "model.conditional=true"];
    scratch.train("run", &conditional).succeeds();
    let said = scratch
        .sample("run", &["--output", "s.npz"])
        .succeeds()
        .stdout;
    assert_eq!(said, "s.npz\n");
    scratch.sample("run", &["--output", "s.npy"]).succeeds();
    let archive = entries(&bytes(&scratch.join("s.npz")));
    assert_eq!(archive["arr_0.npy"], bytes(&scratch.join("s.npy")));
    let classes = npyz::NpyFile::new(archive["arr_1.npy"].as_slice()).expect("an array");
    assert_eq!(classes.dtype().descr(), "'<i8'");
    assert_eq!(classes.into_vec::<i64>().expect("classes"), [0, 1, 2, 3]);
}

/// Images of two parts: the first has 500.
const TWO_PARTS: usize = 508;

#[test]
fn samples_in_parts_are_those_of_one_sheet() {
    let scratch = trained();
    let num = TWO_PARTS.to_string();
    let draw = |output: &str| {
        let args = [
            "sample", "run", "--device", "cpu", "--num", &num, "--output", output,
        ];
        let said = scratch.ebm(&args).succeeds().stderr;
        let line = said.lines().find(|line| line.contains("mean energy"));
        line.and_then(|line| line.split("mean energy").last().map(str::to_owned))
    };
    let energy = draw("all.png");
    assert!(energy.is_some());
    for output in ["s.npy", "s.npz", "out/"] {
        assert_eq!(draw(output), energy, "{output}");
    }
    let npy = bytes(&scratch.join("s.npy"));
    assert_is_npy(&npy, [TWO_PARTS, 16, 16, 1]);
    assert_eq!(entries(&bytes(&scratch.join("s.npz")))["arr_0.npy"], npy);

    let sheet = image::open(scratch.join("all.png")).expect("a picture");
    let sheet = sheet.into_luma8();
    let images = &npy[npy.len() - TWO_PARTS * 256..];
    for (index, image) in images.chunks(256).enumerate() {
        // 23 in a row, lines of two pixels between them, three times magnified.
        let (left, top) = (index % 23 * 18, index / 23 * 18);
        let on_sheet = |at: usize| {
            let (x, y) = (left + at % 16, top + at / 16);
            sheet.get_pixel(3 * x as u32, 3 * y as u32).0[0]
        };
        let expected: Vec<u8> = (0..256).map(on_sheet).collect();
        assert_eq!(image, expected, "image {index}");
        let picture = image::open(scratch.join(&format!("out/{index:04}.png")));
        assert_eq!(picture.expect("a picture").as_bytes(), image);
    }
}

#[test]
fn samples_that_cannot_be_drawn_leave_the_earlier_array_and_nothing_else() {
    let scratch = trained();
    for output in ["s.npz", "s.npy"] {
        scratch.write(output, "earlier");
        // The buffer has 32 chains.
        let args = [
            "sample", "run", "--device", "cpu", "--init", "buffer", "--num", "33", "--output",
            output,
        ];
        scratch.refuses(&args, &["33 samples exceed", "--num"]);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_the_earlier_array_and_nothing_else() {
    use std::process::{Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    let scratch = trained();
    scratch.write("s.npz", "earlier");
    let before = scratch.tree();
    let endless = [
        "sample", "run", "--device", "cpu", "--steps", "16777215", "--output", "s.npz",
    ];
    let mut child = scratch
        .command(&endless)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    while scratch.tree().len() == before.len() {
        assert_eq!(child.try_wait().expect("its state"), None, "it ended");
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(300)); // from the new file to the listener
    let interrupt = format!("kill -INT {}", child.id());
    let sent = Command::new("sh").args(["-c", &interrupt]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    scratch.assert_unchanged_since(&before);
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
