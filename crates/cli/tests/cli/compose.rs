//! Draw images from combined energies, and refuse what cannot be combined.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::{CONDITIONAL, Finished, Scratch, bytes, size_of_picture, tree};

/// Two runs, `a` without and `b` with classes.
fn trained() -> Scratch {
    let scratch = Scratch::new();
    scratch.train("a", &["--set", "seed=1"]).succeeds();
    scratch.train("b", &CONDITIONAL).succeeds();
    scratch
}

/// Four images of an expression, in four steps.
fn compose(scratch: &Scratch, expression: &str, args: &[&str]) -> Finished {
    let first = ["compose", expression, "--device", "cpu", "--num", "4"];
    scratch.ebm(&[&first[..], args].concat())
}

/// The same as an array.
fn drawn(scratch: &Scratch, expression: &str, args: &[&str]) -> Vec<u8> {
    let args = [args, &["--output", "s.npy"]].concat();
    compose(scratch, expression, &args).succeeds();
    bytes(&scratch.join("s.npy"))
}

#[test]
fn a_sum_of_energies_draws_a_sheet_and_tells_the_energy_of_each() {
    let scratch = trained();
    let said = compose(&scratch, "a + 0.5*b[3]", &["--output", "s.png"]).succeeds();
    assert_eq!(said.stdout, "s.png\n");
    assert_eq!(size_of_picture(&scratch.join("s.png")), (3 * 34, 3 * 34));
    for fragment in [
        "sum of energies: a + 0.5*b[3]",
        "mean energy of the samples: ",
        "mean energy of a: ",
        "mean energy of b[3]: ",
    ] {
        assert!(said.stderr.contains(fragment), "{}", said.stderr);
    }
    let quiet = compose(&scratch, "a + b", &["--quiet"]).succeeds();
    assert_eq!(quiet.stderr, "");
}

#[test]
fn one_energy_of_weight_1_gives_the_samples_of_its_run() {
    let scratch = trained();
    let cases: [(&str, Option<&str>, &[&str]); 4] = [
        ("a", None, &[]),
        ("b", Some("3"), &[]),
        ("b", Some("3"), &["--seed", "7", "--steps", "3"]),
        ("a", None, &["--set", "langevin.method=mala"]),
    ];
    for (run, class, more) in cases {
        let of_class: Vec<&str> = class.into_iter().flat_map(|it| ["--class", it]).collect();
        let args = [more, of_class.as_slice(), &["--output", "own.npy"]].concat();
        scratch.sample(run, &args).succeeds();
        let bracketed = class.map_or_else(String::new, |class| format!("[{class}]"));
        let composed = drawn(&scratch, &format!("{run}{bracketed}"), more);
        let own = bytes(&scratch.join("own.npy"));
        assert_eq!(composed, own, "{run}{bracketed} {more:?}");
    }
}

#[test]
fn weights_signs_and_mixtures_all_count() {
    let scratch = trained();
    let expressions = ["b[3]", "b[3] + b[8]", "b[3] + 2*b[8]", "b[3] - 0.5*b[8]"];
    let steps = ["--steps", "16"];
    let sums = expressions.map(|expression| drawn(&scratch, expression, &steps));
    let mixtures = ["0.1", "1"].map(|sharpness| {
        let or = ["--or", "--sharpness", sharpness];
        drawn(&scratch, "b[3] + b[8]", &[&or[..], &steps].concat())
    });
    let all: Vec<_> = sums.iter().chain(&mixtures).collect();
    for (place, one) in all.iter().enumerate() {
        assert!(!all[..place].contains(one), "{place} repeats another");
    }
    assert_eq!(sums[1], drawn(&scratch, "b[3] + b[8]", &steps));
    let said = compose(&scratch, "b[3] + b[8]", &["--or"]).succeeds();
    let expected = "mixture of energies, sharpness 100: b[3] + b[8]";
    assert!(said.stderr.contains(expected), "{}", said.stderr);
}

