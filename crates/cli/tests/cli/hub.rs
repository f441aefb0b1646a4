//! Let a model leave as a folder for the Hugging Face Hub, be used from there, and come back as a run.

use std::fs;
use std::path::PathBuf;

use ebm_train::checkpoint;
use image::{GrayImage, Luma};
use serde_json::{Value, json};

use crate::common::{CONDITIONAL, Scratch, bytes, differences, images, latest, trained, tree};
use crate::readme::{assert_taken, invocations};

/// Write `run` as the folder `model`.
const EXPORT: [&str; 8] = [
    "export", "run", "--format", "hf", "--output", "model", "--device", "cpu",
];
const IMPORT: [&str; 4] = ["import", "model", "--output", "back"];

fn export(scratch: &Scratch, more: &[&str]) {
    let said = scratch.ebm(&[&EXPORT[..], more].concat()).succeeds();
    assert_eq!(said.stdout, "model\n");
}

fn set<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    keys.iter().flat_map(|&key| ["--set", key]).collect()
}

/// A run of two iterations with these keys, exported.
fn exported(keys: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    scratch.train("run", &set(keys)).succeeds();
    export(&scratch, &[]);
    scratch
}

/// Four samples, as an array.
fn samples(scratch: &Scratch, source: &str, more: &[&str]) -> Vec<u8> {
    let args = [&["--output", "s.npy"], more].concat();
    scratch.sample(source, &args).succeeds();
    bytes(&scratch.join("s.npy"))
}

fn json_of(scratch: &Scratch, name: &str) -> Value {
    serde_json::from_slice(&bytes(&scratch.join(name))).expect("JSON")
}

fn card(scratch: &Scratch) -> String {
    fs::read_to_string(scratch.join("model/README.md")).expect("a card")
}

fn edit_config(scratch: &Scratch, change: impl FnOnce(&mut Value)) {
    let mut json = json_of(scratch, "model/config.json");
    change(&mut json);
    scratch.write("model/config.json", json.to_string());
}

#[test]
fn samples_of_a_folder_and_of_the_run_made_of_it_are_those_of_its_run() {
    let adapting = [
        "model.network=mnist",
        "model.conditional=true",
        "langevin.method=hmc",
        "langevin.step_size=0.01",
        "langevin.leapfrog_steps=2",
        "langevin.target_acceptance=0.65",
        "objective.kind=softplus",
    ];
    let flow = [
        "objective.kind=flow",
        "langevin.method=euler",
        "langevin.grad_clip=none",
    ];
    let recovery = [
        "objective.kind=recovery",
        "model.filters=none",
        "model.network=unet",
        "model.widths=[4, 8]",
        "langevin.grad_clip=none",
    ];
    let phases = ["phases=[{until=1, set=[\"objective.kind=flow\", \"langevin.step_size=1.0\"]}]"];
    let runs: [&[&str]; 6] = [
        &[],
        &["model.network=resnet32", "model.conditional=true"],
        &adapting,
        &flow,
        &recovery,
        &phases,
    ];
    for keys in runs {
        let scratch = exported(keys);
        scratch.ebm(&IMPORT).succeeds();
        let of_run = samples(&scratch, "run", &[]);
        for source in ["model", "back"] {
            let same = samples(&scratch, source, &[]) == of_run;
            assert!(same, "{source} of {keys:?}");
        }
        assert_ne!(samples(&scratch, "model", &["--seed", "1"]), of_run);
        if keys == adapting {
            let run = latest(&scratch.join("run")).expect("a checkpoint");
            let chains: Value = run.json("chains.json").expect("the size of steps");
            assert_ne!(chains["step_scale"], json!(1.0));
        }
    }
}

#[test]
fn classes_are_drawn_from_a_folder_by_their_names() {
    let scratch = exported(&[
        "data.dataset=shapes",
        "data.train_images=40",
        "model.conditional=true",
    ]);
    let of = |source: &str, class: &str| samples(&scratch, source, &["--class", class]);
    assert_eq!(of("model", "ellipse"), of("run", "ellipse"));
    assert_eq!(of("model", "1"), of("run", "ellipse"));
    assert_ne!(of("model", "heart"), of("run", "ellipse"));
    let unknown = ["sample", "model", "--device", "cpu", "--class", "circle"];
    scratch.refuses_as_typed(&unknown, &["square, ellipse, heart"]);
}

