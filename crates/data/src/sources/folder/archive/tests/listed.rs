//! Check classes from a `dataset.json`, in archives and in folders.

use super::{greys, load, load_packed, packed_in_every_way, passed_over, png};
use crate::dataset::Dataset;

/// Loads a folder of these files, and archives of it, which are the same.
fn load_everywhere(files: &[(&str, &[u8])]) -> Result<Dataset, String> {
    let packed = load_packed(files);
    let named = files
        .iter()
        .map(|(name, content)| (format!("photos/{name}"), *content));
    let named: Vec<(String, &[u8])> = named.collect();
    let in_folder = named
        .iter()
        .map(|(name, content)| (name.as_str(), *content));
    let unpacked = load("photos", &in_folder.collect::<Vec<_>>());
    match (packed, &unpacked) {
        (Ok(packed), Ok(unpacked)) => {
            assert_eq!(packed.train, unpacked.train);
            assert_eq!(packed.test, unpacked.test);
            assert_eq!(passed_over(&packed), passed_over(unpacked));
        }
        (packed, unpacked) => {
            let message = packed.unwrap_err().replace("photos.tar", "photos");
            assert_eq!(Err(&message), unpacked.as_ref().map(|_| ()));
        }
    }
    unpacked
}

#[test]
fn a_list_tells_the_classes_whatever_the_folders() {
    let [one, two, three] = [png(1), png(2), png(3)];
    let list = br#"{"labels": [["00000/2.png", 10], ["00001/3.png", 9], ["00000/1.png", 10]]}"#;
    let files = [
        ("00001/3.png", three.as_slice()),
        ("00000/2.png", &two),
        ("dataset.json", list),
        ("00000/1.png", &one),
        ("notes.txt", b"text"),
    ];
    let data = load_everywhere(&files).unwrap();
    assert_eq!(greys(&data.train), [1, 2, 3]);
    assert_eq!(data.train.class_names, ["9", "10"]);
    assert_eq!(data.train.labels, [1, 1, 0]);
    assert_eq!(passed_over(&data), [(".txt files", 1)]);
}

#[test]
fn a_list_lies_in_the_folder_that_its_paths_begin_in() {
    let [one, two] = [png(1), png(2)];
    let beside = [
        (
            "dataset.json",
            &br#"{"labels": [["0/1.png", 4], ["0/2.png", 2]]}"#[..],
        ),
        ("0/1.png", &one),
        ("0/2.png", &two),
    ];
    let within = [
        (
            "0/dataset.json",
            &br#"{"labels": [["1.png", 4], ["2.png", 2]]}"#[..],
        ),
        ("0/1.png", &one),
        ("0/2.png", &two),
    ];
    let data = [
        load_everywhere(&beside).unwrap(),
        load_packed(&within).unwrap(),
    ];
    for data in data {
        assert_eq!(data.train.class_names, ["2", "4"]);
        assert_eq!(data.train.labels, [1, 0]);
        assert!(data.passed_over.is_empty(), "{:?}", data.passed_over);
    }
}

