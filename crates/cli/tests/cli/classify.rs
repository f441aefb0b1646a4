//! Tell the class of pictures: photographed digits, small images, and what is neither.

use std::fs;

use image::imageops::{self, FilterType};
use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;

use crate::common::{CONDITIONAL, Scratch, size_of_picture, trained_with};

/// A run that is given classes, with a learning rate at which a few iterations tell them apart.
fn conditional() -> Scratch {
    trained_with(&CONDITIONAL)
}

/// A photograph of a 7 in blue ink on paper that is darker on the right.
fn photographed() -> RgbImage {
    let corners = [[30.0, 12.0], [66.0, 12.0], [42.0, 72.0]];
    RgbImage::from_fn(120, 90, |x, y| {
        let at = [x as f32 + 0.5, y as f32 + 0.5];
        let strokes = corners.windows(2);
        let near = strokes.map(|ends| distance(at, ends[0], ends[1]));
        let ink = (5.5 - near.fold(f32::INFINITY, f32::min)).clamp(0.0, 1.0);
        let paper = 240.0 - x as f32 / 3.0;
        Rgb([0.9, 0.9, 0.6].map(|darker| (paper * (1.0 - darker * ink)) as u8))
    })
}

/// From a point to a line between two others.
fn distance(at: [f32; 2], from: [f32; 2], to: [f32; 2]) -> f32 {
    let [along, away] = [to, at].map(|point| [point[0] - from[0], point[1] - from[1]]);
    let product = |a: [f32; 2], b: [f32; 2]| a[0] * b[0] + a[1] * b[1];
    let share = (product(away, along) / product(along, along)).clamp(0.0, 1.0);
    (away[0] - share * along[0]).hypot(away[1] - share * along[1])
}

fn json(lines: &str) -> Vec<Value> {
    let lines = lines.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON lines")
}

#[test]
fn a_photographed_digit_is_prepared_and_its_class_printed() {
    let scratch = conditional();
    photographed().save(scratch.join("photo.png")).unwrap();
    let line = "classify run photo.png --device cpu --sheet seen.png";
    let done = scratch.line(line).succeeds();
    let fields: Vec<&str> = done.stdout.trim_end().split('\t').collect();
    let [class, probability, name] = fields[..] else {
        panic!("expected three fields: {fields:?}");
    };
    assert!(
        class.parse::<u32>().is_ok_and(|class| class < 10),
        "{class}"
    );
    assert_eq!(probability.len(), "0.123".len());
    assert!((0.1..=1.0).contains(&probability.parse::<f64>().unwrap()));
    assert_eq!(name, "photo.png");
    assert!(
        done.stderr.contains("seen.png: the pictures"),
        "{}",
        done.stderr
    );

    // Sixteen pixels three times magnified: white on black, and centred.
    assert_eq!(size_of_picture(&scratch.join("seen.png")), (48, 48));
    let seen = image::open(scratch.join("seen.png")).unwrap().into_luma8();
    let seen = imageops::resize(&seen, 16, 16, FilterType::Nearest);
    let brightest = seen.pixels().map(|pixel| pixel[0]).max();
    assert!(brightest > Some(230), "{brightest:?}");
    for at in 0..16 {
        // A 7 is heavy above: it reaches down to the frame.
        for (x, y) in [(at, 0), (0, at), (15, at)] {
            assert_eq!(seen.get_pixel(x, y)[0], 0);
        }
    }
    assert!(
        (3..=5).any(|y| seen.get_pixel(8, y)[0] > 128),
        "the bar of the 7"
    );
}

#[test]
fn what_the_model_saw_is_taken_as_it_is() {
    let scratch = conditional();
    photographed().save(scratch.join("photo.png")).unwrap();
    let classify = |rest: &str| {
        let line = format!("classify run {rest} --json --device cpu");
        json(&scratch.line(&line).succeeds().stdout)
    };
    let photo = classify("photo.png --sheet seen.png");
    let seen = image::open(scratch.join("seen.png")).unwrap().into_luma8();
    let small = imageops::resize(&seen, 16, 16, FilterType::Nearest);
    small.save(scratch.join("small.png")).unwrap();
    // A small picture, a contact sheet, and the photograph as handwriting or not.
    for same in ["small.png", "seen.png", "photo.png --prepare handwriting"] {
        let found = classify(same);
        assert_eq!(
            found[0]["probabilities"], photo[0]["probabilities"],
            "{same}"
        );
    }
    let cropped = classify("photo.png --prepare none");
    assert_ne!(cropped[0]["probabilities"], photo[0]["probabilities"]);
}

