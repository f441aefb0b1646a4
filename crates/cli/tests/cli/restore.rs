//! Put in what is missing of pictures, and say what cannot be.

use std::fs;

use image::{GrayImage, Luma, Rgb, RgbImage};

use crate::common::Scratch;

/// Red lines across a ramp of grey, and the ramp.
fn painted(width: u32, height: u32) -> (RgbImage, RgbImage) {
    let ramp = RgbImage::from_fn(width, height, |x, y| Rgb([(60 + x + y) as u8; 3]));
    let mut painted = ramp.clone();
    for y in 0..height {
        painted.put_pixel(y % width, y, Rgb([255, 0, 0]));
        painted.put_pixel(width / 2, y, Rgb([255, 0, 0]));
    }
    (painted, ramp)
}

#[test]
fn what_a_colour_was_painted_over_is_put_in_and_the_rest_stays() {
    let scratch = Scratch::new();
    let (painted, ramp) = painted(40, 32);
    painted.save(scratch.join("painted.png")).unwrap();
    let restore = |rest: &str| {
        let line = "restore painted.png --mask-color #ff0000 --device cpu";
        scratch.line(&format!("{line} {rest}")).succeeds()
    };
    let one = restore("--output one.png");
    assert_eq!(one.stdout, "one.png\n");
    assert!(
        one.stderr.contains("% of the pixels put in"),
        "{}",
        one.stderr
    );
    let made = image::open(scratch.join("one.png")).unwrap().into_rgb8();
    for (x, y, pixel) in made.enumerate_pixels() {
        let (before, expected) = (painted.get_pixel(x, y), ramp.get_pixel(x, y));
        if before == expected {
            assert_eq!(pixel, expected, "a known pixel stays");
        } else {
            let error = (i32::from(pixel[1]) - i32::from(expected[1])).abs();
            assert!(error < 25, "{pixel:?} is not {expected:?}");
        }
    }

    let said = restore("--output several/ --samples 2").stdout;
    let names: Vec<_> = said.lines().collect();
    let expected = [
        "several/001.png",
        "several/002.png",
        "several/mean.png",
        "several/doubt.png",
    ];
    assert_eq!(names, expected);
    let [first, second] = ["001", "002"].map(|name| {
        let path = scratch.join("several").join(name).with_extension("png");
        fs::read(path).unwrap()
    });
    assert_ne!(first, second);
    restore("--output draw.png --samples 1");
    assert_eq!(first, fs::read(scratch.join("draw.png")).unwrap());
}

#[test]
fn a_run_of_digits_puts_in_the_lower_half_of_one() {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    let digit = RgbImage::from_fn(16, 16, |x, y| Rgb([(x * y % 200) as u8; 3]));
    digit.save(scratch.join("digit.png")).unwrap();
    let restore = |rest: &str| scratch.line(&format!("restore {rest} --model run --device cpu"));
    let done = restore("digit.png --box 0,8,16,8 --output whole.png --samples 3").succeeds();
    assert!(
        done.stderr.contains("pictures in colour are made grey"),
        "{}",
        done.stderr
    );
    let made = image::open(scratch.join("whole.png")).unwrap();
    assert_eq!(made.color(), image::ColorType::L8);
    let made = made.into_luma8();
    for y in 0..8 {
        for x in 0..16 {
            assert_eq!(made.get_pixel(x, y)[0], digit.get_pixel(x, y)[0]);
        }
    }
    let large = GrayImage::from_pixel(17, 16, Luma([7]));
    large.save(scratch.join("large.png")).unwrap();
    let refused = restore("large.png --box 0,0,9,9 --output no.png");
    refused.fails_with(
        1,
        &["this model takes images of 16 by 16 alone, and the picture is 17 by 16"],
    );
    let refused = restore("digit.png --box 0,0,9,9 --class 3 --output no.png");
    refused.fails_with(2, &["this model knows no classes"]);
}