#[test]
fn an_expression_may_begin_with_a_minus_or_be_left_unquoted() {
    let scratch = trained();
    let quoted = drawn(&scratch, "a - 0.5*b[3]", &[]);
    assert_eq!(quoted, drawn(&scratch, "-0.5*b[3] + a", &[]));
    let line = "compose a - 0.5*b[3] --device cpu --num 4 --output s.npy";
    scratch.line(line).succeeds();
    assert_eq!(quoted, bytes(&scratch.join("s.npy")));
}

#[test]
fn classes_are_named_as_the_data_name_them_spaces_included() {
    let scratch = Scratch::new();
    let keys = [
        "data.dataset=shapes",
        "data.factor=size",
        "data.train_images=40",
        "model.conditional=true",
    ];
    let args = keys.map(|key| ["--set", key]).concat();
    scratch.train("size", &args).succeeds();
    let by_name = drawn(&scratch, "size[size 0.5] - 0.1*size[size 1.0]", &[]);
    assert_eq!(by_name, drawn(&scratch, "size[0] - 0.1*size[5]", &[]));
}

#[test]
fn a_composition_has_a_trajectory_an_animation_an_archive_and_a_folder() {
    let scratch = trained();
    let files = ["--trajectory", "way.png", "--animation", "way.gif"];
    let said = compose(
        &scratch,
        "a + b",
        &[&files[..], &["--output", "s.png"]].concat(),
    );
    assert_eq!(said.succeeds().stdout, "s.png\nway.png\nway.gif\n");
    // Four chains; the start and four steps.
    let (columns, rows) = (5 * 16 + 4 * 2, 4 * 16 + 3 * 2);
    let size = size_of_picture(&scratch.join("way.png"));
    assert_eq!(size, (3 * columns, 3 * rows));
    let said = compose(&scratch, "a + b", &["--output", "s.npz"]).succeeds();
    assert_eq!(said.stdout, "s.npz\n");
    // Images of combined energies are of no class.
    compose(&scratch, "b[3] + b[8]", &["--output", "out/"]).succeeds();
    let names: Vec<_> = tree(&scratch.join("out")).into_keys().collect();
    let expected = ["0000.png", "0001.png", "0002.png", "0003.png"];
    assert_eq!(names, expected.map(PathBuf::from));
}

#[test]
fn refuses_what_is_mistyped() {
    let scratch = trained();
    let refuses = |expression: &str, more: &[&str], fragments: &[&str]| {
        let args = ["compose", expression, "--device", "cpu"];
        scratch.refuses_as_typed(&[&args[..], more].concat(), fragments);
    };
    refuses("a b", &[], &["`a b`", "a + or -", "before `b`"]);
    refuses("two*a", &[], &["`two` is no weight"]);
    refuses("b[3", &[], &["a bracket is not closed"]);
    refuses("b[3]+b[8]", &[], &["a space on both sides of + and -"]);
    refuses("b[10]", &[], &["b[10]", "0 to 9"]);
    refuses("a + b[cat]", &[], &["b[cat]", "0 to 9"]);
    refuses("a[3]", &[], &["a[3]", "knows no classes"]);
    refuses("-a - 0.5*b", &[], &["`-a - 0.5*b`", "no bottom"]);
    refuses("a - 0.5*b", &["--or"], &["above 0, got -0.5"]);
    refuses("a", &["--sharpness", "10"], &["--or"]);
    refuses("a", &["--or", "--sharpness", "0"], &["above 0"]);
    refuses("a", &["--set", "batch_size=3"], &["--set batch_size=3"]);
    refuses("a", &["--best-of", "0"], &["--best-of", "at least 1"]);
    refuses(
        "a",
        &["--best-of", "-1"],
        &["invalid value '-1'", "--best-of"],
    );
    let many = ["--num", "1000000", "--best-of", "1000"];
    let problem = "1000000 images of 1000 chains each take more than 100000000 chains";
    refuses("a", &many, &["--best-of 1000", problem, "--num"]);
    refuses("a", &["--output", "s.jpg"], &["--output s.jpg", ".npz"]);
    for flag in ["--trajectory", "--animation"] {
        let same = ["--output", "c.png", flag, "./c.png"];
        refuses("a", &same, &[flag, "this is what --output names"]);
    }
}

