//! Train on folders as people have them: with runs, links, other programs' files and test pictures in them.

use std::fs;

use crate::common::{Scratch, latest, metrics};

const PHOTOS: [&str; 4] = ["--dataset", "folder", "--data-dir", "photos"];

/// A folder of these pictures, each of a colour of its own.
fn with_pictures(names: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    for (number, name) in names.iter().enumerate() {
        scratch.write_picture(name, [10 * number as u8; 3]);
    }
    scratch
}

#[test]
fn a_run_inside_the_data_folder_never_becomes_data() {
    let scratch = with_pictures(&["photos/a.png", "photos/b.png"]);
    let args = [&PHOTOS[..], &["--set", "output.sample_every=1"]].concat();
    scratch.train("photos/run", &args).succeeds();
    assert!(
        fs::read_dir(scratch.join("photos/run/samples")).is_ok_and(|mut it| it.next().is_some())
    );
    let more = [&args[..], &["--iterations", "3"]].concat();
    let again = scratch.train("photos/run", &more).succeeds();
    for fragment in [
        "data: 2 training",
        "passed over: 1 run directories of this program",
    ] {
        assert!(again.stderr.contains(fragment), "{}", again.stderr);
    }
}

#[test]
fn what_is_not_read_is_counted_and_pictures_are_known_by_their_content() {
    let scratch = with_pictures(&["photos/cat/a.png", "photos/dog/b.png"]);
    fs::rename(
        scratch.join("photos/dog/b.png"),
        scratch.join("photos/dog/b"),
    )
    .expect("renamed");
    scratch.write("photos/cat/c.heic", "");
    scratch.write("photos/notes.txt", "");
    let done = scratch.train("run", &PHOTOS).succeeds();
    for fragment in [
        "data: 2 training",
        "not read: 1 .heic pictures, which this program does not decode; convert them to PNG or JPEG",
        "passed over: 1 .txt files",
        "classes: cat, dog",
    ] {
        assert!(
            done.stderr.contains(fragment),
            "{fragment}: {}",
            done.stderr
        );
    }
}

#[test]
fn a_folder_of_one_class_may_be_one_too_high() {
    let scratch = with_pictures(&["photos/animals/cat/a.png", "photos/animals/dog/b.png"]);
    let done = scratch.train("run", &PHOTOS).succeeds();
    let fragment = "all pictures are of one class, animals";
    assert!(done.stderr.contains(fragment), "{}", done.stderr);
}

#[test]
fn splits_that_could_be_classes_are_refused() {
    let scratch = with_pictures(&[
        "photos/train/a.png",
        "photos/test/b.png",
        "photos/extra/c.png",
    ]);
    let fragments = ["(test, train) and beside them extra", "--data-dir"];
    scratch.refuses_to_train(&PHOTOS, &fragments);
}

#[test]
fn problems_of_test_pictures_do_not_keep_a_run_from_training() {
    let scratch = with_pictures(&["photos/Train/a/1.png", "photos/Test/b/2.png"]);
    let done = scratch.train("run", &PHOTOS).succeeds();
    let fragment = "there are no test images, and training needs none: ";
    assert!(done.stderr.contains(fragment), "{}", done.stderr);
    scratch
        .line("energy run --data test")
        .fails_saying(&["has the classes [b]"]);
}

#[test]
fn a_run_goes_on_with_the_classes_that_it_has_learned() {
    let scratch = with_pictures(&["photos/cat/a.png", "photos/dog/b.png"]);
    let by_class = [&PHOTOS[..], &["--set", "model.conditional=true"]].concat();
    scratch.train("run", &by_class).succeeds();
    fs::rename(scratch.join("photos/cat"), scratch.join("photos/horse")).expect("renamed");
    let more = [&by_class[..], &["--iterations", "4", "--force"]].concat();
    let fragments = [
        "the classes cat, dog",
        "the classes dog, horse",
        "--run-dir",
    ];
    scratch.refuses_to_train(&more, &fragments);
    scratch.write_picture("photos/ant/c.png", [3; 3]);
    scratch.refuses_to_train(&more, &["the classes ant, dog, horse"]);
}

#[test]
fn a_run_goes_on_with_its_own_images_or_with_others_if_told_to() {
    let scratch = with_pictures(&["photos/cat/a.png", "photos/dog/b.png"]);
    scratch.train("run", &PHOTOS).succeeds();
    let more = [&PHOTOS[..], &["--iterations", "4"]].concat();
    scratch.write_picture("photos/dog/c.png", [90; 3]);
    scratch.refuses_to_train(&more, &["from 2 training images, and now 3", "--force"]);
    fs::remove_file(scratch.join("photos/dog/b.png")).expect("removed");
    scratch.refuses_to_train(&more, &["from 2 other training images", "--force"]);
    let forced = [&more[..], &["--force"]].concat();
    scratch.train("run", &forced).succeeds();
    assert_eq!(latest(&scratch.join("run")).map(|it| it.step), Some(4));
    // From now on these are its own.
    let more = [&PHOTOS[..], &["--iterations", "5"]].concat();
    scratch.train("run", &more).succeeds();
}