#[test]
fn a_grey_picture_becomes_one_in_colour_for_a_run_of_colours() {
    let scratch = Scratch::new();
    for level in [10, 200] {
        scratch.write_picture(&format!("data/{level}.png"), [level, 90, 30]);
    }
    let folder = ["--dataset", "folder", "--data-dir", "data"];
    scratch.train("run", &folder).succeeds();
    let grey = GrayImage::from_fn(16, 16, |x, y| Luma([(x * y) as u8]));
    grey.save(scratch.join("grey.png")).unwrap();
    let line = "restore grey.png --model run --box 0,8,16,8 --output whole.png --device cpu";
    let done = scratch.line(line).succeeds();
    let said = "the model is of colours: grey pictures are taken as three equal ones";
    assert!(done.stderr.contains(said), "{}", done.stderr);
    let made = image::open(scratch.join("whole.png")).unwrap();
    assert_eq!(made.color(), image::ColorType::Rgb8);
    let made = made.into_rgb8();
    for (x, y, pixel) in grey.enumerate_pixels().filter(|(_, y, _)| *y < 8) {
        assert_eq!(made.get_pixel(x, y), &Rgb([pixel[0]; 3]));
    }
}

#[test]
fn runs_that_draw_whole_images_alone_are_refused() {
    let scratch = Scratch::new();
    GrayImage::from_pixel(16, 16, Luma([7]))
        .save(scratch.join("grey.png"))
        .unwrap();
    let flow = [
        "--preset",
        "mnist-flow",
        "--dataset",
        "digits",
        "--set",
        "model.filters=none",
    ];
    scratch.train("flow", &flow).succeeds();
    let asked = "restore grey.png --model flow --box 0,0,4,4 --output no.png --device cpu";
    let expected = [
        "with langevin.method=heun a run draws whole images",
        "name a run",
    ];
    scratch.line(asked).fails_saying(&expected);
    assert!(!scratch.join("no.png").exists());
}

#[test]
fn a_scratch_is_found_and_put_in_and_its_mask_can_be_given_back() {
    let scratch = Scratch::new();
    let ramp = |x: u32, y: u32| (60 + x + y) as u8;
    let is_line = |x: u32, y: u32| (4..60).contains(&x) && y == 8 + x / 2;
    let picture = GrayImage::from_fn(64, 48, |x, y| {
        let value = if is_line(x, y) { 230 } else { ramp(x, y) };
        Luma([value])
    });
    picture.save(scratch.join("old.png")).unwrap();
    let restore = |rest: &str| {
        let line = format!("restore old.png --device cpu {rest}");
        scratch.line(&line).succeeds().stdout
    };
    let said = restore("--find-scratches --mask-output mask.png --output whole.png");
    assert_eq!(said, "mask.png\nwhole.png\n");
    let read = |name: &str| image::open(scratch.join(name)).unwrap().into_luma8();
    let (mask, whole) = (read("mask.png"), read("whole.png"));
    for (x, y, mask) in mask.enumerate_pixels() {
        let (before, after) = (picture.get_pixel(x, y)[0], whole.get_pixel(x, y)[0]);
        if is_line(x, y) {
            assert_eq!(mask[0], 255, "{x}, {y} is of the line");
            let error = after.abs_diff(ramp(x, y));
            assert!(error < 40, "{x}, {y} is {error} away from the ramp");
        }
        if mask[0] == 0 {
            assert_eq!(after, before, "a known pixel stays");
        } else {
            assert!(y.abs_diff(8 + x / 2) <= 6, "{x}, {y} is not of the line");
        }
    }

    restore("--mask mask.png --output again.png");
    let [first, again] = ["whole.png", "again.png"].map(|name| fs::read(scratch.join(name)));
    assert_eq!(first.unwrap(), again.unwrap());

    let alone = restore("--find-scratches --mask-output alone.png");
    assert_eq!(alone, "alone.png\n");
    assert_eq!(read("alone.png"), mask);

    for over in ["--mask-output mask.png --output b.png", "--output mask.png"] {
        let line = format!("restore old.png --mask mask.png {over}");
        let problem = "this is what --mask reads, which is never written over";
        scratch.line(&line).fails_with(1, &[problem]);
    }
    assert_eq!(read("mask.png"), mask);
}

