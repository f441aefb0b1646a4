//! Train with event files, and read them as TensorBoard does.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value};

use crate::common::{Scratch, bytes, size_of_picture};
use crate::events::{Content, What, events, files, shown};

/// Points of scalars, by series.
type Series = BTreeMap<String, Vec<(u64, f32)>>;

fn train(scratch: &Scratch, iterations: &str, more: &[&str]) -> String {
    let args = [&["--iterations", iterations, "--tensorboard"], more].concat();
    scratch.train("run", &args).succeeds().stderr
}

/// The lines of metrics of a run.
fn lines(run: &Path) -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let parsed = |line| serde_json::from_str::<Map<String, Value>>(line).expect("JSON");
    text.lines().map(parsed).collect()
}

/// What TensorBoard should show of the metrics of a run, by the names of the file.
fn logged(run: &Path) -> Series {
    let mut series = Series::new();
    for mut line in lines(run) {
        let Some(iteration) = line.remove("iteration") else {
            assert!(line.contains_key("rollback"), "{line:?}");
            continue;
        };
        let step = iteration.as_u64().expect("a number");
        for (name, value) in line {
            let value = value.as_f64().map_or(f32::NAN, |value| value as f32);
            series.entry(name).or_default().push((step, value));
        }
    }
    series
}

/// What TensorBoard shows of the scalars in a folder, by the last part of their tags.
fn scalars(folder: &Path) -> Series {
    let mut series = Series::new();
    for (tag, step, content) in shown(folder) {
        let Content::Scalar(value) = content else {
            continue;
        };
        let name = tag.rsplit('/').next().unwrap_or_default().to_owned();
        assert!(name != tag || name == "loss", "{tag} is in no section");
        series.entry(name).or_default().push((step, value));
    }
    series
}

/// Points of series; a value that is not a number equals any other, as it has no sign in JSON.
#[track_caller]
fn assert_same(found: &Series, expected: &Series) {
    let names = |series: &Series| series.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (name, found) in found {
        let expected = &expected[name];
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(expected) {
            let is_none = |value: f32| !value.is_finite();
            let is_same = found == expected
                || (found.0 == expected.0 && is_none(found.1) && is_none(expected.1));
            assert!(is_same, "{name}: {found:?}, expected {expected:?}");
        }
    }
}

/// The texts that TensorBoard shows of a series.
fn texts(folder: &Path, tag: &str) -> Vec<(u64, String)> {
    let mut texts = Vec::new();
    for (of, step, content) in shown(folder) {
        if of == tag {
            let Content::Text(plugin, text) = content else {
                panic!("{tag} is no text: {content:?}");
            };
            assert_eq!(plugin, "text");
            texts.push((step, text));
        }
    }
    texts
}

#[test]
fn a_run_writes_its_metrics_pictures_checkpoints_and_configuration() {
    let scratch = Scratch::new();
    let keys = ["output.sample_every=2", "output.checkpoint_every=3"];
    let said = train(&scratch, "5", &keys.map(|key| ["--set", key]).concat());
    assert!(
        said.contains("tensorboard --logdir run/tensorboard"),
        "{said}"
    );
    let (run, folder) = (scratch.join("run"), scratch.join("run/tensorboard"));
    let expected = logged(&run);
    assert_eq!(
        (expected["loss"].len(), expected["sample_distance"].len()),
        (5, 3)
    );
    assert_same(&scalars(&folder), &expected);

    let configuration = fs::read_to_string(run.join("config.toml")).expect("text");
    let block = format!("```toml\n{}\n```", configuration.trim_end());
    assert_eq!(texts(&folder, "configuration"), [(0, block)]);
    let checkpoint = |step: u64| (step, format!("`run/checkpoints/step_{step:06}`"));
    assert_eq!(texts(&folder, "checkpoints"), [3, 5].map(checkpoint));

    let mut points = shown(&folder);
    points.retain(|(tag, _, _)| tag == "samples");
    let pictures = [2, 4, 5].map(|step: u64| {
        let path = run.join(format!("samples/step_{step:06}.png"));
        let (width, height) = size_of_picture(&path);
        let picture = Content::Picture {
            height: height.into(),
            width: width.into(),
            channels: 1,
            png: bytes(&path),
        };
        ("samples".to_owned(), step, picture)
    });
    assert_eq!(points, pictures);
}

