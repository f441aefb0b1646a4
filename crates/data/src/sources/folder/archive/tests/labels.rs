//! Check classes from labels, and shards.

use tar::{Builder, EntryType};

use super::{
    append, greys, gzip, load, load_bytes, load_packed, packed, packed_in_every_way, passed_over,
    png,
};

#[test]
fn labels_beside_pictures_are_their_classes_in_the_order_of_the_archive() {
    let [one, two, three] = [png(1), png(2), png(3)];
    let files = [
        ("s/3.cls", b"10".as_slice()),
        ("s/3.png", &three),
        ("s/1.png", &one),
        ("s/1.cls", b"9\n"),
        ("s/1.txt", b"a caption"),
        ("s/2.png", &two),
        ("s/2.json", br#"{"label": 10}"#),
    ];
    let data = load_packed(&files).unwrap();
    assert_eq!(greys(&data.train), [3, 1, 2]);
    assert_eq!(data.train.class_names, ["9", "10"]);
    assert_eq!(data.train.labels, [1, 0, 1]);
    assert_eq!(passed_over(&data), [(".txt files", 1)]);
}

#[test]
fn labels_are_classes_in_the_splits_of_an_archive_too() {
    let [one, two, three] = [png(1), png(2), png(3)];
    let data = load_packed(&[
        ("test/1.png", one.as_slice()),
        ("test/1.cls", b"dog"),
        ("train/1.png", &two),
        ("train/1.cls", b"dog"),
        ("train/2.png", &three),
        ("train/2.cls", b"cat"),
    ])
    .unwrap();
    let test = data.test.unwrap();
    assert_eq!(
        (greys(&data.train), data.train.labels),
        (vec![2, 3], vec![1, 0])
    );
    assert_eq!((greys(&test), test.labels), (vec![1], vec![1]));
    assert_eq!(test.class_names, ["cat", "dog"]);
}

#[test]
fn a_json_file_without_a_label_says_nothing_of_classes() {
    let [one, two] = [png(1), png(2)];
    let files = [
        ("dog/1.png", one.as_slice()),
        ("dog/1.json", br#"{"url": "x"}"#),
        ("cat/2.png", &two),
        ("cat/other.cls", b"7"),
    ];
    let data = load_packed(&files).unwrap();
    assert_eq!(data.train.class_names, ["cat", "dog"]);
    assert_eq!(greys(&data.train), [2, 1]);
    assert_eq!(passed_over(&data), [(".cls files", 1), (".json files", 1)]);
}

#[test]
fn a_json_file_whose_label_is_none_is_counted_or_refused_where_others_have_one() {
    let [one, two] = [png(1), png(2)];
    for odd in [&br#"{"label": [1, 0]}"#[..], br#"{"label": 0.5}"#] {
        let files = [
            ("dog/1.png", one.as_slice()),
            ("dog/1.json", odd),
            ("cat/2.png", &two),
            ("cat/2.json", br#"{"x": 1}"#),
        ];
        let data = load_packed(&files).unwrap();
        assert_eq!(data.train.class_names, ["cat", "dog"]);
        let what = ".json files whose `label` is neither a whole number nor one line of text";
        assert_eq!(passed_over(&data), [(".json files", 1), (what, 1)]);
        let files = [
            files[0],
            files[1],
            files[2],
            ("cat/2.json", br#"{"label": 3}"#),
        ];
        assert_eq!(
            load_packed(&files).unwrap_err(),
            "DIR/photos.tar/dog/1.json holds no label: its `label` must be a whole number or one line of text"
        );
    }
}

#[test]
fn a_stray_label_takes_no_classes_from_other_splits() {
    let picture = png(1);
    let train = [("cat/1.png", picture.as_slice()), ("dog/2.png", &picture)];
    let held_out = [
        ("cat/1.png", picture.as_slice()),
        ("cat/1.cls", b"7"),
        ("dog/2.png", &picture),
    ];
    let [train_tar, test_tar] = [packed(&train), packed(&held_out)];
    let shards = [
        ("train-0.tar", train_tar.as_slice()),
        ("train-1.tar", &train_tar),
        ("test-0.tar", &test_tar),
    ];
    let in_one = packed(&[
        ("train/cat/1.png", picture.as_slice()),
        ("train/dog/2.png", &picture),
        ("test/cat/1.png", &picture),
        ("test/cat/1.cls", b"7"),
        ("test/dog/2.png", &picture),
    ]);
    for data in [load("", &shards), load_bytes(&in_one)] {
        let data = data.unwrap();
        assert_eq!(data.train.class_names, ["cat", "dog"]);
        assert_eq!(data.test, None);
        let problem = data.test_problem.unwrap();
        assert!(problem.contains("2.png has no label"), "{problem}");
    }
}

#[test]
fn labels_of_the_training_data_are_its_classes_whatever_others_have() {
    let picture = png(1);
    let archive = packed(&[
        ("test/ape/1.png", picture.as_slice()),
        ("train/1.png", &picture),
        ("train/1.cls", b"dog"),
    ]);
    let data = load_bytes(&archive).unwrap();
    assert_eq!(data.train.class_names, ["dog"]);
    assert!(passed_over(&data).is_empty());
    assert!(data.test_problem.unwrap().contains("the classes [ape]"));
}

#[test]
fn a_json_file_that_is_too_long_for_its_label_is_counted() {
    let picture = png(1);
    let long = vec![b' '; (16 << 20) + 1];
    let files = [
        ("dog/1.png", picture.as_slice()),
        ("dog/1.json", &long),
        ("cat/2.png", &picture),
    ];
    let data = load_bytes(&packed(&files)).unwrap();
    assert_eq!(data.train.class_names, ["cat", "dog"]);
    let what = ".json files of more than 16 MiB";
    assert_eq!(passed_over(&data), [(what, 1)]);
}

#[test]
fn names_the_first_picture_without_a_label_and_a_label_that_is_no_text() {
    let picture = png(1);
    let files = [
        ("2.png", picture.as_slice()),
        ("2.cls", b"7"),
        ("3.png", &picture),
        ("1.png", &picture),
    ];
    let message = load_packed(&files).unwrap_err();
    let start = "DIR/photos.tar/3.png has no label, as other pictures have";
    assert!(message.starts_with(start), "{message}");
    let files = [("2.png", picture.as_slice()), ("2.cls", b"\xff\xfe")];
    let message = load_packed(&files).unwrap_err();
    let start = "DIR/photos.tar/2.cls holds no label";
    assert!(message.starts_with(start), "{message}");
}

/// Archives of labelled pictures, each of a grey and a label.
fn shard(samples: &[(u8, &str)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (key, (grey, label)) in samples.iter().rev().enumerate() {
        // The names fall where the positions rise.
        let key = 1_000 - key;
        append(
            &mut tar,
            &format!("{key}.png"),
            EntryType::Regular,
            &png(*grey),
        );
        if !label.is_empty() {
            let name = format!("{key}.cls");
            append(&mut tar, &name, EntryType::Regular, label.as_bytes());
        }
    }
    tar.into_inner().unwrap()
}

#[test]
fn shards_are_one_data_set_in_the_order_of_their_names() {
    let first = shard(&[(2, "dog"), (1, "cat")]);
    let second = gzip(&shard(&[(4, "cat"), (3, "ape")]));
    let files = [
        ("data-000001.tar.gz", second.as_slice()),
        ("data-000000.tar", &first),
        ("README.md", b"text"),
    ];
    let data = load("", &files).unwrap();
    assert_eq!(greys(&data.train), [1, 2, 3, 4]);
    assert_eq!(data.train.class_names, ["ape", "cat", "dog"]);
    assert_eq!(data.train.labels, [1, 2, 0, 1]);
    assert_eq!(data.test, None);
    assert_eq!(passed_over(&data), [(".md files", 1)]);
}

#[test]
fn names_of_shards_tell_splits() {
    let train = shard(&[(2, "dog"), (1, "cat")]);
    let more = shard(&[(3, "dog")]);
    let held_out = shard(&[(4, "dog")]);
    let files = [
        ("train-000000.tar", train.as_slice()),
        ("train-000001.tar", &more),
        ("val-000000.tar", &held_out),
    ];
    let data = load("", &files).unwrap();
    let test = data.test.unwrap();
    assert_eq!(greys(&data.train), [1, 2, 3]);
    assert_eq!((greys(&test), test.labels), (vec![4], vec![1]));
    assert_eq!(test.class_names, ["cat", "dog"]);

    let files = [files[0], files[2], ("test-0.tar", held_out.as_slice())];
    let data = load("", &files).unwrap();
    let left_out = "validation splits, left out where there are test splits";
    assert_eq!(passed_over(&data), [(left_out, 1)]);

    let files = [
        ("train-000000.tar", train.as_slice()),
        ("train-000001.tar", &more),
    ];
    let unknown = shard(&[(4, "cow")]);
    let files = [files[0], files[1], ("test-000000.tar", unknown.as_slice())];
    let data = load("", &files).unwrap();
    let problem = data.test_problem.unwrap();
    assert!(
        problem.contains("test-000000.tar has the classes [cow]"),
        "{problem}"
    );
}

#[test]
fn shards_have_labels_all_or_none() {
    let [some, none] = [shard(&[(1, "cat")]), shard(&[(3, ""), (2, "")])];
    let load = |first: &[u8], second: &[u8]| {
        let files = [("data-0.tar", first), ("data-1.tar", second)];
        load("", &files)
    };
    let data = load(&none, &none).unwrap();
    assert_eq!(greys(&data.train), [2, 3, 2, 3]);
    assert_eq!(
        (data.train.class_names, data.train.labels),
        (vec![], vec![0; 4])
    );
    let message = load(&some, &none).unwrap_err();
    let start = "DIR/data-1.tar/1000.png has no label";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn a_folder_with_one_archive_is_that_archive_and_one_with_pictures_leaves_it_unread() {
    let [one, two] = [png(1), png(2)];
    for bytes in packed_in_every_way(&[("cat/1.png", &one), ("dog/2.png", &two)]) {
        for name in ["photos.tgz", "photos.zip"] {
            let data = load("", &[(name, &bytes)]).unwrap();
            assert_eq!(data.train.class_names, ["cat", "dog"]);
        }
        let data = load("", &[("photos.tar", &bytes), ("3.png", &one)]).unwrap();
        assert_eq!(greys(&data.train), [1]);
        assert_eq!(passed_over(&data), [(".tar files", 1)]);
        for (name, what) in [
            ("photos.zip", ".zip files"),
            ("photos.tgz", ".tgz files"),
            ("photos.TAR.gz", ".tar.gz files"),
        ] {
            let data = load("", &[(name, &bytes), ("3.png", &one)]).unwrap();
            assert_eq!(passed_over(&data), [(what, 1)]);
            assert!(data.passed_over[0].remedy.is_some(), "{name}");
        }
        let message = load("", &[("photos.7z", &bytes)]).unwrap_err();
        assert!(message.starts_with("DIR holds no image"), "{message}");
    }
}

#[test]
fn archives_of_all_kinds_are_shards_of_one_data_set_with_splits_by_their_names() {
    let [one, two, three] = [png(1), png(2), png(3)];
    let first = packed_in_every_way(&[("cat/1.png", &one), ("dog/2.png", &two)]);
    let second = packed_in_every_way(&[("photos/dog/3.png", &three)]);
    for (first, second) in first.iter().zip(second.iter().rev()) {
        let files = [
            ("train-0.zip", first.as_slice()),
            ("train-1.tar", second),
            ("test.zip", second),
        ];
        let data = load("", &files).unwrap();
        assert_eq!(greys(&data.train), [1, 2, 3]);
        assert_eq!(data.train.class_names, ["cat", "dog"]);
        assert_eq!(data.train.labels, [0, 1, 1]);
        let test = data.test.unwrap();
        assert_eq!((greys(&test), test.labels), (vec![3], vec![1]));
    }
}