#[test]
fn a_list_without_labels_tells_that_there_are_no_classes_and_another_file_tells_nothing() {
    let [one, two] = [png(1), png(2)];
    let load = |list: &[u8]| {
        let files = [
            ("cat/1.png", one.as_slice()),
            ("dog/2.png", &two),
            ("dataset.json", list),
        ];
        load_everywhere(&files).unwrap()
    };
    for none in [&br#"{"labels": null}"#[..], br#"{"labels": [], "x": 1}"#] {
        let data = load(none);
        assert_eq!(
            (data.train.class_names, data.train.labels),
            (vec![], vec![0, 0])
        );
        assert!(data.passed_over.is_empty(), "{:?}", data.passed_over);
    }
    let data = load(br#"{"name": "photos", "files": [1, 2]}"#);
    assert_eq!(data.train.class_names, ["cat", "dog"]);
    assert_eq!(passed_over(&data), [(".json files", 1)]);
}

#[test]
fn splits_have_one_list_or_one_each() {
    let [one, two, three, four] = [png(1), png(2), png(3), png(4)];
    let pictures = [
        ("train/a/1.png", one.as_slice()),
        ("train/b/2.png", &two),
        ("test/3.png", &three),
        ("val/4.png", &four),
    ];
    let of_all = br#"{"labels": [["train/a/1.png", 1], ["train/b/2.png", 0], ["test/3.png", 1], ["val/4.png", 7]]}"#;
    let of_train = br#"{"labels": [["a/1.png", 1], ["b/2.png", 0]]}"#;
    let lists: [&[(&str, &[u8])]; 3] = [
        &[("dataset.json", of_all)],
        &[
            ("train/dataset.json", of_train),
            ("test/dataset.json", br#"{"labels": [["3.png", 1]]}"#),
        ],
        // The nearest file counts.
        &[
            (
                "dataset.json",
                br#"{"labels": [["test/3.png", 1], ["train/a/1.png", 5]]}"#,
            ),
            ("train/dataset.json", of_train),
        ],
    ];
    for list in lists {
        let files = [&pictures[..], list].concat();
        let data = load_everywhere(&files).unwrap();
        let test = data.test.clone().unwrap();
        assert_eq!(
            (greys(&data.train), &data.train.labels),
            (vec![1, 2], &vec![1, 0])
        );
        assert_eq!((greys(&test), test.labels), (vec![3], vec![1]));
        assert_eq!(test.class_names, ["0", "1"]);
        let left_out = "validation splits, left out where there are test splits";
        assert_eq!(passed_over(&data), [(left_out, 1)]);
    }
}

#[test]
fn a_list_may_be_large() {
    let picture = png(1);
    let list = format!(
        r#"{{"x": "{}", "labels": [["a.png", 3]]}}"#,
        "y".repeat(200_000)
    );
    let files = [
        ("a.png", picture.as_slice()),
        ("dataset.json", list.as_bytes()),
    ];
    let data = load_everywhere(&files).unwrap();
    assert_eq!(data.train.class_names, ["3"]);
}

#[test]
fn a_picture_that_is_not_listed_is_refused_and_a_path_without_a_file_is_counted() {
    let picture = png(1);
    let list = br#"{"labels": [["a.png", 3], ["sub/gone.png", 3], ["gone.png", 4]]}"#;
    let files = [
        ("a.png", picture.as_slice()),
        ("dataset.json", list),
        ("b.png", &picture),
    ];
    assert_eq!(
        load_everywhere(&files).unwrap_err(),
        "DIR/photos/b.png has no label in DIR/photos/dataset.json, as other pictures have: add it there, or remove \
         the picture"
    );
    let data = load_everywhere(&files[..2]).unwrap();
    assert_eq!(data.train.class_names, ["3"]);
    let expected = [("paths in dataset.json at which no file lies", 2)];
    assert_eq!(passed_over(&data), expected);
    assert!(data.passed_over[0].remedy.is_some());
}

#[test]
fn a_list_that_is_none_is_refused_with_its_place() {
    let picture = png(1);
    for list in [
        &br#"{"labels": [["a.png", 0.5]]}"#[..],
        br#"{"labels": [["a.png", [0, 1]]]}"#,
        br#"{"labels": {"a.png": 0}}"#,
        br#"{"labels": [["a.png", 0]"#,
        br#"[["a.png", 0]]"#,
        b"",
        b"\xff\xd8",
    ] {
        let files = [("a.png", picture.as_slice()), ("dataset.json", list)];
        let message = load_everywhere(&files).unwrap_err();
        let start = "DIR/photos/dataset.json does not list labels as StyleGAN and EDM2 do, {\"labels\": [[\"a.png\", 0], …]}";
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn shards_have_lists_all_or_none() {
    let [one, two, three] = [png(1), png(2), png(3)];
    let first: [(&str, &[u8]); 3] = [
        ("00000/1.png", &one),
        ("00000/2.png", &two),
        (
            "dataset.json",
            br#"{"labels": [["00000/1.png", 10], ["00000/2.png", 9]]}"#,
        ),
    ];
    let second: [(&str, &[u8]); 2] = [
        ("photos/3.png", &three),
        ("photos/dataset.json", br#"{"labels": [["3.png", 10]]}"#),
    ];
    for pack in 0..4 {
        let packed = |files: &[(&str, &[u8])]| packed_in_every_way(files)[pack].clone();
        let (first, unlisted) = (packed(&first), packed(&second[..1]));
        let second = packed(&second);
        let files = [
            ("train-0.zip", first.as_slice()),
            ("train-1.zip", &second),
            ("test.zip", &second),
        ];
        let data = load("", &files).unwrap();
        assert_eq!(greys(&data.train), [1, 2, 3]);
        assert_eq!(data.train.class_names, ["9", "10"]);
        assert_eq!(data.train.labels, [1, 0, 1]);
        assert_eq!(data.test.clone().unwrap().labels, [1]);
        assert!(data.passed_over.is_empty(), "{:?}", data.passed_over);
        let files = [files[0], ("train-1.zip", unlisted.as_slice())];
        let message = load("", &files).unwrap_err();
        let start = "DIR/train-1.zip/photos/3.png has no label, as other pictures have in";
        assert!(message.starts_with(start), "{message}");
    }
}
