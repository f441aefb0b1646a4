//! What is refused, each with what is wrong and what to do.

use super::*;

/// A `.npz` file of these arrays is refused with this message, which begins with its path.
#[track_caller]
fn refuses(arrays: &Named<'_>, message: &str) {
    assert_eq!(load_npz(arrays).unwrap_err(), format!("DIR/a.npz{message}"));
}

/// An array of this header, of two images of 2 by 2.
fn two(descr: &str, fortran_order: &str, shape: &str, bytes: usize) -> Vec<u8> {
    npy(descr, fortran_order, shape, &vec![0; bytes])
}

#[test]
fn other_types_and_orders_of_images_are_refused_with_a_line_of_numpy() {
    for (descr, bytes, found, remedy) in [
        (
            "'<f4'",
            32,
            "is of type float32",
            "`x = (255 * x.clip(0, 1)).round().astype(numpy.uint8)`, where white is 1",
        ),
        (
            "'>f8'",
            64,
            "is of type float64",
            "`x = (255 * x.clip(0, 1)).round().astype(numpy.uint8)`, where white is 1",
        ),
        (
            "'|i1'",
            8,
            "is of type int8",
            "`x = x.clip(0, 255).astype(numpy.uint8)`, where white is 255",
        ),
        (
            "'<u2'",
            16,
            "is of type uint16",
            "`x = (x / 257).round().astype(numpy.uint8)`, where white is 65535",
        ),
        (
            "'<i8'",
            64,
            "is of type int64",
            "`x = x.clip(0, 255).astype(numpy.uint8)`, where white is 255",
        ),
        (
            "'|b1'",
            8,
            "is of type bool",
            "`x = 255 * x.astype(numpy.uint8)`",
        ),
        (
            "'<c8'",
            64,
            "is of type complex64",
            "`x = x.astype(numpy.uint8)`",
        ),
    ] {
        refuses(
            &vec![("x_train", two(descr, "False", "(2, 2, 2)", bytes))],
            &format!(
                "/x_train.npy {found}, and images are read from uint8: save it again after {remedy}"
            ),
        );
    }
    refuses(
        &vec![("x_train", two("'|O'", "False", "(2,)", 50))],
        "/x_train.npy holds Python objects, which are never loaded: save it again after \
         `x = numpy.stack(list(x)).astype(numpy.uint8)`",
    );
    refuses(
        &vec![("x_train", two("[('x', '|u1', (2, 2))]", "False", "(2,)", 8))],
        "/x_train.npy is of a structured type: save its field of images alone, as numpy.uint8",
    );
    refuses(
        &vec![("x_train", two("'|u1'", "True", "(2, 2, 2)", 8))],
        "/x_train.npy is in Fortran order, and images are read in C order: save it again after \
         `x = numpy.ascontiguousarray(x)`",
    );
}

#[test]
fn other_shapes_of_images_are_refused() {
    for (shape, bytes, remedy) in [
        ("[]", 1, "`x = x.reshape(n, h, w, c)`"),
        ("[8]", 8, "`x = x.reshape(n, h, w, c)`"),
        ("[2, 4]", 8, "`x = x.reshape(n, h, w, c)`"),
        ("[1, 2, 2, 2]", 8, "`x = x.reshape(n, h, w, c)`"),
        ("[1, 2, 2, 4]", 16, "`x = x[..., :3]`, without transparency"),
        ("[1, 4, 2, 2]", 16, "`x = x[:, :3]`, without transparency"),
        ("[1, 1, 2, 2, 3]", 12, "`x = x.reshape(n, h, w, c)`"),
    ] {
        let tuple = match shape.contains(", ") {
            true => shape.replace('[', "(").replace(']', ")"),
            false => shape
                .replace('[', "(")
                .replace(']', if bytes > 1 { ",)" } else { ")" }),
        };
        refuses(
            &vec![("images", two("'|u1'", "False", &tuple, bytes))],
            &format!(
                "/images.npy is of shape {shape}, and images are [n, h, w], [n, h, w, c] or [n, c, h, w] with 1 or 3 \
                 channels: save it again after {remedy}"
            ),
        );
    }
    for shape in ["(2, 11)", "(2, 9)", "(1, 2, 2, 3)"] {
        let bytes = if shape == "(2, 11)" {
            22
        } else if shape == "(2, 9)" {
            18
        } else {
            12
        };
        let message = load_npz(&vec![("data", two("'|u1'", "False", shape, bytes))]).unwrap_err();
        assert!(
            message.contains("and `data` is read as [n, 3·s·s]: save"),
            "{message}"
        );
    }
    for shape in ["(0, 2, 2)", "(2, 0, 2)", "(0,)"] {
        refuses(
            &vec![("images", two("'|u1'", "False", shape, 0))],
            "/images.npy holds no image: its shape has a 0 in it; save an array of one or more",
        );
    }
    refuses(
        &vec![("images", two("'|u1'", "False", "(2, 2, 4)", 16))],
        "/images.npy is 4 by 2: set `data.image_size` to crop and resize all pictures to a square",
    );
}