#[test]
fn names_of_files_are_in_the_order_of_time_and_every_event_has_its_time() {
    let scratch = Scratch::new();
    train(&scratch, "2", &[]);
    train(&scratch, "3", &[]);
    let files = files(&scratch.join("run/tensorboard"));
    assert_eq!(files.len(), 2);
    for file in &files {
        let name = file.file_name().and_then(|name| name.to_str());
        let rest = name.and_then(|name| name.strip_prefix("events.out.tfevents."));
        let second = rest
            .and_then(|rest| rest.split('.').next())
            .expect("a second");
        assert!(
            second.len() == 10 && second.parse::<u64>().is_ok(),
            "{second}"
        );
    }
    let since_2020 = 1_577_836_800.0;
    let mut events = files.iter().flat_map(|file| events(file));
    assert!(events.all(|event| event.wall_time > since_2020));
}

/// Let a run of six iterations, with a checkpoint after every fourth one, look as if it had been killed before it wrote
/// the last one.
fn killed(scratch: &Scratch) {
    train(scratch, "6", &["--set", "output.checkpoint_every=4"]);
    fs::remove_dir_all(scratch.join("run/checkpoints/step_000006")).expect("a checkpoint");
}

#[test]
fn what_a_killed_process_wrote_beyond_its_last_checkpoint_vanishes() {
    let scratch = Scratch::new();
    killed(&scratch);
    let (run, folder) = (scratch.join("run"), scratch.join("run/tensorboard"));
    let first = files(&folder).remove(0);
    let mut file = OpenOptions::new()
        .append(true)
        .open(&first)
        .expect("a file");
    file.write_all(b"\x40\0\0").expect("written"); // of the length of an event
    let before = events(&first);
    train(&scratch, "8", &["--set", "output.log_every=3"]);

    let both = files(&folder);
    let [_, second] = &both[..] else {
        panic!("expected two files: {both:?}");
    };
    let head = [
        (0, What::Version("brain.Event:2".to_owned())),
        (5, What::Start("run ./..".to_owned())),
    ];
    let found = events(second).into_iter().take(2);
    let found: Vec<_> = found.map(|event| (event.step, event.what)).collect();
    assert_eq!(found, head);
    // A reader that knows no start finds them no more either.
    let kept = before.iter().filter(|event| event.step <= 4);
    assert_eq!(events(&first), kept.cloned().collect::<Vec<_>>());
    assert!(before.iter().any(|event| event.step == 6), "{before:?}");

    let expected = logged(&run);
    let steps: Vec<u64> = expected["loss"].iter().map(|point| point.0).collect();
    assert_eq!(steps, [1, 2, 3, 4, 6, 8]);
    assert_same(&scalars(&folder), &expected);
    let configurations = texts(&folder, "configuration");
    let steps: Vec<u64> = configurations.iter().map(|text| text.0).collect();
    assert_eq!(steps, [0, 4]);
    assert!(
        configurations[1].1.contains("log_every = 3"),
        "{configurations:?}"
    );
}

#[test]
fn a_run_with_events_learns_the_same_and_a_finished_one_writes_no_more() {
    let scratch = Scratch::new();
    killed(&scratch);
    train(&scratch, "8", &[]);
    scratch.train("without", &["--iterations", "8"]).succeeds();
    let weights = |run: &str| {
        let path = scratch
            .join(run)
            .join("checkpoints/step_000008/model.safetensors");
        bytes(&path)
    };
    assert!(weights("run") == weights("without"), "weights differ");
    let before = scratch.tree();
    train(&scratch, "8", &[]);
    scratch.assert_unchanged_since(&before);
}