#[test]
fn json_holds_the_probability_of_every_class() {
    let scratch = conditional();
    fs::create_dir_all(scratch.join("in/below")).unwrap();
    photographed().save(scratch.join("in/a.png")).unwrap();
    let turned = imageops::rotate90(&photographed());
    turned.save(scratch.join("in/below/b.png")).unwrap();
    let done = scratch
        .line("classify run in --json --device cpu")
        .succeeds();
    let lines = json(&done.stdout);
    let names: Vec<_> = lines.iter().map(|line| &line["picture"]).collect();
    assert_eq!(names, ["in/a.png", "in/below/b.png"]);
    for line in &lines {
        let probabilities = line["probabilities"].as_array().expect("probabilities");
        let all: Vec<f64> = probabilities.iter().filter_map(Value::as_f64).collect();
        assert_eq!(all.len(), 10);
        assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{all:?}");
        let greatest = all.iter().copied().fold(0.0, f64::max);
        assert_eq!(line["probability"].as_f64(), Some(greatest));
        let class: usize = line["class"].as_str().expect("a name").parse().unwrap();
        assert_eq!(all[class], greatest);
        assert!(line["margin"].as_f64().is_some_and(|margin| margin >= 0.0));
    }
}

#[test]
fn a_run_without_classes_is_refused() {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    photographed().save(scratch.join("photo.png")).unwrap();
    let args = ["classify", "run", "photo.png", "--device", "cpu"];
    let problems = [
        "this model knows no classes",
        "train one with --set model.conditional=true",
    ];
    scratch.refuses_as_typed(&args, &problems);
}

#[test]
fn a_picture_that_cannot_be_classified_is_told_and_the_others_go_on() {
    let scratch = conditional();
    photographed().save(scratch.join("a.png")).unwrap();
    fs::write(scratch.join("b.png"), "no picture").unwrap();
    let even = GrayImage::from_pixel(40, 30, Luma([200]));
    even.save(scratch.join("even.png")).unwrap();
    let done = scratch.line("classify run a.png b.png even.png --device cpu");
    assert_eq!(done.stdout.lines().count(), 1, "{}", done.stdout);
    assert!(done.stdout.ends_with("\ta.png\n"), "{}", done.stdout);
    let problems = [
        "b.png as a picture",
        "even.png: no handwriting stands out from its background",
        "2 of 3 pictures could not be classified",
    ];
    done.fails_with(1, &problems);

    for (rest, code, problem) in [
        ("none.png", 1, "there is no file none.png"),
        ("even.png", 1, "or pass --prepare none to take it as it is"),
        ("a.png --sheet seen.jpg", 2, "--sheet seen.jpg: name a .png"),
        ("a.png --sheet a.png", 1, "which is never written over"),
    ] {
        let line = format!("classify run {rest} --device cpu");
        scratch.line(&line).fails_with(code, &[problem]);
    }
    let as_it_is = "classify run even.png --prepare none --device cpu";
    scratch.line(as_it_is).succeeds();
}

#[test]
fn the_runs_own_test_images_are_recognised_as_evaluate_says() {
    let scratch = conditional();
    for (more, told) in [("", "% of 100 test images"), (" --json", "\"images\": 100")] {
        let say = |command: &str| {
            let line = format!("{command} --num 100 --device cpu{more}");
            scratch.line(&line).succeeds()
        };
        let here = say("classify run --dataset");
        let there = say("evaluate run --measure recognition");
        assert_eq!(here.stdout, there.stdout);
        assert!(here.stdout.contains(told), "{}", here.stdout);
        // Naming the run's own data changes nothing.
        assert_eq!(say("classify run --dataset digits").stdout, here.stdout);
    }
}

#[test]
fn images_of_another_data_set_with_the_same_classes_are_recognised() {
    let scratch = conditional();
    let pack = [
        "data pack --dataset digits --image-size 16 --seed 0",
        "--set data.train_images=20 --set data.test_images=30 --output packed",
    ];
    scratch.line(&pack.join(" ")).succeeds();
    let say = |line: &str| {
        let line = format!("{line} --num 30 --json --device cpu");
        let said = scratch.line(&line).succeeds().stdout;
        let mut reports: Vec<Value> = serde_json::from_str(&said).expect("JSON");
        reports.remove(0)["recognition"].take()
    };
    let packed = say("classify run --dataset arrays --data-dir packed");
    assert_eq!(packed["images"], 30);
    // They are the digits that the run itself is measured on.
    assert_eq!(packed, say("classify run --dataset"));
}

#[test]
fn a_data_set_that_cannot_be_recognised_is_refused() {
    let scratch = conditional();
    scratch.train("plain", &[]).succeeds();
    for (rest, code, problem) in [
        ("plain --dataset", 2, "this model knows no classes"),
        ("run --dataset nothing", 2, "--dataset: unknown"),
        ("run --dataset mnist", 1, "--data-dir DIR"),
        (
            "run --dataset shapes --num 8",
            1,
            "are not those of the model",
        ),
        (
            "run --dataset shapes --data-dir run",
            2,
            "read from no folder",
        ),
        ("run --data-dir run", 2, "--dataset"),
        ("run photo.png --dataset", 2, "cannot be used with"),
        (
            "run photo.png --num 3",
            2,
            "--num does nothing without --dataset",
        ),
        (
            "run photo.png --data-dir run",
            2,
            "--data-dir does nothing without --dataset",
        ),
        ("run --dataset --sheet seen.png", 2, "cannot be used with"),
        ("run", 2, "PICTURE|FOLDER|FILE.npy"),
    ] {
        let line = format!("classify {rest} --device cpu");
        scratch.line(&line).fails_with(code, &[problem]);
    }
}