#[test]
fn one_picture_is_not_taken_for_many_narrow_ones() {
    for (shape, width, bytes) in [
        ("(4, 4, 3)", 3, 48),
        ("(3, 3, 3)", 3, 27),
        ("(4, 4, 1)", 1, 16),
    ] {
        let array = two("'|u1'", "False", shape, bytes);
        let shown = shape.replace('(', "[").replace(')', "]");
        let message = format!(
            "is of shape {shown}, which may be one image with its channels last, or grey images of width {width}: \
             save it again after `x = x[None]` for one image, or `x = x[..., None]` for grey ones"
        );
        for name in ["arr_0", "train_images"] {
            refuses(
                &vec![(name, array.clone())],
                &format!("/{name}.npy {message}"),
            );
        }
        let in_folder = load_folder(&vec![("train_images", array)]).unwrap_err();
        assert_eq!(in_folder, format!("DIR/train_images.npy {message}"));
    }
    let read = |shape: &str, elements| {
        let data = load_npz(&vec![("images", u8s(shape, vec![7; elements]))]);
        data.unwrap().train.shape.to_string()
    };
    assert_eq!(read("(1, 4, 4, 3)", 48), "3×4×4");
    assert_eq!(read("(3, 4, 4)", 48), "1×4×4");
}

#[test]
fn labels_that_are_none_are_refused() {
    let refuses_labels = |descr: &str, shape: &str, elements: &[u8], message: &str| {
        let arrays = vec![
            ("images", u8s("(2, 2, 2)", 0..8)),
            ("labels", npy(descr, "False", shape, elements)),
        ];
        refuses(&arrays, &format!("/labels.npy {message}"));
    };
    refuses_labels(
        "'<f4'",
        "(2,)",
        &[0; 8],
        "is of type float32, and labels are whole numbers: save it again after `y = y.astype(int)`",
    );
    refuses_labels(
        "'|b1'",
        "(2,)",
        &[0; 2],
        "is of type bool, and labels are whole numbers: save it again after `y = y.astype(int)`",
    );
    refuses_labels(
        "'|O'",
        "(2,)",
        b"\x80\x04.",
        "holds Python objects, which are never loaded: save it again after `class_names, y = numpy.unique(list(y), return_inverse=True)`",
    );
    refuses_labels(
        "'|u1'",
        "(2, 3)",
        &[0; 6],
        "is of shape [2, 3], with several labels for an image, and one is read: save it again after `y = y[:, 0]`, \
         or `y.argmax(axis=1)` of one-hot labels",
    );
    refuses_labels(
        "'|u1'",
        "()",
        &[0],
        "is of shape [], and labels are [n] or [n, 1]: save it again after `y = y.reshape(n)`",
    );
    let anew = "number the classes from 0 with `y = numpy.unique(y, return_inverse=True)[1]`";
    refuses_labels(
        "'|i1'",
        "(2,)",
        &[0, 0xff],
        &format!("has -1 as label 1, which is no class: {anew}"),
    );
    refuses_labels(
        "'<u8'",
        "(2,)",
        &[0xff; 16],
        &format!("has 18446744073709551615 as label 0, which is no class: {anew}"),
    );
    refuses_labels(
        "'<u4'",
        "(2,)",
        &[0, 0, 1, 0, 0, 0, 0, 0],
        &format!("has labels up to 65536, and 65536 classes are the most: {anew}"),
    );
    refuses_labels(
        "'|u1'",
        "(2,)",
        &[2, 0],
        &format!(
            "has labels up to 2 for 2 images: {anew}, or name all classes in class_names.json"
        ),
    );
    let arrays = vec![
        ("images", u8s("(2, 2, 2)", 0..8)),
        ("labels", u8s("(3,)", [0, 1, 1])),
    ];
    refuses(
        &arrays,
        "/images.npy has 2 images but DIR/a.npz/labels.npy has 3 labels: take both from the same set",
    );
}

