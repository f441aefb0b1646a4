//! Check classes.

use super::{
    Cells, FEATURES, SCHEMA, group, labels, load, load_bytes, no_paths, pictures, properties,
    table, texts,
};

/// Labels and class names of a file with these labels.
fn classes(
    schema: &str,
    cells: Cells,
    num: usize,
    features: Option<&str>,
) -> Result<(Vec<u32>, Vec<String>), String> {
    let greys: Vec<u8> = (0..num as u8).collect();
    let cells = vec![pictures(&greys), no_paths(num), cells];
    let data = load_bytes(&table(schema, properties(features), &[cells]))?;
    Ok((data.train.labels, data.train.class_names))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn numbers_without_names_are_classes_in_their_order_and_texts_in_theirs() {
    let numbers = classes(SCHEMA, labels(&[10, -1, 9, 10]), 4, None);
    assert_eq!(numbers, Ok((vec![2, 0, 1, 2], names(&["-1", "9", "10"]))));
    let schema = SCHEMA.replace("int64 label", "binary label (UTF8)");
    let words = classes(&schema, texts(&["dog", " Ant ", "7", "dog"]), 4, None);
    assert_eq!(words, Ok((vec![2, 1, 0, 2], names(&["7", "Ant", "dog"]))));
    // Names are not of texts.
    let words = classes(&schema, texts(&["1", "ship"]), 2, Some(FEATURES));
    assert_eq!(words, Ok((vec![0, 1], names(&["1", "ship"]))));
}

#[test]
fn refuses_one_number_in_two_ways_of_writing() {
    let schema = SCHEMA.replace("int64 label", "binary label (UTF8)");
    let message = classes(&schema, texts(&["1", "01"]), 2, None).unwrap_err();
    let start = "labels in DIR/train.parquet write one number in two ways, 01 and 1";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn classes_of_several_files_are_those_of_all() {
    let file = |grey, class| table(SCHEMA, properties(None), &[group(&[grey], &[class])]);
    let (one, two, held_out) = (file(1, 30), file(2, 4), file(3, 30));
    let files = [
        ("train-0.parquet", one.as_slice()),
        ("train-1.parquet", &two),
        ("test-0.parquet", &held_out),
    ];
    let data = load("", &files).unwrap();
    assert_eq!(data.train.class_names, ["4", "30"]);
    assert_eq!(data.train.labels, [1, 0]);
    assert_eq!(data.test.unwrap().labels, [1]);
}

#[test]
fn rows_have_labels_all_or_none() {
    let unlabelled = Ok((vec![0; 3], vec![]));
    let large = Cells::Large;
    for none in [
        large(vec![None; 3]),
        labels(&[-1; 3]),
        large(vec![None, Some(-1), None]),
    ] {
        assert_eq!(classes(SCHEMA, none, 3, Some(FEATURES)), unlabelled);
    }
    let schema = SCHEMA.replace("int64 label", "binary label (UTF8)");
    assert_eq!(
        classes(&schema, texts(&["", " ", "\n"]), 3, None),
        unlabelled
    );
    for some in [large(vec![Some(0), Some(1), None]), labels(&[0, 1, -1])] {
        assert_eq!(
            classes(SCHEMA, some, 3, Some(FEATURES)).unwrap_err(),
            "DIR/train.parquet/2 has no label, as other rows have: give it one, or remove the column of labels"
        );
    }
}

#[test]
fn names_the_first_label_that_is_none_of_the_classes() {
    for label in [4, -2, i64::MAX, i64::MIN] {
        let found = classes(SCHEMA, labels(&[3, label]), 2, Some(FEATURES));
        assert_eq!(
            found.unwrap_err(),
            format!(
                "the label of DIR/train.parquet/1 is {label}, expected 0 to 3: it is another file, or damaged"
            )
        );
    }
    let schema = SCHEMA.replace("int64 label", "binary label (UTF8)");
    for (odd, shown) in [(&b"a\x1b[31m"[..], "a\\u{1b}[31m"), (b"\xff", "\u{fffd}")] {
        let cells = Cells::Bytes(vec![Some(odd.to_vec())]);
        let message = classes(&schema, cells, 1, None).unwrap_err();
        let start = format!("the label of DIR/train.parquet/0 is {shown}, expected one line");
        assert!(message.starts_with(&start), "{message}");
    }
}