#[test]
fn a_single_picture_has_no_distance_of_samples_and_one_warning() {
    let scratch = with_pictures(&["photos/a.png"]);
    let args = [&PHOTOS[..], &["--set", "output.sample_every=1"]].concat();
    let said = scratch.train("run", &args).succeeds().stderr;
    assert_eq!(said.matches("no sample_distance").count(), 1, "{said}");
    assert!(!said.contains("NaN"), "{said}");
    for line in metrics(&scratch.join("run")) {
        assert!(!line.contains_key("sample_distance"), "{line:?}");
        assert!(!line["e_samples"].is_null(), "{line:?}");
    }
}

#[test]
fn a_run_goes_on_with_its_own_images_wherever_they_are_now() {
    let scratch = with_pictures(&["photos/cat/a.png", "photos/dog/b.png"]);
    scratch.train("run", &PHOTOS).succeeds();
    fs::create_dir(scratch.join("deep")).expect("made");
    fs::rename(scratch.join("photos"), scratch.join("deep/moved")).expect("renamed");
    let moved = ["--dataset", "folder", "--data-dir", "deep/moved"];
    let on = [&moved[..], &["--iterations", "4"]].concat();
    let said = scratch.train("run", &on).succeeds().stderr;
    let notices = said
        .lines()
        .filter(|line| line.contains("the data are now in"));
    assert_eq!(notices.count(), 1, "{said}");
    // The new place is that of the run from now on.
    let alone = ["train", "--device", "cpu", "--run-dir", "run"];
    let on = [&alone[..], &["--iterations", "5"]].concat();
    let said = scratch.ebm(&on).succeeds().stderr;
    assert!(!said.contains("the data are now in"), "{said}");
    // Other images in another place are others.
    scratch.write_picture("other/cat/a.png", [1; 3]);
    scratch.write_picture("other/dog/b.png", [2; 3]);
    let other = ["--dataset", "folder", "--data-dir", "other"];
    scratch.refuses_to_train(&other, &["from 2 other training images", "--force"]);
}

#[test]
fn the_directory_that_a_run_has_by_default_is_found_again_by_its_images() {
    let scratch = with_pictures(&["one/photos/cat/a.png", "one/photos/dog/b.png"]);
    let train = |dir: &str| {
        let line = format!(
            "train --device cpu --preset digits --dataset folder --data-dir {dir} --image-size 16 --iterations 1 \
             --set model.filters=4 --set batch_size=8 --set buffer.capacity=32 --set langevin.num_steps=4 \
             --set output.num_samples=4 --set output.sample_steps=4"
        );
        scratch.line(&line).succeeds().stdout
    };
    let first = train("one/photos");
    assert!(first.starts_with("runs/digits-photos/"), "{first}");
    fs::rename(scratch.join("one"), scratch.join("two")).expect("renamed");
    assert_eq!(train("two/photos"), first);
    scratch.write_picture("three/photos/cat/c.png", [9; 3]);
    scratch.write_picture("three/photos/dog/d.png", [8; 3]);
    let other = train("three/photos");
    assert!(other.starts_with("runs/digits-photos-2/"), "{other}");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_no_text_is_named_and_not_missing() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let scratch = with_pictures(&["photos/a.png"]);
    let strange = OsStr::from_bytes(b"ph\xffotos");
    fs::rename(scratch.join("photos"), scratch.join("").join(strange)).expect("renamed");
    let mut command = scratch.command(&[
        "train",
        "--run-dir",
        "run",
        "--dataset",
        "folder",
        "--data-dir",
    ]);
    let output = command.arg(strange).output().expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("is not UTF-8"), "{stderr}");
}

#[test]
fn a_run_that_cannot_fit_the_machine_is_refused_before_it_takes_memory() {
    let scratch = with_pictures(&["photos/a.png"]);
    for (key, args) in [
        (
            "buffer.capacity",
            &["--set", "buffer.capacity=2000000000"][..],
        ),
        (
            "batch_size",
            &[
                "--set",
                "batch_size=1000000000",
                "--set",
                "buffer.capacity=1000000000",
            ],
        ),
        (
            "data.train_images",
            &["--set", "data.train_images=1000000000000"],
        ),
        (
            "output.num_samples",
            &["--set", "output.num_samples=100000000000"],
        ),
        (
            "batch_size` (images of 3×1000000×1000000)",
            &[
                "--dataset",
                "folder",
                "--data-dir",
                "photos",
                "--image-size",
                "1000000",
            ],
        ),
    ] {
        let fragments = [&format!("for `{key}")[..], "--no-memory-check"];
        scratch.refuses_to_train(args, &fragments);
        let dry = [args, &["--dry-run"]].concat();
        scratch.refuses_to_train(&dry, &fragments);
    }
}
