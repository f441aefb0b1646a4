//! Check which files are one data set, and its splits.

use std::fs;

use super::{FEATURES, SCHEMA, greys, group, hub_table, load, passed_over, png, properties, table};
use crate::config::DataConfig;

#[test]
fn shards_are_one_data_set_in_the_order_of_their_names_and_tell_splits() {
    let [one, two, three, four] =
        [1, 2, 3, 4].map(|grey| hub_table(&[grey], &[i64::from(grey) % 4]));
    for (folder, separator) in [
        ("", "-"),
        ("data/", "-"),
        ("plain_text/", "-"),
        ("default/", "/"),
    ] {
        let name = |split: &str, number: usize| {
            format!("{folder}{split}{separator}{number:05}-of-00002.parquet")
        };
        let names = [
            name("train", 1),
            name("train", 0),
            name("test", 0),
            name("validation", 0),
        ];
        let files = [
            (names[0].as_str(), two.as_slice()),
            (&names[1], &one),
            (&names[2], &three),
            (&names[3], &four),
            ("README.md", b"text"),
            (".gitattributes", b"text"),
        ];
        let data = load("", &files).unwrap();
        let test = data.test.clone().unwrap();
        assert_eq!(greys(&data.train), [1, 2], "{folder}");
        assert_eq!(data.train.labels, [1, 2]);
        assert_eq!((greys(&test), test.labels), (vec![3], vec![3]));
        assert_eq!(test.class_names, ["ship", "cat", "frog", "dog"]);
        let left_out = "validation splits, left out where there are test splits";
        assert_eq!(passed_over(&data), [(".md files", 1), (left_out, 1)]);
        let validated = [files[0], files[3]];
        assert_eq!(greys(&load("", &validated).unwrap().test.unwrap()), [4]);
    }
    let files = [("b.parquet", two.as_slice()), ("a.parquet", &one)];
    let data = load("", &files).unwrap();
    assert_eq!((greys(&data.train), data.test), (vec![1, 2], None));
    let data = load("test-0.parquet", &[("test-0.parquet", &one)]).unwrap();
    assert_eq!((greys(&data.train), data.test), (vec![1], None));
}

#[test]
fn refuses_files_of_which_only_some_tell_a_split() {
    let one = hub_table(&[1], &[1]);
    let message =
        |names: [&str; 2]| load("", &names.map(|name| (name, one.as_slice()))).unwrap_err();
    assert_eq!(
        message(["train-0.parquet", "extra-0.parquet"]),
        "DIR holds shards of splits (train-0.parquet, …) and beside them extra-0.parquet: name all of them train-… or \
         test-…, or move others elsewhere"
    );
    assert!(message(["test.parquet", "val.parquet"]).contains("none to train on"));
}

#[test]
fn refuses_several_data_sets_in_one_folder() {
    let one = hub_table(&[1], &[1]);
    let files = [
        ("cats/train-0.parquet", one.as_slice()),
        ("dogs/train-0.parquet", &one),
    ];
    assert_eq!(
        load("", &files).unwrap_err(),
        "DIR holds parquet files of several data sets (cats, dogs): set `data.dir` to one of them"
    );
    assert_eq!(greys(&load("dogs", &files).unwrap().train), [1]);
}

#[test]
fn refuses_files_with_other_columns_or_classes_and_of_a_test_split_alone_says_so() {
    let one = hub_table(&[1], &[1]);
    let renamed = FEATURES.replace("frog", "toad");
    let renamed = table(SCHEMA, properties(Some(&renamed)), &[group(&[2], &[1])]);
    let unsaid = table(SCHEMA, properties(None), &[group(&[2], &[1])]);
    let schema = SCHEMA.replace("image", "img");
    let other = table(&schema, properties(None), &[group(&[2], &[1])]);
    for differing in [&renamed, &unsaid, &other] {
        let problem = |name: &str| {
            format!(
                "the columns or the names of classes of DIR/{name} are not those of DIR/train-0.parquet: set \
                 `data.dir` to files of one data set"
            )
        };
        let files = [
            ("train-0.parquet", one.as_slice()),
            ("train-1.parquet", differing),
        ];
        assert_eq!(load("", &files).unwrap_err(), problem("train-1.parquet"));
        let files = [files[0], ("test.parquet", differing)];
        let data = load("", &files).unwrap();
        let found = data.test_problem.unwrap();
        assert!(found.contains("test.parquet are not those of"), "{found}");
        assert_eq!((greys(&data.train), data.test), (vec![1], None));
    }
    let unknown = table(SCHEMA, properties(None), &[group(&[2], &[9])]);
    let files = [
        ("train.parquet", unsaid.as_slice()),
        ("test.parquet", &unknown),
    ];
    let problem = load("", &files).unwrap().test_problem.unwrap();
    assert!(
        problem.contains("test.parquet has the classes [9]"),
        "{problem}"
    );
    let files = [
        ("train.parquet", unsaid.as_slice()),
        ("test.parquet", b"cut"),
    ];
    let problem = load("", &files).unwrap().test_problem.unwrap();
    assert!(
        problem.contains("test.parquet is no parquet file"),
        "{problem}"
    );
}

#[test]
fn pictures_and_archives_come_before_parquet_files_which_are_then_counted() {
    let (picture, one) = (png(9), hub_table(&[1], &[1]));
    let data = load("", &[("a.png", &picture), ("train.parquet", &one)]).unwrap();
    assert_eq!(greys(&data.train), [9]);
    assert_eq!(passed_over(&data), [(".parquet files", 1)]);
    let remedy = data.passed_over[0].remedy.unwrap();
    assert!(
        remedy.contains("no picture or archive lies beside"),
        "{remedy}"
    );
    let message = load("", &[("a.tar", b"text"), ("train.parquet", &one)]).unwrap_err();
    assert!(message.contains("a.tar is no"), "{message}");
}

#[test]
fn a_parquet_file_is_known_by_its_name_and_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data/train-00000-of-00001.Parquet");
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, "").unwrap();
    for path in [dir.path(), &path] {
        let config = DataConfig {
            dir: Some(path.into()),
            ..DataConfig::default()
        };
        let message = crate::load(&config, 0).unwrap_err().to_string();
        assert!(message.ends_with("looks like folder"), "{message}");
    }
}
