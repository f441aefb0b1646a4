//! Every naming, every layout and every type of labels, with exact pixels.

use super::*;

#[test]
fn every_naming_is_read_from_an_archive_and_from_a_folder() {
    let medmnist = ["train_images", "train_labels"];
    for ([train, train_labels], test) in [
        (medmnist, Some(["test_images", "test_labels"])),
        (medmnist, Some(["val_images", "val_labels"])),
        (["x_train", "y_train"], Some(["x_test", "y_test"])),
        (["images", "labels"], None),
        (["arr_0", "arr_1"], None),
    ] {
        let mut arrays = vec![
            (train, u8s("(2, 2, 2)", 0..8)),
            (train_labels, u8s("(2, 1)", [1, 0])),
        ];
        if let Some([test, test_labels]) = test {
            arrays.push((test, u8s("(1, 2, 2)", 8..12)));
            arrays.push((test_labels, u8s("(1,)", [1])));
        }
        let expected = images([1, 2, 2], 0..8, &[1, 0], &["0", "1"]);
        let expected_test = test.map(|_| images([1, 2, 2], 8..12, &[1], &["0", "1"]));
        for data in [load_npz(&arrays), load_folder(&arrays)] {
            let data = data.unwrap();
            assert_eq!(data.train, expected, "{train}");
            assert_eq!(
                (data.test, data.test_problem),
                (expected_test.clone(), None)
            );
            assert_eq!(data.passed_over, []);
        }
        // A folder may hold the archive.
        let in_folder = [("a.npz", npz(&arrays))];
        let data = load_from("", &in_folder, DataConfig::default()).unwrap();
        assert_eq!((data.train, data.test), (expected, expected_test));
    }
}

#[test]
fn what_numpy_wrote_is_read() {
    let file = include_bytes!("../../../../tests/data/numpy.npz").to_vec();
    let data = load_from("a.npz", &[("a.npz", file)], DataConfig::default()).unwrap();
    // Element i of all images is i mod 256; the colours of a pixel lie beside each other.
    let planes = |images: std::ops::Range<usize>| {
        images.flat_map(|image| {
            (0..3).flat_map(move |channel| {
                (0..16).map(move |pixel| ((image * 16 + pixel) * 3 + channel) as u8)
            })
        })
    };
    let names = ["chat", "été", "狗"];
    assert_eq!(
        data.train,
        images([3, 4, 4], planes(0..3), &[2, 0, 1], &names)
    );
    assert_eq!(
        data.test,
        Some(images([3, 4, 4], planes(3..5), &[1, 1], &names))
    );
    assert_eq!(data.passed_over, []);
}

#[test]
fn the_channels_are_told_by_their_number_wherever_they_stand() {
    let interleaved = [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11];
    let in_order: Vec<u8> = (0..12).collect();
    for (shape, dims, pixels) in [
        ("(3, 2, 2)", [1, 2, 2], &in_order[..]),
        ("(3, 2, 2, 1)", [1, 2, 2], &in_order[..]),
        ("(3, 1, 2, 2)", [1, 2, 2], &in_order[..]),
        ("(1, 3, 2, 2)", [3, 2, 2], &in_order[..]),
        ("(1, 2, 2, 3)", [3, 2, 2], &interleaved[..]),
    ] {
        let array = u8s(shape, 0..12);
        let expected = images(
            dims,
            pixels.iter().copied(),
            &vec![0; 12 / dims.iter().product::<usize>()],
            &[],
        );
        for data in [
            load_npz(&vec![("arr_0", array.clone())]),
            load_folder(&vec![("train_images", array.clone())]),
            load_from(
                "my images.npy",
                &[("my images.npy", array.clone())],
                DataConfig::default(),
            ),
        ] {
            assert_eq!(data.unwrap().train, expected, "{shape}");
        }
    }
}

#[test]
fn where_two_axes_may_be_the_channels_those_of_a_packed_folder_are_the_second() {
    let arrays = vec![("train_images", u8s("(1, 3, 3, 3)", 0..27))];
    let expected = images([3, 3, 3], 0..27, &[0], &[]);
    assert_eq!(load_folder(&arrays).unwrap().train, expected);
    assert_eq!(
        load_npz(&arrays).unwrap_err(),
        "DIR/a.npz/train_images.npy is of shape [1, 3, 3, 3], in which the channels may be the second axis or the last: \
         save it as train_images.npy in a folder, the channels second"
    );
}