#[test]
fn a_folder_has_the_averaged_weights_or_the_last_ones() {
    let scratch = Scratch::new();
    let visibly = ["--set", "lr=0.01", "--iterations", "5"];
    scratch.train("run", &visibly).succeeds();
    export(&scratch, &[]);
    let average = samples(&scratch, "run", &[]);
    assert_eq!(samples(&scratch, "model", &[]), average);
    fs::remove_dir_all(scratch.join("model")).expect("a folder");
    export(&scratch, &["--no-ema"]);
    let last = samples(&scratch, "run", &["--no-ema"]);
    assert_ne!(last, average);
    for more in [&[][..], &["--no-ema"]] {
        assert_eq!(samples(&scratch, "model", more), last);
    }
}

/// A picture of 16×16 grey pixels.
fn picture(scratch: &Scratch) {
    let picture = GrayImage::from_fn(16, 16, |x, y| Luma([(60 + 7 * x + 3 * y) as u8]));
    picture.save(scratch.join("p.png")).expect("a picture");
}

#[test]
fn every_command_takes_a_folder_in_place_of_its_run() {
    let scratch = Scratch::new();
    scratch.train("run", &CONDITIONAL).succeeds();
    let denoising = [
        "objective.kind=denoising",
        "objective.noise_reference=0.1",
        "model.activation=swish",
    ];
    scratch.train("denoiser", &set(&denoising)).succeeds();
    export(&scratch, &[]);
    let line = "export denoiser --format hf --output denoiser-model --device cpu";
    scratch.line(line).succeeds();
    picture(&scratch);
    images(&scratch);
    for (line, run, model) in [
        ("energy RUN images.npy --gradients g.npy", "run", "model"),
        (
            "energy RUN --data train --num 3 --output g.npy",
            "run",
            "model",
        ),
        (
            "score RUN images.npy p.png --json --output g.png",
            "run",
            "model",
        ),
        ("classify RUN images.npy", "run", "model"),
        ("compose RUN[3] --num 2 --output g.npy", "run", "model"),
        (
            "restore p.png --model RUN --box 0,0,4,4 --output g.png",
            "run",
            "model",
        ),
        ("export RUN --output g.safetensors", "run", "model"),
        (
            "denoise p.png --model RUN --output g.png",
            "denoiser",
            "denoiser-model",
        ),
    ] {
        let results = |source: &str| {
            let line = format!("{line} --device cpu").replace("RUN", source);
            let said = scratch.line(&line).succeeds().stdout;
            let written = ["g.npy", "g.png", "g.safetensors"].map(|name| {
                let path = scratch.join(name);
                let content = fs::read(&path).ok();
                let _ = fs::remove_file(&path);
                content
            });
            (said, written)
        };
        let [one, other] = [run, model].map(results);
        assert_eq!(one.0, other.0, "{line}");
        assert!(one.1 == other.1, "{line}");
        assert!(
            one.1.iter().any(Option::is_some) || one.0.lines().count() == 3,
            "{line}: {}",
            one.0
        );
    }
}

#[test]
fn a_run_that_was_imported_goes_on_where_the_exported_one_stood() {
    let scratch = exported(&[]);
    let longer = ["--set", "iterations=4"];
    let said = scratch.ebm(&[&IMPORT[..], &longer].concat()).succeeds();
    assert_eq!(said.stdout, "back/checkpoints/step_000002\n");
    let train = ["train", "--run-dir", "back", "--device", "cpu"];
    let gone_on = scratch.ebm(&train).succeeds().stderr;
    assert!(gone_on.contains("going on after iteration 2"), "{gone_on}");
    assert_eq!(latest(&scratch.join("back")).map(|last| last.step), Some(4));
    samples(&scratch, "back", &[]);

    // It knows how many images it has learned from.
    let line = "export back --format hf --output again --device cpu";
    scratch.line(line).succeeds();
    let json = json_of(&scratch, "again/config.json");
    assert_eq!(json["training_images"]["num"], json!(64));
    assert_eq!(json["iteration"], json!(4));
}