#[test]
fn of_several_pictures_one_without_scratches_stays_as_it_is_and_is_no_failure() {
    let scratch = Scratch::new();
    let plain = GrayImage::from_pixel(64, 48, Luma([90]));
    let is_line = |x: u32, y: u32| (4..60).contains(&x) && y == 8 + x / 2;
    let lined = GrayImage::from_fn(64, 48, |x, y| {
        let value = if is_line(x, y) { 230 } else { 90 };
        Luma([value])
    });
    for (name, picture) in [("in/lined.png", &lined), ("in/plain.jpg", &plain)] {
        picture.save(scratch.write(name, "")).expect("written");
    }
    plain
        .save(scratch.write("one/plain.png", ""))
        .expect("written");
    let restore =
        |rest: &str| scratch.line(&format!("restore {rest} --find-scratches --device cpu"));
    let read = |name: &str| {
        image::open(scratch.join(name))
            .expect("a picture")
            .into_luma8()
    };

    let masks = restore("in --mask-output masks").succeeds();
    assert_eq!(masks.stdout, "masks/lined.png\nmasks/plain.png\n");
    let said = "in/plain.jpg: nothing is missing: no scratch was found";
    assert!(masks.stderr.contains(said), "{}", masks.stderr);
    assert!(masks.stderr.contains("2 pictures given a mask"));
    assert!(read("masks/plain.png").pixels().all(|pixel| pixel[0] == 0));
    assert!(
        read("masks/lined.png")
            .pixels()
            .any(|pixel| pixel[0] == 255)
    );

    let whole = restore("in --output whole").succeeds();
    assert_eq!(whole.stdout, "whole/lined.png\nwhole/plain.jpg\n");
    assert!(whole.stderr.contains(said), "{}", whole.stderr);
    let [before, after] =
        ["in", "whole"].map(|folder| fs::read(scratch.join(folder).join("plain.jpg")));
    assert_eq!(before.expect("read"), after.expect("read"));
    assert_ne!(read("whole/lined.png"), lined);

    // The masks can be given back, the black one, too.
    let line = "restore in --mask masks --output again --device cpu";
    let again = scratch.line(line).succeeds();
    for said in [
        "in/plain.jpg: nothing is missing: the mask is empty",
        "1 picture restored, 1 had nothing missing",
    ] {
        assert!(again.stderr.contains(said), "{}", again.stderr);
    }
    for name in ["lined.png", "plain.jpg"] {
        let [first, again] =
            ["whole", "again"].map(|folder| fs::read(scratch.join(folder).join(name)));
        assert_eq!(first.expect("read"), again.expect("read"), "{name}");
    }

    let boxed = restore("in --box 0,0,2,2 --mask-output boxed").succeeds();
    let said = "in/plain.jpg: --find-scratches: no scratch was found; lower";
    assert!(boxed.stderr.contains(said), "{}", boxed.stderr);

    // Also a folder of one; its restorations are all the picture.
    let draws = restore("one --output draws --samples 3 --json").succeeds();
    let line: serde_json::Value = serde_json::from_str(&draws.stdout).expect("JSON");
    assert_eq!(line["missing"].as_u64(), Some(0));
    assert!(line["doubt"].is_null(), "{line}");
    for name in ["001.png", "003.png", "mean.png"] {
        assert_eq!(read(&format!("draws/plain/{name}")), plain);
    }

    let alone = restore("in/plain.jpg --mask-output alone.png");
    alone.fails_saying(&["in/plain.jpg: --find-scratches: no scratch was found; lower"]);
    assert!(!scratch.join("alone.png").exists());
}

#[test]
fn of_several_pictures_one_without_the_painted_colour_is_copied_and_by_itself_it_is_refused() {
    let scratch = Scratch::new();
    let (painted, ramp) = painted(20, 16);
    for (name, picture) in [("in/painted.png", &painted), ("in/ramp.png", &ramp)] {
        picture.save(scratch.write(name, "")).expect("written");
    }
    let restore =
        |rest: &str| scratch.line(&format!("restore {rest} --mask-color #ff0000 --device cpu"));
    let done = restore("in --output whole").succeeds();
    for said in [
        "in/ramp.png: nothing is missing: no pixel has the painted colour",
        "1 picture restored, 1 had nothing missing",
    ] {
        assert!(done.stderr.contains(said), "{}", done.stderr);
    }
    let [before, after] =
        ["in", "whole"].map(|folder| fs::read(scratch.join(folder).join("ramp.png")));
    assert_eq!(before.expect("read"), after.expect("read"));

    let alone = restore("in/ramp.png --output alone.png");
    alone.fails_saying(&["in/ramp.png: nothing is missing: no pixel has the painted colour"]);
    assert!(!scratch.join("alone.png").exists());
}

