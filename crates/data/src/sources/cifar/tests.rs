//! Check what is read against files written by hand.

use std::fs;

use super::files::tests::archive;
use super::python::tests::{numpy_2, python_2};
use super::*;
use crate::kind::DatasetKind;

/// A record of CIFAR-10 with one value per channel.
fn record(label: u8, [r, g, b]: [u8; 3]) -> Vec<u8> {
    [vec![label], vec![r; 1024], vec![g; 1024], vec![b; 1024]].concat()
}

/// Paths and contents.
type Named = Vec<(String, Vec<u8>)>;

/// Five training files with one plain image each, of label and value 1 to 5.
fn train_files() -> Named {
    (1..=5)
        .map(|n| (format!("data_batch_{n}.bin"), record(n, [n; 3])))
        .collect()
}

fn all_files() -> Named {
    let mut files = train_files();
    files.push(("test_batch.bin".into(), record(9, [7, 8, 9])));
    files
}

/// Files of CIFAR-100 with one plain image each, of coarse label 19.
fn fine_files(train_label: u8, test_label: u8) -> Named {
    [("train.bin", train_label), ("test.bin", test_label)]
        .map(|(name, label)| {
            let bytes = [vec![19], record(label, [label; 3])].concat();
            (name.into(), bytes)
        })
        .to_vec()
}

/// Files of the Python version with the images of files of the binary one.
fn in_python(files: &Named, label_at: usize, label_key: &str) -> Named {
    let one = |(name, bytes): &(String, Vec<u8>)| {
        let records = bytes.chunks_exact(label_at + 1 + IMAGE);
        let labels = records.clone().map(|record| record[label_at].into());
        let labels: Vec<i32> = labels.collect();
        let data = records.flat_map(|record| &record[label_at + 1..]);
        let data: Vec<u8> = data.copied().collect();
        (
            name.replace(".bin", ""),
            python_2(label_key, &labels, &data),
        )
    };
    files.iter().map(one).collect()
}

/// [`all_files`] in the Python version.
fn all_python_files() -> Named {
    in_python(&all_files(), 0, "labels")
}

/// The same files in a folder.
fn moved(files: &Named, folder: &str) -> Named {
    let move_one = |(name, bytes): &(String, _)| (format!("{folder}/{name}"), Vec::clone(bytes));
    files.iter().map(move_one).collect()
}

/// Loads `path` in a folder of these files; errors as text, the folder's path replaced by `DIR`.
fn load_from(path: &str, files: &Named, config: DataConfig) -> Result<Dataset, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    // Without the slash that joining an empty path leaves.
    let path = dir.path().join(path).components().collect();
    let config = DataConfig {
        dir: Some(path),
        ..config
    };
    let without_dir = |text: String| text.replace(&dir.path().display().to_string(), "DIR");
    let data = crate::load(&config, 0).map_err(|error| without_dir(error.to_string()))?;
    Ok(Dataset {
        test_problem: data.test_problem.map(without_dir),
        ..data
    })
}

/// What is wrong with the test images of a data set that could be loaded.
fn test_problem(data: Result<Dataset, String>) -> String {
    let data = data.unwrap();
    assert_eq!(data.test, None);
    data.test_problem.expect("something is wrong")
}

fn config(dataset: DatasetKind) -> DataConfig {
    DataConfig {
        dataset,
        ..DataConfig::default()
    }
}

fn load_10(files: &Named) -> Result<Dataset, String> {
    load_from("", files, config(DatasetKind::Cifar10))
}

fn load_100(files: &Named) -> Result<Dataset, String> {
    load_from("", files, config(DatasetKind::Cifar100))
}

#[test]
fn reads_the_five_training_files_in_order_and_the_test_file() {
    let mut files = all_files();
    files[0].1.extend(record(0, [6; 3]));
    let Dataset { train, test, .. } = load_10(&files).unwrap();
    assert_eq!(train.labels, [1, 0, 2, 3, 4, 5]);
    assert_eq!(train.shape.to_string(), "3×32×32");
    assert_eq!(train.shape, config(DatasetKind::Cifar10).native_shape());
    for (index, value) in [1, 6, 2, 3, 4, 5].into_iter().enumerate() {
        assert_eq!(train.image(index), [value; 3072]);
    }
    let test = test.unwrap();
    assert_eq!(test.pixels, record(9, [7, 8, 9])[1..]);
    assert_eq!((&test.labels[..], test.shape), (&[9][..], train.shape));
    assert_eq!(test.class_names, train.class_names);
    assert_eq!(
        (&*test.class_names[0], &*test.class_names[9]),
        ("airplane", "truck")
    );
}

#[test]
fn the_test_file_may_be_absent() {
    assert_eq!(load_10(&train_files()).unwrap().test, None);
}