#[test]
fn a_folder_has_the_weights_their_description_a_card_and_the_newest_picture() {
    let scratch = exported(&["output.sample_every=1"]);
    let names: Vec<_> = tree(&scratch.join("model")).into_keys().collect();
    let expected = [
        "README.md",
        "config.json",
        "model.safetensors",
        "samples.png",
    ];
    assert_eq!(names, expected.map(PathBuf::from));
    let file = |name: &str| bytes(&scratch.join(name));
    assert_eq!(
        file("model/samples.png"),
        file("run/samples/step_000002.png")
    );
    let line = "export run --output w.safetensors --device cpu";
    scratch.line(line).succeeds();
    assert_eq!(file("model/model.safetensors"), file("w.safetensors"));

    let json = json_of(&scratch, "model/config.json");
    let note = checkpoint::note(&file("w.safetensors"), "ebm").expect("metadata");
    let note: Value = serde_json::from_str(&note).expect("JSON");
    for (key, value) in [
        ("model_type", json!("ebm")),
        ("format_version", json!(1)),
        ("ebm_version", json!(env!("CARGO_PKG_VERSION"))),
        ("weights", json!("average")),
        ("iteration", json!(2)),
        ("step_scale", json!(1.0)),
        ("image_shape", json!([1, 16, 16])),
        ("architecture", note),
    ] {
        assert_eq!(json[key], value, "{key}");
    }
    assert_eq!(json["training_images"]["num"], json!(64));
    assert_eq!(json["config"]["batch_size"], json!(8));
    assert_eq!(json["config"]["model"]["filters"], json!(4));
    let page = include_str!("../../../../docs/training.md");
    for key in json.as_object().expect("an object").keys() {
        let is_explained = |line: &str| line.starts_with('|') && line.contains(&format!("`{key}`"));
        assert!(page.lines().any(is_explained), "`{key}`");
    }

    // A folder can be written from a folder, and is the same model.
    let again = "export model --format hf --output again --device cpu";
    scratch.line(again).succeeds();
    let [one, other] = ["model", "again"].map(|name| tree(&scratch.join(name)));
    let expected = ["README.md", "samples.png"].map(PathBuf::from);
    let mut different = differences(&one, &other);
    different.sort();
    assert_eq!(different, expected);
}

#[test]
fn a_card_begins_with_yaml_and_tells_what_is_known() {
    let scratch = exported(&["output.sample_every=1", "data.test_images=8"]);
    let written = card(&scratch);
    let rest = written.strip_prefix("---\n").expect("front matter");
    let (yaml, text) = rest.split_once("\n---\n").expect("its end");
    let mut keys = Vec::new();
    for line in yaml.lines() {
        if line.starts_with("# ") || line.starts_with("- ") {
            continue;
        }
        let (key, value) = line.split_once(':').expect("a key");
        assert!(value.is_empty() || value.starts_with(' '), "{line}");
        keys.push(key);
    }
    assert_eq!(keys, ["library_name", "pipeline_tag", "tags", "datasets"]);
    for line in [
        "library_name: ebm",
        "pipeline_tag: unconditional-image-generation",
        "- energy-based-model",
        "# license: mit",
    ] {
        assert!(yaml.lines().any(|it| it == line), "no {line:?} in: {yaml}");
    }
    for fragment in [
        "\n# Energy-based model of digits that ebm draws\n",
        "E(x) of an image x of 1×16×16",
        "by 4 steps of `sgld`",
        "(samples.png)",
        "after 2 iterations",
        "| data | digits that ebm draws, 64 training images |",
        "| network | `uva`, ",
        "| iterations | 2 |",
        "batch_size = 8\n",
        "[langevin]\n",
        "| `sample_distance` | ",
        "| `e_test` | ",
    ] {
        assert!(text.contains(fragment), "no {fragment:?} in: {text}");
    }
    assert!(!text.contains("`ebm evaluate`"), "nobody has: {text}");

    let bare = exported(&["output.log_every=5"]);
    let written = card(&bare);
    assert!(!written.contains("samples.png") && !bare.join("model/samples.png").exists());
    assert!(written.contains("| `loss` | "), "{written}");
    fs::remove_file(bare.join("run/metrics.jsonl")).expect("metrics");
    fs::remove_dir_all(bare.join("model")).expect("a folder");
    export(&bare, &[]);
    assert!(!card(&bare).contains("## Measured"));
}

