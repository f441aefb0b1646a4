//! Check pixels and labels, however they are stored.

use std::path::Path;
use std::sync::Mutex;

use image::{ImageFormat, Rgb, RgbImage};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterVersion;
use parquet::schema::types::ColumnPath;

use super::{
    Cells, FEATURES, SCHEMA, config, greys, group, hub_table, labels, load, load_bytes, load_with,
    no_paths, pictures, png, properties, table,
};
use crate::sources::folder::Decoded;

/// Seven rows in three row groups, with pictures and labels that come more than once.
const GREYS: [u8; 7] = [5, 7, 5, 5, 200, 7, 0];
const CLASSES: [i64; 7] = [1, 0, 1, 1, 3, 0, 0];

fn groups() -> [Vec<Cells>; 3] {
    [0..3, 3..4, 4..7].map(|rows| group(&GREYS[rows.clone()], &CLASSES[rows]))
}

#[test]
fn pictures_and_labels_are_read_however_they_are_stored() {
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        for has_dictionary in [false, true] {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                for rows_of_page in [1, 2, 1_000] {
                    let properties = properties(Some(FEATURES))
                        .set_compression(compression)
                        .set_dictionary_enabled(has_dictionary)
                        .set_writer_version(version)
                        .set_write_batch_size(1)
                        .set_data_page_row_count_limit(rows_of_page);
                    let data = load_bytes(&table(SCHEMA, properties, &groups())).unwrap();
                    let how = format!("{compression}, {has_dictionary}, {version:?}");
                    assert_eq!(data.train.shape.to_string(), "3×4×4", "{how}");
                    let expected: Vec<u8> = GREYS.into_iter().flat_map(|grey| [grey; 48]).collect();
                    assert_eq!(data.train.pixels, expected, "{how}");
                    assert_eq!(data.train.labels, [1, 0, 1, 1, 3, 0, 0], "{how}");
                    assert_eq!(data.train.class_names, ["ship", "cat", "frog", "dog"]);
                    assert_eq!((data.test, data.skipped), (None, vec![]), "{how}");
                    assert_eq!(data.passed_over, [], "{how}");
                }
            }
        }
    }
}

#[test]
fn labels_are_read_as_differences_and_in_32_bits() {
    let properties = || properties(Some(FEATURES)).set_dictionary_enabled(false);
    let deltas =
        properties().set_column_encoding(ColumnPath::from("label"), Encoding::DELTA_BINARY_PACKED);
    let data = load_bytes(&table(SCHEMA, deltas, &groups())).unwrap();
    assert_eq!(data.train.labels, [1, 0, 1, 1, 3, 0, 0]);

    let schema = SCHEMA.replace("int64", "int32");
    let cells = vec![
        pictures(&[1, 2]),
        no_paths(2),
        Cells::Small(vec![Some(3), Some(0)]),
    ];
    let data = load_bytes(&table(&schema, properties(), &[cells])).unwrap();
    assert_eq!(
        (greys(&data.train), data.train.labels),
        (vec![1, 2], vec![3, 0])
    );
}

#[test]
fn columns_that_always_have_a_value_are_read() {
    let schema = "message schema { required binary image; required int64 label; }";
    let cells = vec![
        Cells::Bytes(vec![Some(png(4)), Some(png(6))]),
        labels(&[7, 5]),
    ];
    let data = load_bytes(&table(schema, properties(None), &[cells])).unwrap();
    assert_eq!(
        (greys(&data.train), data.train.labels),
        (vec![4, 6], vec![1, 0])
    );
    assert_eq!(data.train.class_names, ["5", "7"]);
}

#[test]
fn empty_row_groups_are_nothing() {
    let none = || group(&[], &[]);
    let groups = [none(), group(&[3], &[2]), none(), group(&[4], &[0])];
    let bytes = table(SCHEMA, properties(Some(FEATURES)), &groups);
    let data = load_bytes(&bytes).unwrap();
    assert_eq!(
        (greys(&data.train), data.train.labels),
        (vec![3, 4], vec![2, 0])
    );
    for groups in [vec![], vec![none()]] {
        let bytes = table(SCHEMA, properties(Some(FEATURES)), &groups);
        assert_eq!(
            load_bytes(&bytes).unwrap_err(),
            "DIR/train.parquet holds no image: a parquet file needs a row for each picture"
        );
    }
}