#[test]
fn pixels_are_red_green_and_blue_planes_of_rows() {
    let mut files = train_files();
    let rows = |value: fn(u8, u8) -> u8| {
        (0..32).flat_map(move |row| (0..32).map(move |column| value(row, column)))
    };
    files[0].1 = vec![3];
    files[0].1.extend(rows(|row, _| row));
    files[0].1.extend(rows(|_, column| 100 + column));
    files[0].1.extend(rows(|_, _| 200));
    let train = load_10(&files).unwrap().train;
    let [_, height, width] = train.shape.dims();
    let pixel = |channel, row, column| train.image(0)[(channel * height + row) * width + column];
    assert_eq!([pixel(0, 0, 31), pixel(0, 31, 0)], [0, 31]);
    assert_eq!([pixel(1, 0, 31), pixel(1, 31, 0)], [131, 100]);
    assert_eq!([pixel(2, 0, 0), pixel(2, 31, 31)], [200, 200]);
}

#[test]
fn finds_the_files_in_a_folder_its_parent_an_archive_or_beside_one() {
    let whole = load_10(&all_files()).unwrap();
    let unpacked = moved(&all_files(), "cifar-10-batches-bin");
    assert_eq!(load_10(&unpacked).unwrap(), whole);
    for (name, path) in [("cifar-10-binary.tar.gz", ""), ("my.tgz", "my.tgz")] {
        let files = vec![(name.into(), archive(&unpacked))];
        let loaded = load_from(path, &files, config(DatasetKind::Cifar10));
        assert_eq!(loaded.unwrap(), whole);
    }
}

#[test]
fn cifar_100_has_the_fine_labels_of_a_hundred_classes() {
    let data = load_100(&fine_files(0, 99)).unwrap();
    let test = data.test.as_ref().unwrap();
    assert_eq!((&data.train.labels, &test.labels), (&vec![0], &vec![99]));
    assert_eq!(
        (&data.train.pixels, &test.pixels),
        (&vec![0; 3072].into(), &vec![99; 3072].into())
    );
    assert_eq!(test.class_names.len(), 100);
    assert!(test.class_names.is_sorted_by(|name, next| name < next));
    let unpacked = moved(&fine_files(0, 99), "cifar-100-binary");
    assert_eq!(load_100(&unpacked).as_ref(), Ok(&data));
    let packed = vec![("cifar-100-binary.tar.gz".into(), archive(&unpacked))];
    assert_eq!(load_100(&packed).as_ref(), Ok(&data));
}

#[test]
fn both_versions_of_the_same_images_are_equal() {
    let plain = |label: u8| (0..=255u8).cycle().skip(usize::from(label)).take(IMAGE);
    let mut files = all_files();
    files[1].1.push(8);
    files[1].1.extend(plain(8));
    let mut python = in_python(&files, 0, "labels");
    assert_eq!(load_10(&python), load_10(&files));
    let pixels: Vec<u8> = plain(3).collect();
    files[2].1 = [&[3][..], &pixels].concat();
    python[2].1 = numpy_2(&[3], &pixels);
    assert_eq!(load_10(&python), load_10(&files));
    let fine = fine_files(0, 99);
    let python = in_python(&fine, 1, "fine_labels");
    assert_eq!(load_100(&python), load_100(&fine));
}

#[test]
fn finds_the_python_version_in_a_folder_its_parent_an_archive_or_beside_one() {
    let whole = load_10(&all_files()).unwrap();
    let unpacked = moved(&all_python_files(), "cifar-10-batches-py");
    let inside = load_from(
        "cifar-10-batches-py",
        &unpacked,
        config(DatasetKind::Cifar10),
    );
    assert_eq!(inside.as_ref(), Ok(&whole));
    assert_eq!(load_10(&unpacked).as_ref(), Ok(&whole));
    for (name, path) in [("cifar-10-python.tar.gz", ""), ("my.tgz", "my.tgz")] {
        let files = vec![(name.into(), archive(&unpacked))];
        let loaded = load_from(path, &files, config(DatasetKind::Cifar10));
        assert_eq!(loaded.as_ref(), Ok(&whole));
    }
    let fine = fine_files(1, 2);
    let whole = load_100(&fine).unwrap();
    let unpacked = moved(&in_python(&fine, 1, "fine_labels"), "cifar-100-python");
    assert_eq!(load_100(&unpacked).as_ref(), Ok(&whole));
    let packed = vec![("cifar-100-python.tar.gz".into(), archive(&unpacked))];
    assert_eq!(load_100(&packed).as_ref(), Ok(&whole));
}

