//! Pack data sets and train on them in place.

use crate::common::{Scratch, metrics};

const PRESET: [&str; 2] = ["--preset", "digits"];

/// Pictures of two classes to train on, one of them damaged, and a test picture of each.
fn pictures() -> Scratch {
    let scratch = Scratch::new();
    let names = [
        "train/cat/1",
        "train/cat/2",
        "train/dog/3",
        "test/cat/4",
        "test/dog/5",
    ];
    for (number, name) in names.iter().enumerate() {
        scratch.write_picture(&format!("photos/{name}.png"), [40 * number as u8 + 9; 3]);
    }
    scratch.write("photos/train/dog/bad.png", "no picture");
    scratch
}

#[test]
fn a_packed_data_set_trains_as_the_pictures_do_and_nobody_says_what_it_is() {
    let scratch = pictures();
    let said = scratch
        .line("data pack --data-dir photos --skip-bad --image-size 16 --channels 1 --output packed")
        .succeeds();
    let summary = "folder: 3 training and 2 test images of 1×16×16, 2 classes, packed in packed";
    assert!(said.stdout.contains(summary), "{}", said.stdout);
    assert!(
        said.stderr.contains("cannot be decoded: 1"),
        "{}",
        said.stderr
    );
    let train = |run: &str, args: &[&str]| {
        let done = scratch.train(run, &[&PRESET, args].concat()).succeeds();
        let summary = "data: 3 training and 2 test images of 1×16×16, 2 classes";
        assert!(done.stderr.contains(summary), "{}", done.stderr);
        metrics(&scratch.join(run))
    };
    let of_pictures = ["--data-dir", "photos", "--skip-bad", "--channels", "1"];
    let seen = train("pictures", &of_pictures);
    assert_eq!(train("arrays", &["--data-dir", "packed"]), seen);
    // It is the same data to a run, wherever they lie: it goes on with them, and is measured on them.
    let more = ["--data-dir", "packed", "--iterations", "3"];
    let done = scratch.ebm(
        &[
            &["train", "--run-dir", "pictures", "--device", "cpu"],
            &more[..],
        ]
        .concat(),
    );
    let done = done.succeeds();
    assert!(
        done.stderr.contains("the data are now in"),
        "{}",
        done.stderr
    );
    train("arrays", &more);
    assert_eq!(
        metrics(&scratch.join("pictures")),
        metrics(&scratch.join("arrays"))
    );
    let with_packed = "evaluate pictures --device cpu --measure anomalies --against packed --num 3";
    scratch.line(with_packed).succeeds();
}

#[test]
fn packing_writes_over_nothing_and_leaves_nothing_half_done() {
    let scratch = pictures();
    let bad = [
        "data",
        "pack",
        "--data-dir",
        "photos",
        "--image-size",
        "16",
        "--output",
        "packed",
    ];
    scratch.refuses(&bad, &["1 of 4 pictures cannot be decoded", "--skip-bad"]);
    let taken = ["data", "pack", "--output", "photos"];
    scratch.refuses(
        &taken,
        &["photos is there already: name a new folder", "--output"],
    );
    let nowhere = ["data", "pack", "--output", "nowhere/packed"];
    scratch.refuses(&nowhere, &["cannot write nowhere/packed"]);
}

#[test]
fn a_preview_tells_how_large_pictures_were_and_what_was_cropped() {
    let scratch = pictures();
    let said = scratch
        .line("data preview --data-dir photos --skip-bad --image-size 19 --output p.png")
        .succeeds();
    let sizes = "5 pictures of 20×18; 5 cropped to the square in the middle; \
                 5 smaller than 19×19, enlarged and blurred";
    assert!(said.stdout.contains(sizes), "{}", said.stdout);
}

#[test]
fn a_preview_never_becomes_data() {
    let scratch = pictures();
    let inside =
        "data preview --data-dir photos --skip-bad --image-size 19 --output photos/train/p.png";
    let words: Vec<&str> = inside.split(' ').collect();
    scratch.refuses_as_typed(&words, &["photos/train/p.png", "lies in the data folder"]);
}

#[test]
fn a_path_that_leads_nowhere_is_said_to() {
    let scratch = Scratch::new();
    for line in [
        "data preview --output p.png",
        "train",
        "data pack --output packed",
    ] {
        let line = format!("{line} --data-dir nowhere");
        let words: Vec<&str> = line.split(' ').collect();
        scratch.refuses(&words, &["nowhere does not exist", "--data-dir"]);
    }
    scratch.write("photos.7z", [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c]);
    scratch.refuses(&["train", "--data-dir", "photos.7z"], &["7z archive"]);
}

#[cfg(unix)]
#[test]
fn packing_that_is_interrupted_leaves_nothing() {
    use std::process::Stdio;
    use std::thread::sleep;
    use std::time::Duration;

    let scratch = Scratch::new();
    // Drawing as many takes seconds.
    let args = [
        "data",
        "pack",
        "--set",
        "data.train_images=600000",
        "--output",
        "packed",
    ];
    let mut command = scratch.command(&args);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let unfinished = scratch.join("packed.unfinished");
    while !unfinished.exists() {
        assert!(
            child.try_wait().expect("its state").is_none(),
            "it ended by itself"
        );
        sleep(Duration::from_millis(1));
    }
    // SAFETY: it sends a signal to a child that has not been waited for.
    let sent = unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
    assert_eq!(sent, 0);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(scratch.tree().is_empty(), "{:?}", scratch.tree());
    scratch
        .line("data pack --set data.train_images=20 --output packed")
        .succeeds();
}