#[test]
fn a_card_of_a_classifier_reads_pictures_and_draws_none() {
    let classifier = [
        "--preset",
        "mnist-sgld",
        "--dataset",
        "digits",
        "--set",
        "model.filters=none",
        "--set",
        "model.widths=[8]",
        "--set",
        "output.sample_every=1",
    ];
    let scratch = Scratch::new();
    scratch.train("run", &classifier).succeeds();
    export(&scratch, &[]);
    let written = card(&scratch);
    for fragment in [
        "pipeline_tag: image-classification\n",
        "\n# Classifier of digits that ebm draws\n",
        "p(y | x) ∝ exp(−E(x, y)) of an image x of 1×16×16",
        "| weights | those of the last iteration |",
        "says which class a picture is of",
        "`ebm bayes RUN --beside DIR`",
        "an image of none of them",
    ] {
        assert!(written.contains(fragment), "no {fragment:?} in: {written}");
    }
    for other in [
        "ebm sample",
        "samples.png",
        "image-generation",
        "down from noise",
    ] {
        assert!(!written.contains(other), "{other:?} in: {written}");
    }
    assert!(!scratch.join("model/samples.png").exists());
    let commands = invocations(&written);
    let names: Vec<_> = commands.iter().map(|args| args[0].as_str()).collect();
    assert_eq!(names, ["classify", "import", "train", "import", "train"]);
    for args in &commands {
        assert_taken("the card", args);
    }
}

#[test]
fn a_card_of_latent_vectors_says_where_images_come_from_and_infers() {
    let latent = [
        "--preset",
        "mnist-latent",
        "--dataset",
        "digits",
        "--set",
        "model.filters=none",
        "--set",
        "model.widths=[4,4]",
    ];
    let scratch = Scratch::new();
    scratch.train("run", &latent).succeeds();
    export(&scratch, &[]);
    let written = card(&scratch);
    for fragment in [
        "An energy E(x) = min E(x, z) over latent vectors z, of an image x of 1×16×16",
        "New images are generated from latent vectors that come down from noise by",
    ] {
        assert!(written.contains(fragment), "no {fragment:?} in: {written}");
    }
    let commands = invocations(&written);
    let names: Vec<_> = commands.iter().map(|args| args[0].as_str()).collect();
    let expected = [
        "sample", "infer", "energy", "import", "train", "import", "train",
    ];
    assert_eq!(names, expected);
}

#[test]
fn every_command_of_a_card_runs() {
    let scratch = exported(&["model.conditional=true"]);
    let invocations = invocations(&card(&scratch));
    fs::rename(scratch.join("model"), scratch.join("DIR")).expect("a folder");
    scratch.write_picture("picture.png", [90; 3]);
    for class in 0..10 {
        scratch.write_picture(&format!("PICTURES/{class}/a.png"), [20 * class; 3]);
    }
    let mut commands = Vec::new();
    for args in &invocations {
        assert_taken("the card", args);
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        commands.push(args[0]);
        if args[0] != "import" {
            args.extend(["--device", "cpu"]);
        }
        scratch.ebm(&args).succeeds();
    }
    let expected = [
        "sample", "sample", "energy", "import", "train", "import", "train",
    ];
    assert_eq!(commands, expected);
    for run in ["imported", "tuned"] {
        let last = latest(&scratch.join(run)).map(|last| last.step);
        assert_eq!(last, Some(4), "{run}");
    }
}

#[test]
fn a_model_is_tuned_to_pictures_of_ones_own_without_force() {
    for keys in [&[][..], &["data.dataset=folder", "data.dir=theirs"]] {
        let scratch = Scratch::new();
        for (number, name) in ["theirs/a.png", "theirs/b.png", "mine/c.png", "mine/d.png"]
            .iter()
            .enumerate()
        {
            scratch.write_picture(name, [60 * number as u8; 3]);
        }
        let of_folder = ["--preset", "digits", "--channels", "1"];
        let keys = [&set(keys)[..], &of_folder].concat();
        scratch.train("run", &keys).succeeds();
        export(&scratch, &[]);
        let own = "import model --output own --set iterations=4";
        let said = scratch.line(own).succeeds().stderr;
        let tuned =
            "import model --output NEW --dataset folder --data-dir PICTURES --set iterations=4";
        assert!(said.contains(&format!("ebm {tuned}")), "{said}");

        let tuned = tuned.replace("PICTURES", "mine").replace("NEW", "tuned");
        let said = scratch.line(&tuned).succeeds().stderr;
        assert!(
            said.contains("goes on with the data that were named"),
            "{said}"
        );
        scratch
            .line("train --run-dir tuned --device cpu")
            .succeeds();
        // From then on it is held to these.
        let other = "train --run-dir tuned --device cpu --data-dir theirs --iterations 5";
        scratch.line(other).fails_saying(&["other training images"]);
    }
}