#[test]
fn labels_of_another_number_than_the_images_are_refused_before_they_are_read() {
    // Of so many labels, none is one.
    let labels = || npy("'|i1'", "False", "(300000, 1)", &[0xff; 300_000]);
    let images = || u8s("(2, 2, 2)", 0..8);
    refuses(
        &vec![("train_images", images()), ("train_labels", labels())],
        "/train_images.npy has 2 images but DIR/a.npz/train_labels.npy has 300000 labels: take both from the same set",
    );
    let data = load_npz(&vec![
        ("train_images", images()),
        ("train_labels", u8s("(2,)", [0, 1])),
        ("test_images", images()),
        ("test_labels", labels()),
    ]);
    let problem = data.unwrap().test_problem.unwrap();
    let start = "DIR/a.npz/test_images.npy has 2 images but";
    assert!(problem.starts_with(start), "{problem}");
}

#[test]
fn names_of_classes_that_are_none_are_refused() {
    let arrays = vec![
        ("train_images", u8s("(2, 2, 2)", 0..8)),
        ("train_labels", u8s("(2,)", [0, 1])),
    ];
    for (names, problem) in [
        ("{}", "is no JSON list of texts"),
        ("[1, 2]", "is no JSON list of texts"),
        ("[\"a\", \"b\"", "is no JSON list of texts"),
        ("[\"a\", \"a\"]", "has the name `a` twice"),
        ("[\"a\", \"\"]", "has an empty name"),
        (
            "[\"a\", \"b\\n\"]",
            "has the name `b\\n`, which is not one line",
        ),
    ] {
        let mut files = files(&arrays);
        files.push(("class_names.json".to_owned(), names.into()));
        let message = load_from("", &files, DataConfig::default()).unwrap_err();
        let start = format!("DIR/class_names.json {problem}");
        assert!(message.starts_with(&start), "{message}");
        assert!(
            message.ends_with("in order, as [\"cat\", \"dog\"]"),
            "{message}"
        );
    }
    let mut few = files(&arrays);
    few.push(("class_names.json".to_owned(), b"[\"a\"]".to_vec()));
    assert_eq!(
        load_from("", &few, DataConfig::default()).unwrap_err(),
        "label 1 of DIR/train_labels.npy is 1, expected 0 to 0, the places of the names in DIR/class_names.json: it \
         is another set, or damaged"
    );
    let mut none = files(&arrays);
    none.push(("class_names.json".to_owned(), b"[]".to_vec()));
    let message = load_from("", &none, DataConfig::default()).unwrap_err();
    assert!(
        message.contains("train_labels.npy holds labels, and the list")
            && message.contains("the classes, DIR/class_names.json, is empty: put"),
        "{message}"
    );

    for (descr, shape, elements, problem) in [
        (
            "'|S1'",
            "(2,)",
            vec![b'a', b'b'],
            "is of type bytes, and names of classes are text",
        ),
        (
            "'|O'",
            "(2,)",
            vec![b'.'],
            "is of type object, and names of classes are text",
        ),
        (
            "'<U1'",
            "(1, 2)",
            vec![97, 0, 0, 0, 98, 0, 0, 0],
            "is of shape [1, 2], and names",
        ),
        (
            "'<U0'",
            "(1000000000000,)",
            vec![],
            "is of shape [1000000000000], and names",
        ),
        (
            "'<U1'",
            "(2,)",
            vec![97, 0, 0, 0, 97, 0, 0, 0],
            "has the name `a` twice",
        ),
        (
            "'<U1'",
            "(2,)",
            vec![0, 0xd8, 0, 0, 97, 0, 0, 0],
            "is no NumPy file, or a damaged one",
        ),
    ] {
        let mut arrays = arrays.clone();
        arrays.push(("class_names", npy(descr, "False", shape, &elements)));
        let message = load_npz(&arrays).unwrap_err();
        let start = format!("DIR/a.npz/class_names.npy {problem}");
        assert!(message.starts_with(&start), "{message}");
    }
}

