//! Hold exported folders to the models that they were made of, and refuse all others.

use ebm_train::ObjectiveKind;
use ebm_train::preset::PRESETS;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::tests::trained;
use super::*;
use crate::OpenError;
use crate::sample::{SampleError, SampleOptions, sample};

/// A folder with a trained model.
fn exported(trained: &Trained, weights: Weights) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files(trained, weights) {
        fs::write(folder.path().join(name), bytes).expect("written");
    }
    folder
}

/// A model without classes.
fn plain() -> TempDir {
    exported(&trained(&[], &[]), Weights::Average)
}

fn open(folder: &Path) -> Trained {
    Trained::open(folder, &Device::flex()).expect("opened")
}

fn edit(folder: &TempDir, change: impl FnOnce(&mut Value)) {
    let path = folder.path().join(CONFIG);
    let bytes = fs::read(&path).expect("a description");
    let mut json = serde_json::from_slice(&bytes).expect("JSON");
    change(&mut json);
    fs::write(&path, json.to_string()).expect("written");
}

/// Pixels of three samples.
fn samples(trained: &Trained) -> Vec<f32> {
    let options = SampleOptions {
        steps: 3,
        ..SampleOptions::new(trained, 3)
    };
    let images = sample(trained, &options).expect("drawn").images;
    images.into_data().iter::<f32>().collect()
}

#[test]
fn a_folder_gives_the_model_and_the_samples_of_its_run_and_the_same_folder() {
    let of_classes: [&[&str]; 2] = [&[], &["ant", "bee", "cat"]];
    for class_names in of_classes {
        let conditional = format!("model.conditional={}", !class_names.is_empty());
        let run = trained(&[&conditional], class_names);
        let folder = exported(&run, Weights::Average);
        let again = open(folder.path());
        assert_eq!(again.class_names(), class_names);
        let [one, other] = [&again, &run].map(|it| (it.num_classes(), it.shape()));
        assert_eq!(one, other);
        assert_eq!(again.run_config(), run.run_config());
        assert!(run.config().model.has_spectral_norm());
        assert!(!again.config().model.has_spectral_norm());
        assert_eq!(samples(&again), samples(&run));
        let [one, other] = [&again, &run].map(|it| files(it, Weights::Average));
        assert_eq!(one, other);
        let fingerprint = again.fingerprint().expect("two files");
        edit(&folder, |json| json["iteration"] = json!(7));
        assert_ne!(open(folder.path()).fingerprint().ok(), Some(fingerprint));
    }
}

#[test]
fn an_imported_run_stands_where_the_exported_one_stood() {
    let phases = "phases=[{until=4, set=[\"objective.kind=flow\"]}]";
    let folder = exported(&trained(&[phases], &[]), Weights::Average);
    for (iteration, kind) in [(3, ObjectiveKind::Flow), (6, ObjectiveKind::Cd)] {
        edit(&folder, |json| {
            json["iteration"] = json!(iteration);
            json["step_scale"] = json!(2.5);
        });
        let model = open(folder.path());
        assert_eq!(model.config().objective.kind, kind);
        assert_eq!(model.step_scale(), 2.5);

        let run = tempfile::tempdir().expect("a folder");
        let read = Exported::read(folder.path()).expect("whole");
        let checkpoint = read.import(&read.config(), run.path()).expect("imported");
        assert!(checkpoint.ends_with(format!("step_{iteration:06}")));
        let imported = open(run.path());
        assert_eq!(imported.config(), model.config());
        assert_eq!(imported.state().iteration, iteration);
        // Chains come with the part of the run that has some, and with them the size of their steps.
        let has_chains = kind == ObjectiveKind::Cd;
        assert_eq!(imported.chains().is_ok(), has_chains);
        assert_eq!(imported.step_scale(), if has_chains { 2.5 } else { 1.0 });
        assert_eq!(imported.only_weights(), None);
        if has_chains {
            assert_eq!(samples(&imported), samples(&model));
        }
        let taken = read.import(&read.config(), run.path());
        assert!(matches!(taken, Err(ImportError::Taken { .. })));
    }
}

#[test]
fn what_stays_with_the_run_is_asked_for_in_vain() {
    let run = trained(&[], &[]);
    let folder = exported(&run, Weights::Average);
    let average = open(folder.path());
    assert!(run.chains().is_ok() && run.require(Weights::Last).is_ok());
    assert_eq!(average.chains().err(), Some(SampleError::NotExported));
    assert!(average.require(Weights::Average).is_ok());
    let refused = average.require(Weights::Last).expect_err("refused");
    let expected = "it has the moving average of the weights, and no others";
    assert!(refused.to_string().ends_with(expected), "{refused}");
    let best = Trained::open_best(folder.path(), &Device::flex());
    assert!(matches!(best, Err(OpenError::NotExported { .. })));
    let last = open(exported(&run, Weights::Last).path());
    assert_eq!(last.weights(Weights::Average), Weights::Last);
    assert!(last.require(Weights::Last).is_ok());
}

/// Why a folder is refused.
#[track_caller]
fn assert_refused(folder: &TempDir, expected: &str) {
    let refused = Trained::open(folder.path(), &Device::flex()).expect_err("refused");
    let message = refused.to_string();
    assert!(message.contains(expected), "no {expected:?} in: {message}");
    let folder = folder.path().display().to_string();
    assert_eq!(message.matches(&folder).count(), 1, "{message}");
}