/// A folder of two pictures of different sizes and a file that is none, and masks of their names: a line across each.
fn several(scratch: &Scratch) {
    for (name, width, height) in [("a.png", 20, 16), ("b.jpg", 30, 24)] {
        let path = scratch.write(&format!("in/{name}"), "");
        painted(width, height).1.save(path).expect("written");
        let mask = GrayImage::from_fn(width, height, |_, y| Luma([255 * u8::from(y == 5)]));
        let path = scratch.write(&format!("masks/{name}"), "");
        mask.save(path.with_extension("png")).expect("written");
    }
    fs::remove_file(scratch.join("masks/b.jpg")).expect("removed");
    scratch.write("in/c.png", "no picture");
    scratch.write("in/notes.txt", "none");
}

#[test]
fn nothing_is_written_among_the_masks_that_are_read() {
    let scratch = Scratch::new();
    several(&scratch);
    for flag in ["--output", "--mask-output"] {
        let line = format!("restore in/a.png --mask masks {flag} masks/b.png --device cpu");
        let problem = "masks/b.png: it lies in the folder that --mask reads";
        scratch.line(&line).fails_saying(&[flag, problem]);
    }
}

#[test]
fn several_pictures_are_restored_by_masks_of_their_names_and_one_that_fails_loses_none() {
    let scratch = Scratch::new();
    several(&scratch);
    let line = "restore in --mask masks --output out --mask-output found --json --device cpu";
    let done = scratch.line(line);
    let lines: Vec<serde_json::Value> = done
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let said: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["output"].as_str(),
                line["mask"].as_str(),
                line["missing"].as_u64(),
            )
        })
        .collect();
    let expected = [
        (Some("out/a.png"), Some("found/a.png"), Some(20)),
        (Some("out/b.jpg"), Some("found/b.png"), Some(30)),
    ];
    assert_eq!(said, expected);
    assert_eq!(lines[0]["share"].as_f64(), Some(1.0 / 16.0));
    assert!(lines[0]["doubt"].is_null(), "there is one alone");
    done.fails_with(
        1,
        &[
            "c.png as a picture",
            "1 of 3 pictures could not be restored, as said above",
        ],
    );
    let read = |name: &str| image::open(scratch.join(name)).unwrap().into_luma8();
    assert_eq!(read("found/a.png"), read("masks/a.png"));
    let ramp = painted(20, 16).1;
    for (x, y, pixel) in read("out/a.png").enumerate_pixels() {
        let error = pixel[0].abs_diff(ramp.get_pixel(x, y)[0]);
        assert!(if y == 5 { error < 25 } else { error == 0 }, "{x}, {y}");
    }

    fs::remove_file(scratch.join("in/c.png")).unwrap();
    fs::remove_file(scratch.join("masks/b.png")).unwrap();
    let lacks = scratch.line("restore in --mask masks --output lacks --device cpu");
    lacks.fails_with(
        1,
        &["there is no mask masks/b.png in it", "1 of 2 pictures"],
    );
    let one = scratch.line("restore in --box 0,0,2,2 --output whole.png");
    one.fails_with(2, &["of several pictures, name a folder"]);
    let same = scratch.line("restore in --box 0,0,2,2 --output one --mask-output one");
    same.fails_with(2, &["this is what --output names"]);
    fs::create_dir(scratch.join("empty")).expect("a folder");
    let same = "restore in/a.png --box 0,0,2,2 --output empty/a.png --mask-output empty/";
    scratch
        .line(same)
        .fails_with(2, &["this is what --output names"]);
}

#[test]
fn draws_of_several_pictures_go_to_a_folder_each() {
    let scratch = Scratch::new();
    several(&scratch);
    fs::remove_file(scratch.join("in/c.png")).unwrap();
    let line = "restore in --box 2,3,4,2 --output out --samples 2 --json --device cpu";
    let done = scratch.line(line).succeeds();
    for line in done.stdout.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["missing"].as_u64(), Some(8));
        let doubt = line["doubt"].as_f64().expect("a number");
        assert!((0.0..128.0).contains(&doubt) && doubt > 0.0, "{doubt}");
    }
    for folder in ["a", "b"] {
        for name in ["001.png", "002.png", "mean.png", "doubt.png"] {
            let path = scratch.join("out").join(folder).join(name);
            assert!(path.is_file(), "{}", path.display());
        }
    }
}