#[test]
fn pictures_become_what_they_become_as_files() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("photos");
    std::fs::create_dir(&folder).unwrap();
    let mut cells = Vec::new();
    for (name, format) in [("a.png", ImageFormat::Png), ("b.jpg", ImageFormat::Jpeg)] {
        let picture = RgbImage::from_fn(9, 7, |x, y| Rgb([20 * x as u8, 30 * y as u8, 90]));
        let path = folder.join(name);
        picture.save_with_format(&path, format).unwrap();
        cells.push(Some(std::fs::read(path).unwrap()));
    }
    let num = cells.len();
    let cells = vec![
        Cells::Bytes(cells),
        no_paths(num),
        Cells::Large(vec![None; num]),
    ];
    let path = dir.path().join("photos.parquet");
    std::fs::write(&path, table(SCHEMA, properties(None), &[cells])).unwrap();
    for (image_size, crops, channels) in [(5, 0, 3), (4, 0, 1), (3, 4, 3)] {
        let loaded = |path: &Path| {
            let mut config = config(path);
            (config.image_size, config.crops, config.channels) = (image_size, crops, channels);
            let num = crate::images_in(&config).unwrap();
            (crate::load(&config, 0).unwrap().train, num)
        };
        assert_eq!(
            loaded(&path),
            loaded(&folder),
            "{image_size}, {crops}, {channels}"
        );
    }
    let message = crate::load(&config(&path), 0).unwrap_err().to_string();
    assert!(message.contains("photos.parquet"), "{message}");
    assert!(
        message.contains("is 9 by 7: set `data.image_size`"),
        "{message}"
    );
}

#[test]
fn bad_pictures_are_named_by_their_rows_or_left_out() {
    let mut cells = group(&[1, 2, 3, 4], &[0, 1, 2, 3]);
    let picture = |grey| Some(png(grey));
    let bytes = vec![None, picture(2), Some(b"no picture".to_vec()), picture(4)];
    cells[0] = Cells::Bytes(bytes);
    let bytes = table(SCHEMA, properties(Some(FEATURES)), &[cells]);
    let message = load_bytes(&bytes).unwrap_err();
    let start = "2 of 4 pictures cannot be decoded, the first DIR/train.parquet/0: ";
    assert!(message.starts_with(start), "{message}");
    assert!(message.contains("its row has no bytes"), "{message}");
    let skip_bad = |path: &str, files: &[(&str, &[u8])]| {
        load_with(path, files, |config| config.skip_bad = true)
    };
    let data = skip_bad("a.parquet", &[("a.parquet", &bytes)]).unwrap();
    assert_eq!(
        (greys(&data.train), data.train.labels),
        (vec![2, 4], vec![1, 3])
    );
    let skipped = ["a.parquet/0", "a.parquet/2"].map(Path::new);
    assert_eq!(data.skipped, skipped);
}

#[test]
fn every_picture_of_both_splits_is_reported_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let train = hub_table(&[1, 2, 3, 4, 5], &[0, 1, 2, 3, 0]);
    let mut held_out = group(&[6, 7], &[1, 1]);
    held_out[0] = Cells::Bytes(vec![Some(b"no picture".to_vec()), Some(png(7))]);
    let held_out = table(SCHEMA, properties(Some(FEATURES)), &[held_out]);
    std::fs::write(dir.path().join("train.parquet"), train).unwrap();
    std::fs::write(dir.path().join("test.parquet"), held_out).unwrap();
    let mut config = config(dir.path());
    config.skip_bad = true;
    let reports = Mutex::new(Vec::new());
    let report = |decoded: Decoded| reports.lock().unwrap().push(decoded);
    let data = crate::load_with(&config, 0, &report).unwrap();
    assert_eq!(greys(&data.test.unwrap()), [7]);
    let expected: Vec<Decoded> = (1..=7).map(|done| Decoded { done, total: 7 }).collect();
    assert_eq!(*reports.lock().unwrap(), expected);
    assert_eq!(crate::images_in(&config).unwrap().num, 7);
}

#[test]
fn a_file_of_paths_alone_says_that_the_pictures_are_elsewhere() {
    let paths = |bytes: Option<Vec<u8>>| {
        let path = Some(b"/home/me/1.png".to_vec());
        let cells = vec![
            Cells::Bytes(vec![bytes]),
            Cells::Bytes(vec![path]),
            labels(&[0]),
        ];
        let bytes = table(SCHEMA, properties(Some(FEATURES)), &[cells]);
        load_with("a.parquet", &[("a.parquet", &bytes)], |config| {
            config.skip_bad = true;
            config.image_size = 4;
        })
    };
    let message = paths(None).unwrap_err();
    let start = "DIR/a.parquet holds the paths of pictures, not the pictures: set `data.dir`";
    assert!(message.starts_with(start), "{message}");
    assert_eq!(greys(&paths(Some(png(8))).unwrap().train), [8]);
}

#[test]
fn a_file_is_no_folder() {
    let bytes = hub_table(&[1], &[0]);
    assert_eq!(
        load("train.parquet/0", &[("train.parquet", &bytes)]).unwrap_err(),
        "data folder DIR/train.parquet/0 does not exist"
    );
}
