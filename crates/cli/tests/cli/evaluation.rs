//! Measure how good samples are, and train the features by which they are measured.

use serde_json::Value;

use crate::common::Scratch;

/// A run of the size of the program's features, and so few steps that its samples are noise.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let keys = [
        "data.image_size=28",
        "data.test_images=100",
        "data.train_images=200",
    ];
    let keys = keys.map(|key| ["--set", key]).concat();
    scratch.train("run", &keys).succeeds();
    scratch
}

fn evaluate<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let first = [
        "evaluate", "run", "--device", "cpu", "--num", "120", "--steps", "3",
    ];
    [&first[..], more].concat()
}

/// The report as JSON.
fn report(scratch: &Scratch, more: &[&str]) -> Vec<Value> {
    let args = [evaluate(more), vec!["--json"]].concat();
    let stdout = scratch.ebm(&args).succeeds().stdout;
    serde_json::from_str(&stdout).expect("JSON")
}

#[test]
fn the_same_command_gives_the_same_report_from_kept_samples_and_from_new_ones() {
    let scratch = scratch();
    let first = report(&scratch, &[]);
    assert_eq!(first, report(&scratch, &[]), "kept samples");
    std::fs::remove_dir_all(scratch.join("run/evaluation")).expect("kept samples");
    let args = [evaluate(&[]), vec!["--json"]].concat();
    let mut on_one_thread = scratch.command(&args);
    let output = on_one_thread
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .expect("the binary starts");
    let mut new: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    for key in ["seconds", "device"] {
        new[0][key] = first[0][key].clone();
    }
    assert_eq!(first, new, "new samples, on one thread");
    let quality = &first[0]["quality"];
    let frechet = |of: &str| quality[of]["frechet"].as_f64().expect("a distance");
    assert!(frechet("floor") < frechet("blurred"), "{quality}");
    assert!(frechet("floor") < frechet("samples"), "{quality}");
    // As many test images are drawn as are asked for.
    assert_eq!(
        (&quality["samples"]["images"], &quality["samples"]["of"]),
        (&120.into(), &120.into())
    );
    let warnings = quality["warnings"].to_string();
    assert!(warnings.contains("of 120 images"), "{warnings}");
}

#[test]
fn a_part_that_was_cut_short_is_drawn_again() {
    let scratch = scratch();
    let first = report(&scratch, &[]);
    let folder = scratch.join("run/evaluation");
    let kept = std::fs::read_dir(&folder)
        .expect("a folder")
        .next()
        .expect("one entry");
    let part = kept.expect("an entry").path().join("000000-120.samples");
    let bytes = std::fs::read(&part).expect("a part");
    std::fs::write(&part, &bytes[..100]).expect("a part");
    let mut again = report(&scratch, &[]);
    again[0]["seconds"] = first[0]["seconds"].clone();
    assert_eq!(first, again);
    assert_eq!(
        std::fs::read(&part).expect("a part")[..bytes.len() - 40],
        bytes[..bytes.len() - 40]
    );
}

#[test]
fn samples_in_parts_are_those_that_are_drawn_together() {
    let scratch = scratch();
    let args = [
        "evaluate", "run", "--device", "cpu", "--num", "600", "--steps", "2",
    ];
    scratch.ebm(&args).succeeds();
    let together = [
        "sample", "run", "--device", "cpu", "--num", "600", "--steps", "2",
    ];
    let together = [&together[..], &["--output", "together.npy"]].concat();
    scratch.ebm(&together).succeeds();
    let array = std::fs::read(scratch.join("together.npy")).expect("an array");
    let pixels = &array[array.len() - 600 * 784..];

    let kept = std::fs::read_dir(scratch.join("run/evaluation"))
        .expect("a folder")
        .next();
    let kept = kept.expect("one entry").expect("an entry").path();
    let part = |name: &str, images: usize| {
        let bytes = std::fs::read(kept.join(name)).expect("a part");
        bytes[..images * 784].to_vec()
    };
    let parts = [
        part("000000-500.samples", 500),
        part("000500-100.samples", 100),
    ]
    .concat();
    assert!(parts == pixels, "samples differ");
}

#[test]
fn runs_stand_side_by_side_and_a_report_is_written_with_pictures() {
    let scratch = scratch();
    let args = evaluate(&["run/checkpoints/step_000002", "--output", "report"]);
    let table = scratch.ebm(&args).succeeds().stdout;
    assert_eq!(
        table.matches("3 steps from noise, seed 0").count(),
        2,
        "{table}"
    );
    assert_eq!(table.matches("(the floor)").count(), 1, "{table}");
    let page = std::fs::read_to_string(scratch.join("report/index.html")).expect("a page");
    assert_eq!(page.matches("data:image/png;base64,").count(), 4);
    for name in [
        "samples-1.png",
        "samples-2.png",
        "neighbors-1.png",
        "neighbors-2.png",
    ] {
        image::open(scratch.join(&format!("report/{name}"))).expect("a picture");
    }
    let json = std::fs::read_to_string(scratch.join("report/report.json")).expect("JSON");
    let reports: Vec<Value> = serde_json::from_str(&json).expect("JSON");
    assert_eq!(reports.len(), 2);
}

