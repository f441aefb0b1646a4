//! Measure how good samples are, and train the features by which they are measured.

use serde_json::Value;

use crate::common::{CONDITIONAL, Scratch};

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

/// Measures that draw no samples.
fn measure<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let first = ["evaluate", "run", "--device", "cpu", "--num", "120"];
    [&first[..], more].concat()
}

/// The report as JSON.
fn report(scratch: &Scratch, more: &[&str]) -> Vec<Value> {
    json(scratch, evaluate(more))
}

fn json(scratch: &Scratch, args: Vec<&str>) -> Vec<Value> {
    let args = [args, vec!["--json"]].concat();
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
    new[0]["device"] = first[0]["device"].clone();
    new[0]["samples"]["seconds"] = first[0]["samples"]["seconds"].clone();
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
    again[0]["samples"]["seconds"] = first[0]["samples"]["seconds"].clone();
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
        table.contains("% of 500 test images, calibration error "),
        "{table}"
    );
    let all = [
        "evaluate",
        "classes",
        "--device",
        "cpu",
        "--num",
        "90",
        "--measure",
        "anomalies,likelihood,samplers",
        "--annealing-chains",
        "12",
        "--annealing-steps",
        "3",
        "--sampler-gradients",
        "200",
        "--against",
        "constant",
        "--temperature",
        "1",
    ];
    let table = scratch.ebm(&all).succeeds().stdout;
    assert!(
        table.contains("bits per dimension of 90 test images"),
        "{table}"
    );
}