#[test]
fn of_both_versions_the_binary_one_is_read() {
    let whole = load_10(&all_files()).unwrap();
    let mut others = all_python_files();
    others[0].1 = python_2("labels", &[0], &[77; IMAGE]);
    let unpacked = [all_files(), others.clone()].concat();
    assert_eq!(load_10(&unpacked).as_ref(), Ok(&whole));
    let packed = vec![("my.tgz".into(), archive(&unpacked))];
    let loaded = load_from("my.tgz", &packed, config(DatasetKind::Cifar10));
    assert_eq!(loaded.as_ref(), Ok(&whole));
    let mut both = moved(&others, "cifar-10-batches-py");
    both.push(("cifar-10-binary.tar.gz".into(), archive(&all_files())));
    assert_eq!(load_10(&both).as_ref(), Ok(&whole));
}

#[test]
fn a_complete_version_is_read_before_one_that_lacks_files() {
    let whole = load_10(&all_files()).unwrap();
    let python = moved(&all_python_files(), "cifar-10-batches-py");
    let archive_of =
        |files: &Named| -> Named { vec![("cifar-10-binary.tar.gz".into(), archive(files))] };
    for incomplete in [
        all_files()[3..].to_vec(),
        train_files(),
        vec![all_files().remove(5)],
    ] {
        for beside in [
            incomplete.clone(),
            moved(&incomplete, "cifar-10-batches-bin"),
            archive_of(&incomplete),
        ] {
            let both = [beside, python.clone()].concat();
            assert_eq!(load_10(&both).as_ref(), Ok(&whole));
        }
        // In one archive, and beside the archive that they were unpacked from.
        let packed = archive(&[incomplete.clone(), all_python_files()].concat());
        let packed = vec![("my.tgz".into(), packed)];
        let loaded = load_from("my.tgz", &packed, config(DatasetKind::Cifar10));
        assert_eq!(loaded.as_ref(), Ok(&whole));
        let both = [incomplete, archive_of(&all_files())].concat();
        assert_eq!(load_10(&both).as_ref(), Ok(&whole));
    }
    // Of two that lack files, the one to train on.
    let mut others = all_python_files();
    others.pop();
    let both = [all_files()[3..].to_vec(), others].concat();
    assert_eq!(load_10(&both).unwrap().train, whole.train);
    let both = [all_files()[3..].to_vec(), all_python_files()[4..].to_vec()].concat();
    let message = load_10(&both).unwrap_err();
    assert!(
        message.contains("of the binary version of cifar10"),
        "{message}"
    );
}

