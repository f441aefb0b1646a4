//! Check which columns are read.

use super::{
    Cells, SCHEMA, greys, group, labels, load_bytes, no_paths, passed_over, pictures, png,
    properties, table, texts,
};

/// A line of a schema, and the cells of its leaves.
type Column = (String, Vec<Cells>);

/// The grey and the class names of a file of these columns of one row, given what `datasets` says of them.
fn load(columns: &[Column], features: Option<&str>) -> Result<(u8, Vec<String>), String> {
    let lines: Vec<&str> = columns.iter().map(|(line, _)| line.as_str()).collect();
    let schema = format!("message schema {{ {} }}", lines.join(" "));
    let cells = columns.iter().flat_map(|(_, cells)| cells.iter().cloned());
    let features =
        features.map(|features| format!(r#"{{"info": {{"features": {{{features}}}}}}}"#));
    let properties = properties(features.as_deref());
    let data = load_bytes(&table(&schema, properties, &[cells.collect()]))?;
    Ok((greys(&data.train)[0], data.train.class_names))
}

/// A column of one picture in a group.
fn in_group(name: &str, grey: u8) -> Column {
    let line =
        format!("optional group {name} {{ optional binary bytes; optional binary path (UTF8); }}");
    (line, vec![pictures(&[grey]), no_paths(1)])
}

/// A column of one picture.
fn alone(name: &str, grey: u8) -> Column {
    let line = format!("optional binary {name};");
    (line, vec![Cells::Bytes(vec![Some(png(grey))])])
}

/// The grey of the picture that is taken of these columns.
fn taken(columns: &[Column], features: Option<&str>) -> Result<u8, String> {
    load(columns, features).map(|(grey, _)| grey)
}

#[test]
fn the_picture_is_the_image_that_datasets_names_or_has_a_usual_name_or_is_the_only_one() {
    let both = [in_group("image", 1), in_group("scan", 2)];
    assert_eq!(taken(&both, None), Ok(1));
    assert_eq!(taken(&both, Some(r#""scan": {"_type": "Image"}"#)), Ok(2));
    let images = r#""scan": {"_type": "Image"}, "image": {"_type": "Image"}"#;
    assert_eq!(taken(&both, Some(images)), Ok(1));
    assert_eq!(taken(&[in_group("scan", 3)], None), Ok(3));
    assert_eq!(taken(&[alone("scan", 3)], None), Ok(3));
    assert_eq!(taken(&[alone("mask", 4), alone("Img", 5)], None), Ok(5));
    assert_eq!(taken(&[alone("mask", 4), in_group("jpg", 5)], None), Ok(5));
    let message = taken(&[alone("mask", 4), in_group("scan", 5)], None).unwrap_err();
    assert_eq!(
        message,
        "DIR/train.parquet has several columns of pictures (mask bytes, scan {bytes, path}): give the one to read the \
         name image, or remove the others"
    );
    let images = r#""scan": {"_type": "Image"}, "png": {"_type": "Image"}"#;
    let message = taken(&[alone("png", 4), in_group("scan", 5)], Some(images)).unwrap_err();
    assert!(message.contains("several columns of pictures"), "{message}");
}

#[test]
fn a_file_without_pictures_says_which_columns_it_has() {
    let schema = "message schema {
        optional binary url (UTF8);
        optional int64 label;
        optional double score;
        repeated binary image;
        optional group boxes (LIST) { repeated group list { optional float element; } }
    }";
    let bytes = table(schema, properties(None), &[]);
    assert_eq!(
        load_bytes(&bytes).unwrap_err(),
        "DIR/train.parquet has no column of pictures, which is one of bytes, or of a group with `bytes` in it; it has \
         url text, label INT64, score DOUBLE, image BYTE_ARRAY, boxes {list}"
    );
    let lines: Vec<String> = (0..30).map(|i| format!("optional int32 x{i};")).collect();
    let schema = format!("message schema {{ {} }}", lines.join(" "));
    let message = load_bytes(&table(&schema, properties(None), &[])).unwrap_err();
    assert!(message.ends_with("x18 INT32, x19 INT32, …"), "{message}");
}

#[test]
fn the_label_is_the_one_that_datasets_names_or_has_a_usual_name() {
    let number = |name: &str| (format!("optional int64 {name};"), vec![labels(&[1])]);
    let classes = |columns: &[Column], features: Option<&str>| {
        load(columns, features).map(|(_, classes)| classes)
    };
    let picture = || in_group("img", 1);
    let class_label = |name: &str, class: &str| {
        format!(r#""{name}": {{"_type": "ClassLabel", "names": ["none", "{class}"]}}"#)
    };
    let fine = [picture(), number("coarse_label"), number("fine_label")];
    let features = [
        class_label("fine_label", "oak"),
        class_label("coarse_label", "tree"),
    ]
    .join(", ");
    assert_eq!(classes(&fine, Some(&features)).unwrap(), ["none", "oak"]);
    let features = class_label("coarse_label", "tree");
    assert_eq!(classes(&fine, Some(&features)).unwrap(), ["none", "tree"]);
    assert_eq!(classes(&fine, None).unwrap(), ["1"]);
    assert_eq!(
        classes(&[picture(), number("Target")], None).unwrap(),
        ["1"]
    );
    let other = [picture(), number("age"), number("size")];
    assert_eq!(classes(&other, None).unwrap(), [""; 0]);
    let features = [class_label("age", "old"), class_label("size", "large")].join(", ");
    assert_eq!(
        classes(&other, Some(&features)).unwrap_err(),
        "DIR/train.parquet has several columns of labels (age INT64, size INT64): give the one to read the name \
         label, or remove the others"
    );
    let text = [
        picture(),
        (
            "optional binary class (UTF8);".to_owned(),
            vec![texts(&["oak"])],
        ),
    ];
    assert_eq!(classes(&text, None).unwrap(), ["oak"]);
    let twice = r#""age": {"_type": "ClassLabel", "names": ["old", "old"]}"#;
    let message = classes(&other, Some(twice)).unwrap_err();
    assert!(
        message.contains("has two classes with the name old: give one"),
        "{message}"
    );
    for (odd, shown) in [("", ""), ("a\\u001b[31m", "a\\u{1b}[31m")] {
        let features = class_label("age", odd);
        let message = classes(&other, Some(&features)).unwrap_err();
        let expected = format!("has a class with the name `{shown}`: give it a name of one line");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn columns_that_are_not_read_are_counted() {
    let schema = SCHEMA.replace(
        "optional int64 label;",
        "optional int64 label; optional int64 id; optional binary note (UTF8);",
    );
    let mut cells = group(&[1], &[0]);
    cells.extend([labels(&[7]), texts(&["blurred"])]);
    let data = load_bytes(&table(&schema, properties(None), &[cells])).unwrap();
    assert_eq!(
        passed_over(&data),
        [("columns that are neither pictures nor their labels", 2)]
    );
    let names: Vec<_> = data.passed_over[0]
        .paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(names, ["train.parquet/id", "train.parquet/note"]);
}

#[test]
fn columns_of_labels_of_a_type_that_is_not_read_are_told_from_others() {
    let kind = r#"{"info": {"features": {"kind": {"_type": "ClassLabel"}}}}"#;
    let real = || Cells::Real(vec![Some(1.0)]);
    let [odd, other] = [
        "columns of labels of a type that is not read",
        "columns that are neither pictures nor their labels",
    ];
    for (line, cells, features, expected) in [
        ("double label;", real(), None, odd),
        ("double Target;", Cells::Real(vec![None]), None, odd),
        ("boolean class;", Cells::Flags(vec![Some(true)]), None, odd),
        ("double kind;", real(), Some(kind), odd),
        ("double kind;", real(), None, other),
    ] {
        let columns = |more: &str| {
            let schema = SCHEMA.replace("optional int64 label;", &format!("optional {line}"));
            schema.replacen("optional group", &format!("{more} optional group"), 1)
        };
        let picture = vec![pictures(&[1]), no_paths(1), cells.clone()];
        let data = load_bytes(&table(
            &columns(""),
            properties(features),
            std::slice::from_ref(&picture),
        ));
        let data = data.unwrap();
        assert_eq!(passed_over(&data), [(expected, 1)], "{line}");
        let remedy = data.passed_over[0].remedy;
        assert_eq!(
            remedy.is_some_and(|it| it.contains("int64")),
            expected == odd
        );
        assert_eq!(data.train.class_names, [""; 0]);
        // Beside labels that are read it is a column like others.
        let with_label = [vec![labels(&[3])], picture].concat();
        let schema = columns("optional int64 fine_label;");
        let data = load_bytes(&table(&schema, properties(None), &[with_label])).unwrap();
        assert_eq!(passed_over(&data), [(other, 1)], "{line}");
        assert_eq!(data.train.class_names, ["3"]);
    }
}

#[test]
fn what_datasets_says_must_be_json() {
    let bytes = table(SCHEMA, properties(Some("{")), &[group(&[1], &[0])]);
    let message = load_bytes(&bytes).unwrap_err();
    assert!(
        message.starts_with("DIR/train.parquet is no parquet file, or a damaged one"),
        "{message}"
    );
    assert!(message.contains("is no JSON of `datasets`"), "{message}");
}