/// A run of the size of the program's features.
fn judged() -> Scratch {
    let scratch = Scratch::new();
    let keys = [
        "data.image_size=28",
        "data.test_images=100",
        "data.train_images=200",
    ];
    scratch.train("run", &set(&keys)).succeeds();
    scratch
}

const EVALUATE: &str = "--device cpu --num 120 --steps 3";

#[test]
fn a_card_has_the_results_of_its_checkpoint_and_its_weights() {
    let scratch = judged();
    let line = format!("evaluate run {EVALUATE} --output run/report");
    scratch.line(&line).succeeds();
    export(&scratch, &[]);
    let report = json_of(&scratch, "run/report/report.json");
    let frechet = report[0]["quality"]["samples"]["frechet"].as_f64();
    let frechet = frechet.expect("a distance");
    let expected = format!(
        "| Fréchet distance | {frechet:.2} | 120 samples of 3 steps from noise, seed 0, beside 120 test images; features "
    );
    let first = card(&scratch);
    assert!(first.contains(&expected), "no {expected:?} in: {first}");

    // The last weights, and later ones, have not been measured.
    let others: [&[&str]; 2] = [&["--no-ema"], &[]];
    for more in others {
        fs::remove_dir_all(scratch.join("model")).expect("a folder");
        export(&scratch, more);
        let has_results = card(&scratch).contains("Fréchet distance |");
        assert_eq!(has_results, more.is_empty());
    }
    let later = ["train", "--run-dir", "run", "--device", "cpu"];
    scratch
        .ebm(&[&later[..], &["--iterations", "3"]].concat())
        .succeeds();
    fs::remove_dir_all(scratch.join("model")).expect("a folder");
    export(&scratch, &[]);
    assert!(!card(&scratch).contains("Fréchet distance |"));
}

#[test]
fn a_folder_is_evaluated_as_its_run_is_but_from_no_buffer() {
    let scratch = judged();
    export(&scratch, &[]);
    let evaluated = |source: &str| {
        let line = format!("evaluate {source} {EVALUATE} --json");
        let stdout = scratch.line(&line).succeeds().stdout;
        let report: Value = serde_json::from_str(&stdout).expect("JSON");
        report[0].clone()
    };
    let [run, model] = ["run", "model"].map(evaluated);
    assert_eq!(run["quality"], model["quality"]);
    assert_ne!(run["fingerprint"], model["fingerprint"]);
    assert_eq!(model["iteration"], json!(2));
    let line = format!("evaluate model {EVALUATE} --from buffer");
    let fragments = ["model: ", "no replay buffer", "start from noise"];
    scratch.line(&line).fails_saying(&fragments);
}

#[test]
fn what_stays_with_the_run_is_refused_by_name() {
    let scratch = exported(&[]);
    let kept = "it has the moving average of the weights, and no others";
    for (more, fragments) in [
        (
            &["--init", "buffer"][..],
            &["an exported model has no replay buffer", "start from noise"][..],
        ),
        (
            &["--no-ema"],
            &["model is an exported model", kept, "leave out --no-ema"],
        ),
        (
            &["--best"],
            &["model is an exported model", kept, "and --best"],
        ),
    ] {
        let sample = ["sample", "model", "--device", "cpu"];
        scratch.refuses(&[&sample[..], more].concat(), fragments);
    }
    let energy = "energy model --data train --no-ema --device cpu";
    scratch.line(energy).fails_saying(&[kept]);
}

#[test]
fn refuses_a_folder_that_is_no_model_of_this_program() {
    let again = "ebm export --format hf";
    for (source, problem) in [
        ("nowhere", "nowhere does not exist"),
        (
            "photos",
            "photos is neither a run directory nor a checkpoint",
        ),
    ] {
        let scratch = Scratch::new();
        scratch.write("photos/a.txt", "no model");
        let sample = ["sample", source, "--device", "cpu"];
        scratch.refuses(&sample, &[problem, again]);
    }
    let scratch = exported(&[]);
    let refuses = |fragments: &[&str]| {
        scratch.refuses(&["sample", "model", "--device", "cpu"], fragments);
        scratch.refuses(&IMPORT, fragments);
    };
    edit_config(&scratch, |json| json["format_version"] = json!(2));
    let newer = "model/config.json was exported by a newer version (format 2, this program";
    refuses(&[newer, "update ebm"]);
    edit_config(&scratch, |json| json["model_type"] = json!("bert"));
    let foreign = "model/config.json is not of a model of this program";
    refuses(&[foreign, "its model_type is \"bert\"", again]);
    scratch.write("model/config.json", "{ \"model_type\": ");
    refuses(&["model/config.json is not valid", "fetch the whole folder"]);
    fs::remove_file(scratch.join("model/config.json")).expect("a file");
    refuses(&["model/config.json is missing", "fetch the whole folder"]);
}