#[test]
fn chains_of_the_buffer_are_said_to_be_so_and_are_as_many_as_there_are() {
    let scratch = scratch();
    let scarce = evaluate(&["--from", "buffer"]);
    scratch
        .ebm(&scarce)
        .fails_saying(&["a covariance of 64 features needs more than 64 images, got 32"]);

    let keys = [
        "data.image_size=28",
        "buffer.capacity=90",
        "model.conditional=true",
        "data.train_images=200",
    ];
    let keys = keys.map(|key| ["--set", key]).concat();
    scratch.train("classes", &keys).succeeds();
    let args = [
        "evaluate", "classes", "--device", "cpu", "--steps", "1", "--from", "buffer", "--num",
        "500",
    ];
    let table = scratch.ebm(&args).succeeds().stdout;
    assert!(
        table.contains("average weights, 1 steps from buffer, seed 0"),
        "{table}"
    );
    assert!(table.contains("90 of 90"), "{table}");
    assert!(
        table.contains("classes/checkpoints/step_000002 recognises "),
        "{table}"
    );
    assert!(
        table.contains("% of 500 images, calibration error "),
        "{table}"
    );
}

#[test]
fn data_of_another_shape_and_folders_of_drawn_data_are_refused_before_anything_is_drawn() {
    let scratch = scratch();
    let before = scratch.tree();
    scratch.ebm(&evaluate(&["--data-dir", "run"])).fails_with(
        2,
        &["--data-dir: the run's data, digits, are drawn by this program"],
    );
    scratch
        .ebm(&["evaluate", "run", "--device", "cpu", "--num", "64"])
        .fails_saying(&["needs more than 64 images, got 64", "--num"]);
    scratch.assert_unchanged_since(&before);
}

#[test]
fn features_of_other_images_or_of_no_kind_are_refused() {
    let scratch = scratch();
    scratch
        .ebm(&evaluate(&["--features", "nope"]))
        .fails_with(2, &["there are no features `nope`", "digits, mnist"]);
    scratch.write("bad.safetensors", "no tensors");
    scratch
        .ebm(&evaluate(&["--features", "bad.safetensors"]))
        .fails_saying(&["bad.safetensors is no file of features: no safetensors"]);
    scratch
        .ebm(&evaluate(&["--features", "gone.safetensors"]))
        .fails_saying(&["cannot read gone.safetensors"]);
}

#[test]
fn features_of_a_folder_are_trained_again_to_the_same_file_and_judge_its_runs() {
    let scratch = Scratch::new();
    for i in 0..40_u8 {
        let red = 5 * i;
        scratch.write_picture(&format!("pictures/red/{i:02}.png"), [red, 0, 40]);
        scratch.write_picture(&format!("pictures/blue/{i:02}.png"), [0, 40, red]);
    }
    let data = [
        "--dataset",
        "folder",
        "--data-dir",
        "pictures",
        "--image-size",
        "16",
    ];
    let train = |output| {
        let first = [
            "features",
            "train",
            "cifar10",
            "--iterations",
            "3",
            "--output",
            output,
        ];
        scratch.ebm(&[&first[..], &data].concat()).succeeds();
        std::fs::read(scratch.join(output)).expect("a file of features")
    };
    assert_eq!(train("one.safetensors"), train("two.safetensors"));
    let listed = scratch
        .ebm(&["features", "list", "one.safetensors"])
        .succeeds()
        .stdout;
    assert!(listed.contains("folder, 80 images"), "{listed}");

    scratch.train("run", &data).succeeds();
    let plain = [
        "evaluate", "run", "--device", "cpu", "--num", "80", "--steps", "2",
    ];
    scratch
        .ebm(&plain)
        .fails_saying(&["no features of images of 3×16×16", "ebm features train"]);
    std::fs::copy(
        scratch.join("one.safetensors"),
        scratch.join("run/features.safetensors"),
    )
    .expect("a copy");
    scratch
        .ebm(&[&plain[..], &["--features", "mnist"]].concat())
        .fails_saying(&["features `mnist` are of images of 1×28×28, not of 3×16×16"]);
    // Halves of 40 images are fewer than the features of an image.
    scratch
        .ebm(&plain)
        .fails_saying(&["needs more than 64 images, got 40"]);

    let unlabelled = [
        "--dataset",
        "folder",
        "--data-dir",
        "pictures/red",
        "--image-size",
        "16",
    ];
    let first = ["features", "train", "cifar10", "--iterations", "3"];
    scratch
        .ebm(&[&first[..], &unlabelled].concat())
        .fails_saying(&["learned by telling classes apart, and these data have 0"]);
}
