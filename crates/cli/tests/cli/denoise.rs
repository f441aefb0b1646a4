//! Take noise off pictures and arrays, and keep every input as it was.

use std::fs;

use image::{GrayImage, Luma, RgbImage};

use crate::common::{Scratch, floats};
use ebm_cli::{save_npy_f32, save_npy_u8};

/// Grey columns of 60 and 180 with noise from −20 to 20.
fn picture(width: u32, height: u32) -> GrayImage {
    let mut word = 1_u32;
    GrayImage::from_fn(width, height, |x, _| {
        let base = if x / 16 % 2 == 0 { 60 } else { 180 };
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Luma([(base + (word >> 8) % 41 - 20) as u8])
    })
}

/// Mean of a column.
fn mean_of_column(picture: &GrayImage, x: u32) -> f64 {
    let values = (0..picture.height()).map(|y| f64::from(picture.get_pixel(x, y)[0]));
    values.sum::<f64>() / f64::from(picture.height())
}

/// Mean square difference of neighbours in a column, where the picture has no edge.
fn roughness(picture: &GrayImage) -> f64 {
    let (width, height) = picture.dimensions();
    let pairs = (0..width).flat_map(|x| (1..height).map(move |y| [(x, y - 1), (x, y)]));
    let squares = pairs.map(|[(a, b), (c, d)]| {
        let difference =
            f64::from(picture.get_pixel(a, b)[0]) - f64::from(picture.get_pixel(c, d)[0]);
        difference * difference
    });
    squares.sum::<f64>() / f64::from(width * (height - 1))
}

#[test]
fn a_picture_becomes_smooth_and_its_file_stays() {
    let scratch = Scratch::new();
    let given = picture(67, 50);
    given.save(scratch.join("old.png")).unwrap();
    let before = fs::read(scratch.join("old.png")).unwrap();
    let done = scratch.line("denoise old.png --output new.png --device cpu");
    let done = done.succeeds();
    assert_eq!(done.stdout, "new.png\n");
    assert!(
        done.stderr
            .contains("old.png: noise of 11.9/255 measured, "),
        "{}",
        done.stderr
    );
    assert_eq!(fs::read(scratch.join("old.png")).unwrap(), before);
    let made = image::open(scratch.join("new.png")).unwrap().into_luma8();
    assert_eq!(made.dimensions(), (67, 50));
    assert!(roughness(&made) < 0.2 * roughness(&given));
    for (x, base) in [(8, 60.0), (24, 180.0), (40, 60.0), (56, 180.0)] {
        let mean = mean_of_column(&made, x);
        assert!(
            (mean - base).abs() < 10.0,
            "column {x} has a mean of {mean}"
        );
    }

    let over = scratch.line("denoise old.png --output old.png");
    over.fails_with(
        1,
        &["this is the picture itself, which is never written over"],
    );
    assert_eq!(fs::read(scratch.join("old.png")).unwrap(), before);
}

/// An APP1 segment of JPEG that says how a picture is to be turned (Exif 2.32, 4.5.4 and 4.6.2): little-endian, one
/// entry, Orientation, of type SHORT.
fn exif_orientation(orientation: u8) -> Vec<u8> {
    let marker_and_length = [0xff, 0xe1, 0, 34];
    let header = b"Exif\0\0II*\0\x08\0\0\0";
    let entries = [1, 0];
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    let no_other_table = [0; 4];
    [
        &marker_and_length[..],
        header,
        &entries,
        &entry,
        &no_other_table,
    ]
    .concat()
}

#[test]
fn a_photograph_that_was_taken_on_its_side_is_written_upright() {
    let scratch = Scratch::new();
    // As it is stored, dark on the left; turned by a quarter to the right, dark above.
    let stored = GrayImage::from_fn(40, 24, |x, _| Luma([if x < 20 { 40 } else { 200 }]));
    stored.save(scratch.join("stored.jpg")).unwrap();
    let bytes = fs::read(scratch.join("stored.jpg")).unwrap();
    let (start_of_image, rest) = bytes.split_at(2);
    let turned = [start_of_image, &exif_orientation(6), rest].concat();
    scratch.write("photo.jpg", turned);
    for name in ["upright.png", "upright.jpg"] {
        let line = format!("denoise photo.jpg --output {name} --sigma 5 --device cpu");
        scratch.line(&line).succeeds();
        // Read without heeding any orientation.
        let made = image::open(scratch.join(name)).unwrap().into_luma8();
        assert_eq!(made.dimensions(), (24, 40));
        for (y, expected) in [(5, 40), (34, 200)] {
            let found = made.get_pixel(12, y)[0];
            assert!(found.abs_diff(expected) < 12, "{name}: {found} in row {y}");
        }
    }
}