#[test]
fn a_damaged_archive_is_no_obstacle_where_a_complete_copy_is_found() {
    let damaged = ("cifar-10-binary.tar.gz".to_owned(), b"damaged".to_vec());
    let complete = load_10(&all_files()).unwrap();
    for place in ["cifar-10-batches-py", "."] {
        let mut files = moved(&all_python_files(), place);
        files.push(damaged.clone());
        assert_eq!(load_10(&files).unwrap(), complete);
        // The test file may be in the archive.
        files.retain(|(name, _)| !name.contains("test"));
        let message = load_10(&files).unwrap_err();
        let start = "DIR/cifar-10-binary.tar.gz is no tar archive";
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn grey_is_rounded_luma_and_three_channels_stay_as_they_are() {
    let mut files = all_files();
    // The last two are 97.500 and 90.490: no weight may be smaller or larger by 0.001.
    let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
    let colours = [red, green, blue, [255; 3], [60, 120, 80], [60, 110, 70]];
    files[0].1 = colours.map(|colour| record(0, colour)).concat();
    let with = |channels| {
        let config = DataConfig {
            channels,
            ..config(DatasetKind::Cifar10)
        };
        load_from("", &files, config)
    };
    let train = with(1).unwrap().train;
    assert_eq!(train.shape.to_string(), "1×32×32");
    for (index, luma) in [76, 150, 29, 255, 98, 90].into_iter().enumerate() {
        assert_eq!(train.image(index), [luma; 1024]);
    }
    assert_eq!(with(3), with(0));
    assert_eq!(
        with(2).unwrap_err(),
        "`data.channels` is 2: pictures are read with 1 (grey) or 3 (RGB); 0 stands for 3"
    );
}

#[test]
fn resizes_both_splits_and_leaves_32_as_it_is() {
    let at = |image_size| {
        let config = DataConfig {
            image_size,
            ..config(DatasetKind::Cifar10)
        };
        load_from("", &all_files(), config).unwrap()
    };
    assert_eq!(at(32), at(0));
    let Dataset { train, test, .. } = at(4);
    let test = test.unwrap();
    assert_eq!((train.len(), train.image(4)), (5, &[5; 48][..]));
    assert_eq!(
        (train.shape.to_string(), train.shape),
        ("3×4×4".into(), test.shape)
    );
    assert_eq!(test.pixels, [[7; 16], [8; 16], [9; 16]].concat());
}

#[test]
fn names_all_places_looked_at_and_the_remedy() {
    let matlab_version = vec![("cifar-10-batches-mat/data_batch_1.mat".into(), vec![])];
    assert_eq!(
        load_10(&matlab_version).unwrap_err(),
        "DIR has none of data_batch_1.bin, cifar-10-batches-bin/data_batch_1.bin, \
         cifar-10-binary.tar.gz, data_batch_1, cifar-10-batches-py/data_batch_1, \
         cifar-10-python.tar.gz: download the file, or set `data.dir` to the folder that holds it"
    );
    let packed = vec![("my.tgz".into(), archive(&matlab_version))];
    assert_eq!(
        load_from("my.tgz", &packed, config(DatasetKind::Cifar10)).unwrap_err(),
        "DIR/my.tgz has none of data_batch_1.bin, data_batch_1: \
         download the file, or set `data.dir` to the folder that holds it"
    );
}

#[test]
fn names_every_missing_training_file_of_a_folder_or_an_archive() {
    let mut files = all_files();
    files.remove(3);
    files.remove(1);
    assert_eq!(
        load_10(&files).unwrap_err(),
        "DIR lacks data_batch_2.bin, data_batch_4.bin: \
         take every file of the binary version of cifar10"
    );
    let other_set = vec![("cifar-100-binary.tar.gz".into(), archive(&files))];
    assert_eq!(
        load_100(&other_set).unwrap_err(),
        "DIR/cifar-100-binary.tar.gz lacks train.bin: \
         take every file of the binary version of cifar100"
    );
    let mut files = all_python_files();
    files.remove(3);
    assert_eq!(
        load_10(&moved(&files, "cifar-10-batches-py")).unwrap_err(),
        "DIR/cifar-10-batches-py lacks data_batch_4: \
         take every file of the Python version of cifar10"
    );
}

#[test]
fn refuses_a_file_that_is_empty_or_ends_within_a_record() {
    for len in [0, 3072, 3074] {
        let message = |path| {
            format!(
                "DIR/{path} has {len} bytes, expected one or more records of 3073 bytes: \
                 it is another file, or damaged; download it again"
            )
        };
        let mut files = all_files();
        files[5].1 = vec![0; len];
        assert_eq!(test_problem(load_10(&files)), message("test_batch.bin"));
        files[4].1 = vec![0; len];
        let packed = vec![("cifar-10-binary.tar.gz".into(), archive(&files))];
        let path = "cifar-10-binary.tar.gz/data_batch_5.bin";
        assert_eq!(load_10(&packed).unwrap_err(), message(path));
    }
    let mut files = fine_files(0, 0);
    files[0].1.pop();
    assert_eq!(
        load_100(&files).unwrap_err(),
        "DIR/train.bin has 3073 bytes, expected one or more records of 3074 bytes: \
         it is another file, or damaged; download it again"
    );
}

#[test]
fn refuses_a_label_that_is_no_class() {
    let mut files = all_files();
    files[0].1.extend(record(10, [0; 3]));
    assert_eq!(
        load_10(&files).unwrap_err(),
        "label 1 of DIR/data_batch_1.bin is 10, expected 0 to 9: it is another set, or damaged"
    );
    assert_eq!(
        test_problem(load_100(&fine_files(99, 100))),
        "label 0 of DIR/test.bin is 100, expected 0 to 99: it is another set, or damaged"
    );
    for label in [-1, 10, i32::MAX] {
        let mut files = all_python_files();
        files[0].1 = python_2("labels", &[9, label], &[0; 2 * IMAGE]);
        let problem = load_10(&files).unwrap_err();
        let expected = format!(
            "label 1 of DIR/data_batch_1 is {label}, expected 0 to 9: \
             it is another set, or damaged"
        );
        assert_eq!(problem, expected);
    }
}

#[test]
fn refuses_a_pickle_that_is_damaged_or_another() {
    let remedy = "it is another file, or damaged; download it again";
    let mut files = all_python_files();
    files[5].1.pop();
    assert_eq!(
        test_problem(load_10(&files)),
        format!("DIR/test_batch is cut short: {remedy}")
    );
    files[0].1 = b"<html>Not found</html>".to_vec();
    assert_eq!(
        load_10(&files).unwrap_err(),
        format!("DIR/data_batch_1 is no pickle of protocol 2, 3 or 4: {remedy}")
    );
    let coarse = in_python(&fine_files(0, 0), 1, "coarse_labels");
    let packed = vec![("cifar-100-python.tar.gz".into(), archive(&coarse))];
    assert_eq!(
        load_100(&packed).unwrap_err(),
        format!(
            "DIR/cifar-100-python.tar.gz/train is a pickled dict without a list of numbers \
             `fine_labels`: {remedy}"
        )
    );
}