#[test]
fn down_sampled_imagenet_is_planes_of_squares_with_labels_from_1() {
    let data = |labels: [u8; 2]| {
        let arrays = vec![
            ("data", u8s("(2, 12)", 0..24)),
            ("labels", u8s("(2,)", labels)),
            ("mean", npy("'<f8'", "False", "(12,)", &[0; 96])),
        ];
        load_npz(&arrays).unwrap()
    };
    let from_1 = data([2, 1]);
    assert_eq!(from_1.train, images([3, 2, 2], 0..24, &[1, 0], &["1", "2"]));
    assert_eq!(
        passed_over(&from_1),
        ["arrays that are not used: DIR/a.npz/mean.npy"]
    );
    let from_0 = data([1, 0]);
    assert_eq!(from_0.train, images([3, 2, 2], 0..24, &[1, 0], &["0", "1"]));
}

#[test]
fn labels_are_whole_numbers_of_any_width_in_either_order() {
    for (descr, labels) in [
        ("'|u1'", vec![1, 0]),
        ("'|i1'", vec![1, 0]),
        ("'<u2'", vec![1, 0, 0, 0]),
        ("'>u2'", vec![0, 1, 0, 0]),
        ("'<i4'", vec![1, 0, 0, 0, 0, 0, 0, 0]),
        ("'>i8'", [[0; 7].as_slice(), &[1], &[0; 8]].concat()),
    ] {
        for shape in ["(2,)", "(2, 1)"] {
            let arrays = vec![
                ("images", u8s("(2, 2, 2)", 0..8)),
                ("labels", npy(descr, "False", shape, &labels)),
            ];
            let data = load_npz(&arrays).unwrap();
            assert_eq!(data.train.labels, [1, 0], "{descr}");
        }
    }
}

#[test]
fn classes_have_the_names_that_stand_beside_the_labels_or_among_the_arrays() {
    let arrays = vec![
        ("train_images", u8s("(2, 2, 2)", 0..8)),
        ("train_labels", u8s("(2,)", [2, 0])),
    ];
    let names = br#"["cat", "dog", "fish"]"#.to_vec();
    let json = ("class_names.json".to_owned(), names);
    let expected = ["cat", "dog", "fish"];

    let folder = [files(&arrays), vec![json.clone()]].concat();
    let data = load_from("", &folder, DataConfig::default()).unwrap();
    assert_eq!(data.train.class_names, expected);
    assert_eq!(data.passed_over, []);

    let beside = [("a.npz".to_owned(), npz(&arrays)), json];
    for path in ["", "a.npz"] {
        let data = load_from(path, &beside, DataConfig::default()).unwrap();
        assert_eq!(data.train.class_names, expected);
        assert_eq!(data.passed_over, []);
    }

    // One of two data sets, each of which may be meant.
    let arrays_of_two = vec![
        ("train_images", u8s("(2, 2, 2)", 0..8)),
        ("train_labels", u8s("(2,)", [1, 0])),
    ];
    let [_, json] = beside;
    for other in ["b.npz", "x_train.npy"] {
        let beside = [
            ("a.npz".to_owned(), npz(&arrays_of_two)),
            json.clone(),
            (other.to_owned(), vec![]),
        ];
        let data = load_from("a.npz", &beside, DataConfig::default()).unwrap();
        assert_eq!(data.train.class_names, ["0", "1"], "{other}");
        assert_eq!(
            passed_over(&data),
            ["other files or folders: DIR/class_names.json"]
        );
    }

    let code_points = |to_bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
        let padded = ["cat\0", "dog\0", "fish"].concat();
        padded.chars().flat_map(|it| to_bytes(it.into())).collect()
    };
    for (descr, names) in [
        ("'<U4'", code_points(u32::to_le_bytes)),
        ("'>U4'", code_points(u32::to_be_bytes)),
    ] {
        let mut arrays = arrays.clone();
        arrays.push(("class_names", npy(descr, "False", "(3,)", &names)));
        for data in [load_npz(&arrays), load_folder(&arrays)] {
            assert_eq!(data.unwrap().train.class_names, expected, "{descr}");
        }
    }
}