#[test]
fn masks_are_found_without_restoring() {
    let scratch = Scratch::new();
    several(&scratch);
    fs::remove_file(scratch.join("in/c.png")).unwrap();
    let line = "restore in --box 2,3,4,2 --mask-output masks-found/";
    let done = scratch.line(line).succeeds();
    assert_eq!(done.stdout, "masks-found/a.png\nmasks-found/b.png\n");
    let mask = image::open(scratch.join("masks-found/b.png")).unwrap();
    let white = mask.into_luma8().pixels().filter(|it| it[0] == 255).count();
    assert_eq!(white, 8);
    let neither = scratch.line("restore in --box 2,3,4,2");
    neither.fails_with(2, &["--output"]);
    let idle = scratch.line("restore in --box 2,3,4,2 --mask-output no --samples 3");
    idle.fails_with(2, &["--output"]);
}

#[test]
fn more_than_the_memory_holds_is_refused_before_it_is_read() {
    let scratch = Scratch::new();
    // A header alone, of a picture whose thousand restorations have about 2⁴⁰ bytes.
    scratch.write("huge.pgm", "P5 16384 16384 255\n");
    let line = "restore huge.pgm --box 0,0,2,2 --samples 1000 --output out/ --device cpu";
    scratch.line(line).fails_with(
        1,
        &[
            "huge.pgm: restoring needs at least",
            "are for `--samples` (images of 1×16384×16384)",
            "--no-memory-check",
        ],
    );
    assert!(!scratch.join("out").exists());
    let small = painted(20, 16).0;
    small.save(scratch.join("a.png")).unwrap();
    let anyway = "restore a.png --box 0,0,2,2 --output b.png --no-memory-check --device cpu";
    scratch.line(anyway).succeeds();
}

#[test]
fn a_mask_that_cannot_be_used_says_why() {
    let scratch = Scratch::new();
    GrayImage::from_pixel(8, 6, Luma([90]))
        .save(scratch.join("a.png"))
        .unwrap();
    let mask = |name: &str, width, value| {
        let mask = GrayImage::from_pixel(width, 6, Luma([value]));
        mask.save(scratch.join(name)).unwrap();
    };
    mask("small.png", 7, 255);
    mask("empty.png", 8, 0);
    mask("full.png", 8, 255);
    for (damage, code, problem) in [
        (&[][..], 2, "say what is missing: --mask MASK.png"),
        (
            &["--mask", "small.png"],
            1,
            "it is 7 by 6, and the picture is 8 by 6",
        ),
        (&["--mask", "empty.png"], 1, "the mask is empty"),
        (
            &["--mask", "full.png"],
            1,
            "the mask covers the whole picture",
        ),
        (&["--mask", "none.png"], 1, "none.png as a picture"),
        (
            &["--mask", "none.npy"],
            1,
            "give a picture: no array is read here",
        ),
        (
            &["--mask-color", "red"],
            2,
            "must be six hexadecimal digits",
        ),
        (&["--box", "1,2,3"], 2, "must be four numbers"),
        (&["--box", "-1,0,2,2"], 2, "lies beyond the picture"),
        (
            &["--box", "7,0,2,2"],
            1,
            "lies beyond the picture, which is 8 by 6",
        ),
        (&["--find-scratches"], 1, "no scratch was found; lower"),
        (&["--scratch-tone", "both"], 2, "--find-scratches"),
        (
            &["--find-scratches", "--scratch-contrast", "0"],
            2,
            "must be a number above 0",
        ),
        (
            &["--find-scratches", "--mask-output", "mask.jpg"],
            2,
            "name a .png file",
        ),
        (
            &["--find-scratches", "--mask-output", "b.png"],
            2,
            "this is what --output names",
        ),
        (
            &["--find-scratches", "--mask-output", "a.png"],
            1,
            "which is never written over",
        ),
    ] {
        let args = [
            &["restore", "a.png", "--output", "b.png", "--device", "cpu"],
            damage,
        ]
        .concat();
        scratch.ebm(&args).fails_with(code, &[problem]);
    }
    let over = ["restore", "a.png", "--output", "a.png", "--box", "0,0,1,1"];
    scratch
        .ebm(&over)
        .fails_with(1, &["which is never written over"]);
    assert!(!scratch.join("b.png").exists());
}