#[test]
fn a_folder_becomes_a_folder_of_the_same_names_with_a_line_of_json_each() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("in")).unwrap();
    picture(20, 20).save(scratch.join("in/a.png")).unwrap();
    RgbImage::from_pixel(9, 30, image::Rgb([9, 99, 199]))
        .save(scratch.join("in/b.jpg"))
        .unwrap();
    fs::write(scratch.join("in/notes.txt"), "none").unwrap();
    let args = "denoise in --output out --json --sigma 5 --device cpu";
    let done = scratch.line(args).succeeds();
    let lines: Vec<serde_json::Value> = done
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    let number = |key: &str| lines[0][key].as_f64().expect("a number");
    assert!((number("sigma") - 5.0).abs() < 1e-9);
    assert!((1.0..9.0).contains(&number("taken")), "{}", done.stdout);
    for (name, size) in [("a.png", (20, 20)), ("b.jpg", (9, 30))] {
        let made = image::open(scratch.join("out").join(name)).unwrap();
        assert_eq!((made.width(), made.height()), size);
    }
    scratch
        .line(args)
        .fails_with(1, &["this folder has files already"]);
}

#[test]
fn a_likely_picture_is_another_one_than_the_mean() {
    let scratch = Scratch::new();
    let values: Vec<f32> = (0..576)
        .map(|i| 0.4 + 0.1 * (i * 37 % 11) as f32 / 10.0)
        .collect();
    save_npy_f32(&scratch.join("in.npy"), &[24, 24], &values).unwrap();
    let made = |method: &str| {
        let line = format!(
            "denoise in.npy --output {method}.npy --method {method} --sigma 8 --device cpu"
        );
        scratch.line(&line).succeeds();
        floats(&scratch.join(&format!("{method}.npy")))
    };
    let variance = |values: &[f32]| {
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f32>()
            / values.len() as f32
    };
    let (mean, likely) = (made("mean"), made("descent"));
    assert_ne!(mean, likely);
    for made in [mean, likely] {
        assert!(
            variance(&made) < variance(&values) / 2.0,
            "most of the noise is gone"
        );
    }
}

#[test]
fn arrays_keep_their_layout_and_are_not_clipped() {
    let scratch = Scratch::new();
    // Two pictures of 8×8 in colour: all pixels of a plane alike.
    let colours = [0.2, 1.3, 0.7, -0.1, 0.5, 0.9];
    let values: Vec<f32> = (0..384).map(|i| colours[i / 192 * 3 + i % 3]).collect();
    save_npy_f32(&scratch.join("in.npy"), &[2, 8, 8, 3], &values).unwrap();
    let args = "denoise in.npy --output out.npy --strength 0 --device cpu";
    scratch.line(args).succeeds();
    assert_eq!(floats(&scratch.join("out.npy")), values);
    save_npy_f32(&scratch.join("grey.npy"), &[1, 1], &[1.3]).unwrap();
    let args = "denoise grey.npy --output g.npy --strength 0 --device cpu";
    scratch.line(args).succeeds();
    assert_eq!(floats(&scratch.join("g.npy")), [1.3]);
}

#[test]
fn noise_beyond_what_the_model_has_learned_is_warned_of() {
    let scratch = Scratch::new();
    picture(16, 16).save(scratch.join("a.png")).unwrap();
    let said = |sigma: &str, output: &str| {
        let line = format!("denoise a.png --output {output} --sigma {sigma} --device cpu");
        scratch.line(&line).succeeds().stderr
    };
    let warning = "--sigma 76: the model has learned noise of up to 75";
    assert!(said("76", "76.png").contains(warning));
    assert!(!said("75", "75.png").contains("has learned noise"));
}

#[test]
fn what_cannot_be_denoised_says_why() {
    let scratch = Scratch::new();
    picture(20, 20).save(scratch.join("a.png")).unwrap();
    fs::write(scratch.join("b.png"), "no picture").unwrap();
    save_npy_u8(&scratch.join("bytes.npy"), &[2, 2], &[0; 4]).unwrap();
    for (input, output, code, problem) in [
        ("b.png", "c.png", 1, "b.png as a picture"),
        ("none.png", "c.png", 1, "there is no file none.png"),
        ("a.png", "c.txt", 2, "--output c.txt: name a .png or"),
        ("bytes.npy", "c.npy", 1, "give a .npy file of type float32"),
    ] {
        scratch
            .ebm(&["denoise", input, "--output", output, "--device", "cpu"])
            .fails_with(code, &[problem]);
    }
    for sigma in ["0", "-1"] {
        let line = format!("denoise a.png --output c.png --sigma {sigma}");
        let problem = ["must be auto, or a number above 0"];
        scratch.line(&line).fails_with(2, &problem);
    }
    let best = "denoise a.png --output c.png --best";
    let problem = "--best chooses among the weights of a run: name one with --model RUN";
    scratch.line(best).fails_with(2, &[problem]);
    let both = "denoise a.png b.png --output both --device cpu";
    let problems = [
        "b.png as a picture",
        "1 of 2 pictures could not be denoised",
    ];
    scratch.line(both).fails_with(1, &problems);
    assert!(scratch.join("both/a.png").exists() && !scratch.join("both/b.png").exists());
    scratch.train("run", &[]).succeeds();
    let model = "denoise a.png --output c.png --model run --device cpu";
    let refused = scratch.line(model);
    refused.fails_with(
        1,
        &[
            "--model run: this model has not learned to denoise",
            "ebm train --preset photos",
        ],
    );
    assert!(!scratch.join("c.png").exists());
}