#[test]
fn refuses_runs_that_are_not_there_or_of_images_of_another_shape() {
    let scratch = trained();
    scratch.train("large", &["--image-size", "28"]).succeeds();
    let refuses = |expression: &str, fragments: &[&str]| {
        scratch.refuses(&["compose", expression, "--device", "cpu"], fragments);
    };
    let shapes = ["1×16×16", "1×28×28", "large"];
    refuses("a + large", &shapes);
    refuses("a + nowhere", &["nowhere does not exist"]);
    refuses("a+b", &["a+b does not exist", "a space on both sides"]);
}

#[test]
fn of_several_chains_an_image_is_the_one_of_least_energy() {
    let scratch = trained();
    let energies = |num: &str, best_of: &str| -> Vec<f64> {
        let line =
            format!("compose a --device cpu --num {num} --best-of {best_of} --output s.npy --json");
        let said = scratch.line(&line).succeeds();
        let report: Value = serde_json::from_str(&said.stdout).expect("JSON and nothing else");
        assert_eq!(report["num"].to_string(), num);
        let energies = report["terms"][0]["energies"].as_array().expect("energies");
        energies.iter().filter_map(Value::as_f64).collect()
    };
    let least: Vec<f64> = energies("6", "1")
        .chunks(2)
        .map(|chains| chains[0].min(chains[1]))
        .collect();
    assert_eq!(energies("3", "2"), least);
}

#[test]
fn only_chains_that_are_kept_are_in_a_trajectory_and_a_folder() {
    let scratch = trained();
    let files = ["--trajectory", "way.png", "--output", "out/"];
    let args = [&["--best-of", "3"][..], &files].concat();
    compose(&scratch, "a + b", &args).succeeds();
    // Four images; the start and four steps.
    let (columns, rows) = (5 * 16 + 4 * 2, 4 * 16 + 3 * 2);
    let size = size_of_picture(&scratch.join("way.png"));
    assert_eq!(size, (3 * columns, 3 * rows));
    assert_eq!(tree(&scratch.join("out")).len(), 4);
}

#[test]
fn json_holds_the_energies_of_every_image_under_each_term() {
    let scratch = trained();
    let args = ["--output", "s.npy", "--json"];
    let said = compose(&scratch, "a - 0.5*b[3]", &args).succeeds();
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON and nothing else");
    assert_eq!(report["files"], json!(["s.npy"]));
    assert_eq!(report["num"], 4);
    assert!(
        report["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0)
    );
    let terms = report["terms"].as_array().expect("terms");
    let of = |key: &str| -> Vec<&Value> { terms.iter().map(|term| &term[key]).collect() };
    assert_eq!(of("term"), ["a", "b[3]"]);
    assert_eq!(of("weight"), [1.0, -0.5]);
    for (term, args) in terms.iter().zip(["a s.npy", "b s.npy --class 3"]) {
        let energies = term["energies"].as_array().expect("energies");
        let energies: Vec<f64> = energies.iter().filter_map(Value::as_f64).collect();
        let mean = energies.iter().sum::<f64>() / 4.0;
        let told = term["mean_energy"].as_f64().expect("a mean");
        // It was summed in the energies' own precision.
        let is_mean = (told - mean).abs() < 1e-6 * mean.abs();
        assert!(is_mean, "{told} is not {mean}");
        // `ebm energy` finds the same of the written images, which are rounded to bytes.
        let line = format!("energy {args} --device cpu");
        let written = scratch.line(&line).succeeds().stdout;
        let written = written.lines().map(|line| line.split('\t').next());
        let written: Vec<f64> = written
            .map(|energy| energy.and_then(|text| text.parse().ok()).expect("a number"))
            .collect();
        assert_eq!(written.len(), energies.len());
        for (written, energy) in written.iter().zip(&energies) {
            assert!(
                (written - energy).abs() < 0.005,
                "{energy} is not {written}"
            );
        }
    }
}