#[test]
fn a_run_that_goes_back_shows_the_attempt_that_lives_and_why() {
    let scratch = Scratch::new();
    let more = ["--set", "lr=1e38", "--set", "rollback.lr_factor=1e-41"];
    let more = [&more[..], &["--on-divergence", "rollback"]].concat();
    train(&scratch, "20", &more);
    let (run, folder) = (scratch.join("run"), scratch.join("run/tensorboard"));
    let expected = logged(&run);
    assert_eq!(expected["loss"].len(), 20);
    assert_same(&scalars(&folder), &expected);
    assert_eq!(files(&folder).len(), 2);
    let rollbacks = texts(&folder, "rollbacks");
    let [(0, text)] = &rollbacks[..] else {
        panic!("{rollbacks:?}");
    };
    let end = "; going on from iteration 0 with other random numbers, attempt 1";
    assert!(
        text.starts_with("- iteration ") && text.ends_with(end),
        "{text}"
    );
    // A process that goes on says it again.
    train(&scratch, "21", &more);
    let again = texts(&folder, "rollbacks");
    assert_eq!(again, [(0, text.clone()), (20, text.clone())]);
}

#[test]
fn a_dry_run_writes_no_events() {
    let scratch = Scratch::new();
    let before = scratch.tree();
    let dry = ["--tensorboard", "logs", "--dry-run"];
    scratch.train("run", &dry).succeeds();
    scratch.assert_unchanged_since(&before);
}

#[test]
fn a_folder_that_has_the_events_of_another_run_or_is_none_is_refused() {
    let scratch = Scratch::new();
    let into = |folder| ["--tensorboard", folder];
    scratch.train("other", &into("logs")).succeeds();
    assert!(!scratch.join("other/tensorboard").exists());
    let of_other = [
        "--tensorboard logs: this folder has the events of the run in ",
        "other, and TensorBoard",
        "name another folder",
    ];
    scratch.refuses_to_train(&into("logs"), &of_other);
    scratch.write("notes", "mine");
    let of_this_name = ["--tensorboard notes: there is a file of this name"];
    scratch.refuses_to_train(&into("notes"), &of_this_name);
    let below = ["--tensorboard notes/logs: cannot write in notes: "];
    scratch.refuses_to_train(&into("notes/logs"), &below);
    // Its own events are no obstacle, wherever they lie.
    let on = [&into("logs")[..], &["--iterations", "3"]].concat();
    scratch.train("other", &on).succeeds();
    assert_eq!(files(&scratch.join("logs")).len(), 2);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::{events, files, lines};
    use crate::common::{Finished, Scratch};
    use crate::disks::{SmallDisk, as_a_user};

    #[test]
    fn a_folder_that_cannot_be_written_is_refused_before_anything_is() {
        let scratch = Scratch::new();
        let closed = scratch.join("closed");
        fs::create_dir(&closed).expect("made");
        fs::set_permissions(&closed, Permissions::from_mode(0o555)).expect("the owner may");
        for folder in ["closed", "closed/logs"] {
            let command = scratch.train_command("run", &["--tensorboard", folder]);
            let output = as_a_user(&scratch, &command).output();
            let said = format!("--tensorboard {folder}: cannot write in closed: Permission denied");
            let mends = "make it writable or choose another place";
            Finished::from(output.expect("the binary starts")).fails_saying(&[&said, mends]);
            assert!(!scratch.join("run").exists());
        }
    }

    #[test]
    fn a_disk_without_space_costs_events_and_nothing_else() {
        let scratch = Scratch::new();
        let Some(_disk) = SmallDisk::mount(scratch.join("small"), "32k") else {
            return;
        };
        let args = ["--iterations", "100", "--tensorboard", "small/logs"];
        let said = scratch.train("run", &args).succeeds().stderr;
        let warning = "No space left on device (os error 28); free some space there or choose another place; training \
                       goes on without it";
        assert_eq!(said.matches(warning).count(), 1, "{said}");
        assert_eq!(lines(&scratch.join("run")).len(), 100);
        let last = events(&files(&scratch.join("small/logs"))[0]).pop();
        assert!(last.is_some_and(|event| (2..100).contains(&event.step)));
    }
}