#[test]
fn every_measure_gives_the_same_numbers_on_one_thread_and_on_two() {
    let scratch = scratch();
    let all = [
        "--measure",
        "all",
        "--against",
        "noise,shapes,digits",
        "--annealing-steps",
        "4",
        "--annealing-chains",
        "40",
        "--sampler-gradients",
        "200",
    ];
    let on_threads = |threads: &str| -> Vec<Value> {
        let _ = std::fs::remove_dir_all(scratch.join("run/evaluation"));
        let args = [evaluate(&all), vec!["--json"]].concat();
        let mut command = scratch.command(&args);
        let output = command.env("RAYON_NUM_THREADS", threads).output();
        let output = output.expect("the binary starts");
        let text = String::from_utf8_lossy(&output.stderr);
        let mut report: Vec<Value> = serde_json::from_slice(&output.stdout).expect(&text);
        report[0]["device"].take();
        report[0]["samples"]["seconds"].take();
        report
    };
    let first = on_threads("1");
    assert_eq!(first, on_threads("3"));

    let others = first[0]["out_of_distribution"]["others"]
        .as_array()
        .expect("sets");
    let names: Vec<&Value> = others.iter().map(|other| &other["name"]).collect();
    assert_eq!(names, ["noise", "shapes", "digits"]);
    for other in others {
        for score in ["energy", "from_mean", "gradient_norm"] {
            let auroc = other[score]["auroc"].as_f64().expect("a share");
            assert!((0.0..=1.0).contains(&auroc), "{other}");
        }
    }
    // Other digits of the same kind are nothing unusual: the standard error of an AUROC of 120 and 120 is 0.037.
    let digits = others[2]["energy"]["auroc"].as_f64().expect("a share");
    assert!((digits - 0.5).abs() < 5.0 * 0.037, "{digits}");
    let completion = &first[0]["completion"];
    assert_eq!(
        (&completion["images"], &completion["steps"]),
        (&120.into(), &3.into())
    );
    let share = |name: &str| completion[name].as_f64().expect("a share");
    // Chains of three steps put noise in; a training image fits.
    assert!(share("read") < share("read_nearest"), "{completion}");
    assert!(share("read_nearest") < share("read_whole"), "{completion}");
    let likelihood = &first[0]["likelihood"];
    assert_eq!(likelihood["from_noise"]["chains"], 40);
    assert!(likelihood["bits_per_dim"][0].is_f64(), "{likelihood}");
    let methods = first[0]["samplers"]["methods"].as_array().expect("methods");
    let names: Vec<&Value> = methods.iter().map(|method| &method["method"]).collect();
    assert_eq!(names, ["sgld", "mala", "hmc"]);

    let args = vec!["--temperature", "0.01", "--output", "report"];
    let args = [evaluate(&all), args].concat();
    let table = scratch.ebm(&args).succeeds().stdout;
    for part in [
        "of 120 images whose lower half it completed in 3 steps",
        "other images told from 120 test images",
        "‖∇E‖",
        "bits per dimension of 120 test images",
        "± ",
        "in mean E",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let page = std::fs::read_to_string(scratch.join("report/index.html")).expect("a page");
    assert_eq!(page.matches("<svg").count(), 5);
    for chart in [
        "completed-1.png",
        "classes-1.svg",
        "energies-1.svg",
        "from-mean-1.svg",
        "gradient-norms-1.svg",
        "samplers-1.svg",
    ] {
        assert!(scratch.join("report").join(chart).is_file(), "{chart}");
    }
}

#[test]
fn what_needs_no_samples_draws_none_and_what_is_against_may_be_a_folder() {
    let scratch = scratch();
    for i in 0..30_u8 {
        scratch.write_picture(&format!("others/{i:02}.png"), [i, 8 * i, 40]);
    }
    let found = json(
        &scratch,
        measure(&["--measure", "anomalies", "--against", "others,inverted"]),
    );
    let others = found[0]["out_of_distribution"]["others"]
        .as_array()
        .expect("sets");
    assert_eq!(
        (&others[0]["images"], &others[1]["images"]),
        (&30.into(), &120.into())
    );
    assert!(found[0].get("quality").is_none() && found[0].get("samples").is_none());
    assert!(!scratch.join("run/evaluation").exists());
    let six = json(&scratch, measure(&["--measure", "anomalies"]));
    let others = six[0]["out_of_distribution"]["others"]
        .as_array()
        .expect("sets");
    assert_eq!(others.len(), 6);
}

#[test]
fn measures_that_cannot_be_taken_say_why() {
    let scratch = scratch();
    for (asked, said) in [
        (["--against", "nowhere"], "not one of noise, constant"),
        (["--against", "mnist"], "say where its files are: mnist=DIR"),
        (["--temperature", "0"], "must be from 1e-30 to 1e30"),
        (
            ["--temperature", "2"],
            "--temperature does nothing without --measure likelihood",
        ),
        (["--annealing-steps", "16777216"], "must be below 2²⁴"),
        (
            ["--sampler-gradients", "199"],
            "must be from 200 to 100000000",
        ),
        (["--annealing-chains", "1"], "must be at least 2"),
        (["--measure", "luck"], "invalid value 'luck'"),
    ] {
        scratch.ebm(&measure(&asked)).fails_with(2, &[said]);
    }
    scratch
        .ebm(&["evaluate", "run", "--num", "10000001"])
        .fails_with(2, &["must be at most 10000000"]);
    scratch
        .ebm(&measure(&["--measure", "recognition"]))
        .fails_with(2, &["--measure recognition: this model knows no classes"]);
    let steps = ["--measure", "anomalies", "--steps", "3"];
    scratch
        .ebm(&measure(&steps))
        .fails_with(2, &["--steps does nothing without --measure quality"]);
    let from = ["--measure", "anomalies,likelihood", "--from", "buffer"];
    scratch
        .ebm(&measure(&from))
        .fails_with(2, &["--from does nothing without --measure quality"]);
    let folder = ["--measure", "samplers", "--data-dir", "elsewhere"];
    scratch.ebm(&measure(&folder)).fails_with(
        2,
        &["--data-dir does nothing with --measure samplers alone"],
    );
    let few = ["--measure", "likelihood", "--annealing-chains", "121"];
    scratch
        .ebm(&measure(&few))
        .fails_saying(&["121 chains start from as many held-out images, and there are 120"]);
    scratch
        .ebm(&measure(&[
            "--measure",
            "anomalies",
            "--against",
            "no/where",
        ]))
        .fails_saying(&["--against no/where", "does not exist"]);
    let taken = ["--measure", "anomalies", "--output", "run"];
    scratch
        .ebm(&measure(&taken))
        .fails_saying(&["--output run: this folder has files already"]);
    let keys = [
        "data.image_size=28",
        "langevin.noise_std=0",
        "data.train_images=200",
    ];
    let keys = keys.map(|key| ["--set", key]).concat();
    scratch.train("noiseless", &keys).succeeds();
    let samplers = [
        "evaluate",
        "noiseless",
        "--device",
        "cpu",
        "--measure",
        "samplers",
    ];
    scratch
        .ebm(&samplers)
        .fails_saying(&["there is no density to hold them against"]);
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

#[test]
fn damaged_images_are_recognised_by_runs_side_by_side() {
    let scratch = Scratch::new();
    for run in ["one", "other"] {
        scratch.train(run, &CONDITIONAL).succeeds();
    }
    let asked = "evaluate one other --device cpu --measure robustness --output report";
    let table = scratch.line(asked).succeeds().stdout;
    for part in ["one/", "other/", "none", "noise of 0.1", "turned by 60°"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let report = std::fs::read(scratch.join("report/report.json")).expect("a report");
    let report: Vec<Value> = serde_json::from_slice(&report).expect("JSON");
    let damages = report[0]["robustness"]["damages"]
        .as_array()
        .expect("damages");
    assert_eq!(damages.len(), 12);
    // Undamaged images are recognised as often as without damage.
    let plain = scratch.line("evaluate one --device cpu --measure recognition --json");
    let plain: Vec<Value> = serde_json::from_str(&plain.succeeds().stdout).expect("JSON");
    assert_eq!(damages[0]["accuracy"], plain[0]["recognition"]["accuracy"]);
    assert_eq!(damages[0]["examples"].as_array().map(Vec::len), Some(10));
    let page = std::fs::read_to_string(scratch.join("report/index.html")).expect("a page");
    assert!(
        page.contains("hidden square of 0.5: "),
        "what is read stands below"
    );
    assert!(scratch.join("report/damaged-2.png").is_file());
}

#[test]
fn recognition_is_reported_with_its_confusion_and_the_same_seconds_each_time() {
    let scratch = Scratch::new();
    scratch.train("run", &CONDITIONAL).succeeds();
    let line = "evaluate run --device cpu --measure recognition --num 90";
    let table = scratch.line(&format!("{line} --output report")).succeeds();
    let first = report_in(&scratch, "report");
    scratch.line(&format!("{line} --output report")).succeeds();
    assert_eq!(first, report_in(&scratch, "report"));
    let found = &first[0]["recognition"];
    assert_eq!(found["data"], "test images");
    assert!(
        found["seconds_per_image"]
            .as_f64()
            .is_some_and(|it| it > 0.0)
    );
    let names = found["class_names"].as_array().expect("classes");
    let rows = found["confusion"].as_array().expect("rows");
    assert_eq!((names.len(), rows.len()), (10, 10));
    assert!(
        table.stdout.contains("% of 90 test images, "),
        "{}",
        table.stdout
    );
    assert!(table.stdout.contains(" ms an image"), "{}", table.stdout);
    let page = std::fs::read_to_string(scratch.join("report/index.html")).expect("a page");
    assert_eq!(page.matches("<td class=\"right\">").count(), 10);
}

#[test]
fn all_test_images_are_recognised_however_few_samples_are_asked_for() {
    let scratch = Scratch::new();
    let keys = ["--set", "data.test_images=30"];
    scratch
        .train("run", &[&CONDITIONAL[..], &keys].concat())
        .succeeds();
    for (line, told) in [
        (
            "evaluate run --measure recognition --num 20",
            "% of 30 test images",
        ),
        ("classify run --dataset --num 20", "% of 20 test images"),
    ] {
        let said = scratch.line(&format!("{line} --device cpu")).succeeds();
        assert!(said.stdout.contains(told), "{}", said.stdout);
    }
}

/// A report that was written into a folder.
fn report_in(scratch: &Scratch, folder: &str) -> Vec<Value> {
    let path = scratch.join(folder).join("report.json");
    let bytes = std::fs::read(path).expect("a report");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn training_images_are_called_so_where_there_are_no_others_and_other_classes_are_warned_of() {
    let scratch = Scratch::new();
    for i in 0..70_u8 {
        let pixel = 3 * i;
        for (folder, classes) in [("own", ["dark", "light"]), ("other", ["cat", "dog"])] {
            for (class, name) in (0..).zip(classes) {
                let grey = [pixel / 2 + 110 * class; 3];
                scratch.write_picture(&format!("{folder}/{name}/{i:02}.png"), grey);
            }
        }
    }
    let data = "--dataset folder --data-dir own --set data.image_size=28 --set data.channels=1";
    let data = format!("{data} --set model.conditional=true");
    let data: Vec<_> = data.split(' ').collect();
    scratch.train("run", &data).succeeds();
    let line = "evaluate run --device cpu --num 70";
    let more = "--measure quality,recognition,robustness --steps 1 --output run/report";
    let table = scratch.line(&format!("{line} {more}")).succeeds().stdout;
    for part in [
        "compared with training images of the other half",
        "% of 140 training images, calibration error",
        "most often it takes",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let report = report_in(&scratch, "run/report");
    for measure in ["recognition", "robustness"] {
        assert_eq!(report[0][measure]["data"], "training images", "{measure}");
    }

    let done = scratch
        .line(&format!("{line} --steps 1 --data-dir other"))
        .succeeds();
    let warning = "recognition is left out: the classes of the data are not those of the model";
    assert!(done.stderr.contains(warning), "{}", done.stderr);
    let named = format!("{line} --data-dir other --measure recognition,quality");
    scratch
        .line(&named)
        .fails_saying(&["--measure recognition: the classes of the data"]);
}

#[test]
fn classes_that_were_left_out_are_told_from_those_that_were_not() {
    let scratch = Scratch::new();
    let more = ["--leave-out", "3,7", "--set", "data.train_images=400"];
    let args = [&CONDITIONAL[..], &more].concat();
    scratch.train("run", &args).succeeds();
    let asked = "evaluate run --device cpu --measure anomalies --against left-out --num 300 --json";
    let found: Vec<Value> =
        serde_json::from_str(&scratch.line(asked).succeeds().stdout).expect("JSON");
    let found = &found[0]["out_of_distribution"];
    let other = &found["others"][0];
    assert_eq!(other["name"], "left out: 3, 7");
    let [data, others] =
        [&found["images"], &other["images"]].map(|it| it.as_u64().expect("images"));
    assert!(others > 0 && others < data, "{others} of {data}");
    let sample = scratch.sample("run", &["--class", "3"]);
    sample.fails_with(2, &["`3`", "0, 1, 2, 4, 5, 6, 8, 9"]);
    scratch.train("whole", &[]).succeeds();
    let asked = "evaluate whole --device cpu --measure anomalies --against left-out";
    scratch
        .line(asked)
        .fails_saying(&["--against left-out", "--leave-out CLASS"]);
}

/// Keys of a run of the size of the program's features that has learned to denoise.
const DENOISING: [&str; 6] = [
    "--set",
    "data.image_size=28",
    "--set",
    "objective.kind=denoising",
    "--set",
    "data.test_images=40",
];

#[test]
fn a_model_that_has_learned_to_denoise_completes_by_draws() {
    let scratch = Scratch::new();
    scratch.train("run", &DENOISING).succeeds();
    let line = "evaluate run --device cpu --measure completion --num 20";
    let first = scratch.line(&format!("{line} --json")).succeeds().stdout;
    assert_eq!(
        first,
        scratch.line(&format!("{line} --json")).succeeds().stdout
    );
    let found: Vec<Value> = serde_json::from_str(&first).expect("JSON");
    let completion = &found[0]["completion"];
    assert_eq!(completion["images"], 20);
    assert!(completion.get("steps").is_none(), "{completion}");
    let table = scratch.line(line).succeeds().stdout;
    assert!(
        table.contains("lower half it completed by a draw"),
        "{table}"
    );
    scratch
        .line(&format!("{line} --steps 3"))
        .fails_with(2, &["--steps: a model that has learned to denoise"]);
}

#[test]
fn completions_that_cannot_be_read_are_refused_before_anything_is_measured() {
    let scratch = Scratch::new();
    let size = [
        "data.image_size=28",
        "data.test_images=90",
        "data.train_images=200",
    ];
    let size = size.map(|key| ["--set", key]).concat();
    scratch.train("whole", &size).succeeds();
    scratch
        .train("run", &[&size[..], &["--leave-out", "4"]].concat())
        .succeeds();
    let heun = [
        "--set",
        "langevin.method=heun",
        "--set",
        "langevin.grad_clip=none",
    ];
    scratch
        .train("flow", &[&size[..], &heun].concat())
        .succeeds();
    let asked = "--measure quality,completion --device cpu --num 90 --steps 3";
    for (runs, said) in [
        (
            "whole run",
            "know the classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and the images have 0, 1, 2, 3, 5",
        ),
        ("flow", "with langevin.method=heun a run draws whole images"),
    ] {
        let refused = scratch.line(&format!("evaluate {runs} {asked}"));
        refused.fails_saying(&["--measure completion", said]);
    }
    // Not named, it is left out.
    let all = "evaluate run --measure all --device cpu --num 70 --steps 3 --annealing-chains 4";
    let all = format!("{all} --annealing-steps 2 --sampler-gradients 200 --temperature 1");
    let done = scratch.line(&all).succeeds();
    assert!(
        done.stderr.contains("completion is left out"),
        "{}",
        done.stderr
    );
    for run in ["whole", "flow"] {
        assert!(!scratch.join(run).join("evaluation").exists(), "{run}");
    }
}