#[test]
fn refuses_a_description_of_another_program_or_a_later_format_and_impossible_values() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 8] = [
        (
            "config.json is not of a model of this program: its model_type is \"bert\", not \"ebm\"",
            |json| *json = json!({"model_type": "bert"}),
        ),
        ("it has no model_type", |json| *json = json!([])),
        ("by a newer version (format 2, this", |json| {
            *json = json!({"model_type": "ebm", "format_version": 2});
        }),
        ("missing field", |json| {
            *json = json!({"model_type": "ebm", "format_version": 1});
        }),
        ("`config.lr` must be ≥ 0", |json| {
            json["config"]["lr"] = json!(-1.0);
        }),
        ("unknown field `nonsense`", |json| {
            json["config"]["nonsense"] = json!(1);
        }),
        ("0 class_names and 1 class_frequencies", |json| {
            json["class_frequencies"] = json!([1.0]);
        }),
        ("step_scale is 0", |json| json["step_scale"] = json!(0.0)),
    ];
    for (expected, change) in changes {
        let folder = plain();
        edit(&folder, change);
        assert_refused(&folder, expected);
    }
    let folder = plain();
    fs::write(folder.path().join(CONFIG), "{").expect("written");
    assert_refused(&folder, "config.json is not valid: EOF");
}

#[test]
fn refuses_a_folder_that_is_not_whole_and_weights_of_another_model() {
    for name in MODEL_FILES {
        let folder = plain();
        fs::remove_file(folder.path().join(name)).expect("a file");
        assert_refused(&folder, &format!("{name} is missing"));
    }
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    let file = to_safetensors(&trained(&["model.filters=8"], &[]), Weights::Last);
    let arrays = checkpoint::decode(&file, Path::new("file")).expect("arrays");
    let stripped = checkpoint::encode(&arrays);
    let own = to_safetensors(&trained(&[], &[]), Weights::Last);
    let mut arrays = checkpoint::decode(&own, Path::new("file")).expect("arrays");
    arrays.insert("extra".to_owned(), Array::new([1], vec![0_f32]));
    let one_more = checkpoint::encode(&arrays);
    for (weights, expected) in [
        (pointer.as_bytes(), "git lfs pull"),
        (b"PNG", "is not valid: it does not hold arrays"),
        (&file, "beside it: model.filters is 8, not 16"),
        (&stripped, "beside it: `convs.0."),
        (
            &one_more,
            "it holds `extra`, which the network does not have",
        ),
    ] {
        let folder = plain();
        fs::write(folder.path().join(WEIGHTS), weights).expect("written");
        assert_refused(&folder, expected);
    }
}

#[test]
fn every_value_of_a_description_that_the_metadata_know_is_held_to_them() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 6] = [
        ("image_shape is [1,28,28], not [1,32,32]", |json| {
            json["image_shape"] = json!([1, 32, 32]);
        }),
        (
            "class_names is [\"ant\",\"bee\"], not [\"ant\",\"cow\"]",
            |json| json["class_names"][1] = json!("cow"),
        ),
        ("weights is average, not last", |json| {
            json["weights"] = json!("last");
        }),
        ("architecture.activation is \"", |json| {
            json["architecture"]["activation"] = json!("tanh");
        }),
        ("architecture.channels is 1, not absent", |json| {
            let architecture = json["architecture"].as_object_mut();
            architecture.expect("an object").remove("channels");
        }),
        ("architecture.mine is absent, not 3", |json| {
            json["architecture"]["mine"] = json!(3);
        }),
    ];
    let run = trained(&["model.conditional=true"], &["ant", "bee"]);
    for (expected, change) in changes {
        let folder = exported(&run, Weights::Average);
        open(folder.path());
        edit(&folder, change);
        assert_refused(&folder, expected);
        let imported = Exported::read(folder.path());
        assert!(matches!(imported, Err(HubError::OtherWeights { .. })));
    }
    // What other programs leave out is no matter.
    let folder = exported(&run, Weights::Average);
    edit(&folder, |json| {
        json.as_object_mut()
            .expect("an object")
            .remove("architecture");
    });
    open(folder.path());
}

#[test]
fn a_configuration_comes_back_from_json_and_does_not_tell_where_data_were() {
    for preset in PRESETS {
        let config = Config::resolve(preset.name, None, &[]).expect("resolves");
        let json = checkpoint::to_json(&config);
        let again: Config = serde_json::from_slice(&json).expect("a configuration");
        assert_eq!(again, config, "{}", preset.name);
    }
    let run = trained(&["data.dir=/home/somebody/digits"], &[]);
    let [(_, json), _] = files(&run, Weights::Average);
    assert!(!String::from_utf8_lossy(&json).contains("somebody"));
}

#[test]
fn a_run_and_a_checkpoint_are_no_exported_models() {
    for (names, expected) in [
        (&[][..], false),
        (&["README.md"], false),
        (&["config.json"], true),
        (&["model.safetensors"], true),
        (&["config.json", "config.toml"], false),
        (&["model.safetensors", "manifest.json"], false),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            fs::write(folder.path().join(name), "").expect("written");
        }
        assert_eq!(is_exported(folder.path()), expected, "{names:?}");
    }
}