#[test]
fn an_empty_list_of_names_says_that_the_images_are_unlabelled() {
    let arrays = vec![
        ("train_images", u8s("(2, 2, 2)", 0..8)),
        ("train_labels", u8s("(2,)", [0, 0])),
        ("test_images", u8s("(1, 2, 2)", 8..12)),
    ];
    let mut files = files(&arrays);
    files.push(("class_names.json".to_owned(), b"[]".to_vec()));
    let data = load_from("", &files, DataConfig::default()).unwrap();
    assert_eq!(data.train, images([1, 2, 2], 0..8, &[0, 0], &[]));
    assert_eq!(data.test, Some(images([1, 2, 2], 8..12, &[0], &[])));
}

#[test]
fn colours_become_grey_and_grey_becomes_colours_where_that_is_asked_for() {
    let with = |shape: &str, elements: Vec<u8>, channels| {
        let config = DataConfig {
            channels,
            ..DataConfig::default()
        };
        let files = [("a.npy", u8s(shape, elements))];
        load_from("a.npy", &files, config).unwrap().train
    };
    let grey = images([1, 2, 2], [76, 150, 29, 255], &[0], &[]);
    let interleaved = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3]].concat();
    let planes = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]].concat();
    assert_eq!(with("(1, 2, 2, 3)", interleaved, 1), grey);
    assert_eq!(with("(1, 3, 2, 2)", planes, 1), grey);
    let repeated = [1, 2, 3, 4].repeat(3);
    assert_eq!(
        with("(1, 2, 2)", vec![1, 2, 3, 4], 3),
        images([3, 2, 2], repeated, &[0], &[])
    );
}

#[test]
fn images_are_resized_as_others_are_and_cropped_to_their_centre_square() {
    let with = |shape: &str, elements: Vec<u8>, image_size| {
        let config = DataConfig {
            image_size,
            ..DataConfig::default()
        };
        let files = [("a.npy", u8s(shape, elements))];
        load_from("a.npy", &files, config).unwrap().train
    };
    let pixels: Vec<u8> = (0..96).map(|i| (i * 37 % 256) as u8).collect();
    let whole = with("(2, 3, 4, 4)", pixels.clone(), 0);
    for side in [0, 2, 4, 7] {
        let resized = with("(2, 3, 4, 4)", pixels.clone(), side);
        assert_eq!(resized, whole.clone().resized(side), "{side}");
    }
    // Columns 1 and 2 of four.
    assert_eq!(
        with("(1, 2, 4)", (0..8).collect(), 2),
        images([1, 2, 2], [1, 2, 5, 6], &[0], &[])
    );
    // Rows 1 and 2 of five: what is over lies below.
    assert_eq!(
        with("(1, 5, 2)", (0..10).collect(), 2),
        images([1, 2, 2], [2, 3, 4, 5], &[0], &[])
    );
}

#[test]
fn what_is_not_read_is_named() {
    let mut arrays = vec![
        ("train_images", u8s("(1, 2, 2)", 0..4)),
        ("test_images", u8s("(1, 2, 2)", 4..8)),
        ("val_images", u8s("(1, 2, 2)", 8..12)),
        ("x_train", u8s("(1, 2, 2)", 12..16)),
    ];
    let data = load_npz(&arrays).unwrap();
    assert_eq!(
        passed_over(&data),
        ["arrays that are not used: DIR/a.npz/val_images.npy DIR/a.npz/x_train.npy"]
    );
    arrays.truncate(2);
    let mut files = files(&arrays);
    for name in ["class_names.json", "notes.txt", ".hidden"] {
        files.push((name.to_owned(), b"[]".to_vec()));
    }
    let data = load_from("", &files, DataConfig::default()).unwrap();
    assert_eq!(
        passed_over(&data),
        ["other files or folders: DIR/notes.txt"]
    );
}