#[test]
fn arrays_of_unknown_names_are_listed_with_the_names_that_are_read() {
    let image = u8s("(1, 2, 2)", 0..4);
    refuses(
        &vec![("pictures", image.clone()), ("labels", u8s("(1,)", [0]))],
        " holds no images under a name that is read: it holds labels, pictures; name them train_images, x_train, \
         images, arr_0 or data, and their labels train_labels, y_train, labels or arr_1, or set `data.dir` to a .npy \
         file of images",
    );
    let message = load_npz(&vec![]).unwrap_err();
    assert!(message.contains("it holds no array; name"), "{message}");
    let names: Vec<String> = (0..30).map(|i| format!("a{i:02}")).collect();
    let many = names.iter().map(|name| (name.as_str(), image.clone()));
    let message = load_npz(&many.collect()).unwrap_err();
    assert!(message.contains("a19 and 10 more; name"), "{message}");
    let message = load_folder(&vec![("test_images", image)]).unwrap_err();
    assert!(
        message.starts_with("DIR holds no images under"),
        "{message}"
    );
}

#[test]
fn a_folder_of_several_data_sets_is_refused() {
    let arrays = vec![("train_images", u8s("(1, 2, 2)", 0..4))];
    let load = |names: &[&str]| {
        let files: Vec<_> = names
            .iter()
            .map(|&name| match name.strip_suffix(".npz") {
                Some(_) => (name, npz(&arrays)),
                None => (name, arrays[0].1.clone()),
            })
            .collect();
        load_from("", &files, DataConfig::default())
    };
    for names in [
        &["a.npz", "b.npz"][..],
        &["a.npz", "b.NPZ", "c.npz"],
        &["a.npz", "train_images.npy"],
    ] {
        assert_eq!(
            load(names).unwrap_err(),
            format!(
                "DIR holds several data sets ({}): set `data.dir` to one of these files, or move the others elsewhere",
                names.join(", ")
            )
        );
    }
    let beside = load(&["a.npz", "notes.npy"]).unwrap();
    assert_eq!(
        passed_over(&beside),
        ["other files or folders: DIR/notes.npy"]
    );
}

#[test]
fn a_number_of_channels_that_arrays_do_not_have_is_refused() {
    let config = DataConfig {
        channels: 2,
        ..DataConfig::default()
    };
    let files = [("a.npy", u8s("(1, 2, 2)", 0..4))];
    assert_eq!(
        load_from("a.npy", &files, config).unwrap_err(),
        "`data.channels` is 2: arrays are read with 1 (grey) or 3 (RGB); 0 stands for what they have"
    );
}

#[test]
fn what_is_wrong_with_test_images_does_not_stop_training() {
    let problem = |labels: Option<[u8; 2]>, others: Named<'static>| {
        let mut arrays = vec![("train_images", u8s("(2, 2, 2)", 0..8))];
        arrays.extend(labels.map(|labels| ("train_labels", u8s("(2,)", labels))));
        arrays.extend(others);
        let data = load_npz(&arrays).unwrap();
        assert_eq!((data.train.len(), data.test), (2, None));
        data.test_problem.unwrap()
    };
    let images = || ("test_images", u8s("(1, 2, 2)", 8..12));
    let labels = |label: u8| ("test_labels", u8s("(1,)", [label]));
    let larger = ("test_images", u8s("(1, 4, 4)", 0..16));
    let coloured = ("test_images", u8s("(1, 3, 2, 2)", 0..12));
    let both = ("test_images", u8s("(1, 3, 4, 4)", 0..48));
    let floats = ("test_images", npy("'<f4'", "False", "(1, 2, 2)", &[0; 16]));
    for (of_train, others, expected) in [
        (
            Some([0, 1]),
            vec![images(), labels(2)],
            "label 0 of DIR/a.npz/test_labels.npy is 2, expected 0 to 1",
        ),
        (
            Some([0, 1]),
            vec![images()],
            "DIR/a.npz/test_images.npy has no labels, and the training images have",
        ),
        (
            None,
            vec![images(), labels(0)],
            "DIR/a.npz/test_labels.npy holds labels, and the training images have none",
        ),
        (
            Some([0, 1]),
            vec![labels(0)],
            "DIR/a.npz has none of test_images.npy",
        ),
        (
            None,
            vec![larger],
            "test images of DIR/a.npz are 1×4×4 but training images are 1×2×2: set `data.image_size`",
        ),
        (
            None,
            vec![coloured],
            "test images of DIR/a.npz are 3×2×2 but training images are 1×2×2: set `data.channels`",
        ),
        (
            None,
            vec![both],
            "test images of DIR/a.npz are 3×4×4 but training images are 1×2×2: set `data.channels` and `data.image_size`",
        ),
        (
            None,
            vec![floats],
            "DIR/a.npz/test_images.npy is of type float32",
        ),
    ] {
        let problem = problem(of_train, others);
        assert!(problem.starts_with(expected), "{problem}");
    }
}