#[test]
fn refuses_weights_that_do_not_fit_and_weights_that_are_missing() {
    let scratch = exported(&[]);
    scratch
        .train("other", &["--set", "model.filters=8"])
        .succeeds();
    let line = "export other --output model/model.safetensors --device cpu";
    scratch.line(line).succeeds();
    let sample = ["sample", "model", "--device", "cpu"];
    let file = "model/model.safetensors";
    let fragments = [
        "is not of the model in the config.json beside it",
        "model.filters is 8, not 4",
        "fetch the whole folder",
    ];
    scratch.refuses(&sample, &[&[file][..], &fragments].concat());
    let fragments = [file, "is of another model", "pass --set model.filters=8"];
    scratch.refuses(&IMPORT, &fragments);
    // As the message says: the weights are there, and are of that model.
    let other = ["--set", "model.filters=8"];
    scratch.ebm(&[&IMPORT[..], &other].concat()).succeeds();
    fs::remove_dir_all(scratch.join("back")).expect("a run");

    let path = scratch.join(file);
    let arrays = checkpoint::decode(&bytes(&path), &path).expect("arrays");
    scratch.write(file, checkpoint::encode(&arrays));
    scratch.refuses(&sample, &[file, "`convs.0.weight` is [8, 1, 5, 5], not ["]);
    scratch.refuses(&IMPORT, &["cannot import model", "convs.0.weight"]);
    scratch.write(file, "version https://git-lfs.github.com/spec/v1\nsize 9\n");
    scratch.refuses(&sample, &[file, "git lfs pull"]);
    fs::remove_file(path).expect("a file");
    scratch.refuses(&sample, &["model/model.safetensors is missing"]);
}

#[test]
fn a_run_is_no_exported_model_and_says_how_to_make_one_of_it() {
    let scratch = trained();
    for source in ["run", "run/checkpoints/step_000002"] {
        let import = ["import", source, "--output", "back"];
        let said = format!("{source} is a run of this program or one of its checkpoints");
        let export = format!("ebm export {source} --format hf --output MODEL");
        scratch.refuses(&import, &[&said, &export, "ebm import MODEL --output NEW"]);
        let without_flag = ["import", source, "back"];
        scratch.refuses_as_typed(&without_flag, &["back", "tip: ", "--output DIR"]);
    }
    export(&scratch, &[]);
    scratch.ebm(&IMPORT).succeeds();
}

#[test]
fn a_folder_is_written_where_there_is_none_or_an_empty_one_and_replaces_nothing() {
    let scratch = trained();
    scratch.write("taken/notes.txt", "mine");
    scratch.write("file", "");
    for (output, fragments) in [
        ("taken", &["--output taken", "has files already"][..]),
        ("file", &["--output file", "there is a file of this name"]),
        (
            "nowhere/model",
            &["--output nowhere/model", "there is no folder"],
        ),
    ] {
        let args = [&EXPORT[..5], &[output, "--device", "cpu"]].concat();
        scratch.refuses(&args, fragments);
    }
    fs::create_dir(scratch.join("model")).expect("a folder");
    export(&scratch, &[]);
    scratch.ebm(&IMPORT).succeeds();
    scratch.refuses(
        &IMPORT,
        &["cannot import model", "back holds a run", "--output"],
    );
}

#[test]
fn a_folder_that_cannot_be_written_whole_leaves_nothing() {
    let scratch = trained();
    // A picture that cannot be read.
    fs::create_dir_all(scratch.join("run/samples/step_000002.png")).expect("a folder");
    scratch.refuses(&EXPORT, &["cannot read ", "run/samples/step_000002.png"]);
    if cfg!(target_os = "linux") {
        fs::remove_dir(scratch.join("run/samples/step_000002.png")).expect("a folder");
        // Not even root makes a folder there.
        let args = [&EXPORT[..5], &["/proc/model", "--device", "cpu"]].concat();
        scratch.refuses(&args, &["cannot write /proc/model", "choose another place"]);
    }
}
