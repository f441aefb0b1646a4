//! Refuse data that cannot be used: by name, with a remedy, and without a trace on disk.

use crate::common::Scratch;

const IMAGES: &str = "mnist/train-images-idx3-ubyte";
const LABELS: &str = "mnist/train-labels-idx1-ubyte";
const MNIST: [&str; 4] = ["--dataset", "mnist", "--data-dir", "mnist"];
const PHOTOS: [&str; 4] = ["--dataset", "folder", "--data-dir", "photos"];

/// An IDX file of bytes with these sizes.
fn idx(sizes: &[u32], items: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(items);
    bytes
}

fn three_images() -> Vec<u8> {
    idx(&[3, 4, 4], &[7; 48])
}

fn three_labels() -> Vec<u8> {
    idx(&[3], &[0, 1, 9])
}

/// A folder with these MNIST files makes training fail with these words.
#[track_caller]
fn refuses_mnist(images: &[u8], labels: &[u8], fragments: &[&str]) {
    let scratch = Scratch::new();
    scratch.write(IMAGES, images);
    scratch.write(LABELS, labels);
    scratch.refuses_to_train(&MNIST, fragments);
}

#[test]
fn asks_for_the_folder_of_a_data_set_that_is_read_from_files() {
    for dataset in [
        "mnist",
        "fashion-mnist",
        "cifar10",
        "cifar100",
        "folder",
        "arrays",
    ] {
        let scratch = Scratch::new();
        scratch.refuses_to_train(&["--dataset", dataset], &[dataset, "--data-dir"]);
    }
}

#[test]
fn a_data_folder_is_never_left_unread() {
    let scratch = Scratch::new();
    scratch.write_picture("photos/a.png", [7; 3]);
    let fragments = [
        "dataset digits",
        "photos",
        "looks like folder",
        "--dataset folder",
    ];
    let drawn = ["--dataset", "digits", "--data-dir", "photos"];
    scratch.refuses_to_train(&drawn, &fragments);
    // MNIST and Fashion-MNIST have files of the same names.
    scratch.write("idx/train-images-idx3-ubyte", "");
    let either = ["looks like mnist or fashion-mnist", "--dataset mnist or"];
    scratch.refuses_to_train(&["--data-dir", "idx"], &either);
}

#[test]
fn photographs_need_a_size() {
    let scratch = Scratch::new();
    let picture = image::RgbImage::from_pixel(400, 400, image::Rgb([9; 3]));
    let path = scratch.write("photos/a.png", "");
    picture
        .save(path)
        .expect("a picture in a temporary directory");
    let none = ["--set", "data.image_size=0"];
    let args = [&PHOTOS[..], &none].concat();
    scratch.refuses_to_train(&args, &["is 400 by 400", "--image-size"]);
}

#[test]
fn names_a_data_folder_that_does_not_exist() {
    for args in [MNIST, PHOTOS] {
        let folder = args[3];
        Scratch::new().refuses_to_train(&args, &[folder, "does not exist", "--data-dir"]);
    }
}

#[test]
fn names_an_empty_data_folder_and_what_it_should_hold() {
    let scratch = Scratch::new();
    scratch.write("photos/notes.txt", "no picture");
    scratch.refuses_to_train(&PHOTOS, &["photos holds no image", "PNG", "--data-dir"]);
    scratch.write("mnist/notes.txt", "no images");
    scratch.refuses_to_train(
        &MNIST,
        &["mnist has none of", "train-images-idx3-ubyte", "--data-dir"],
    );
    scratch.write(IMAGES, three_images());
    scratch.refuses_to_train(
        &MNIST,
        &["mnist has none of", "train-labels-idx1-ubyte", "--data-dir"],
    );
}

#[test]
fn refuses_an_idx_file_of_another_kind() {
    let fragments = [IMAGES, "0x00000801", "expected 0x00000803"];
    refuses_mnist(&three_labels(), &three_labels(), &fragments);
    let fragments = [LABELS, "0x00000803", "expected 0x00000801"];
    refuses_mnist(&three_images(), &three_images(), &fragments);
    refuses_mnist(
        b"<html>not found</html>",
        &three_labels(),
        &[IMAGES, "another file"],
    );
}

#[test]
fn refuses_an_idx_file_that_is_cut_short_or_too_long() {
    let (images, labels) = (three_images(), three_labels());
    for len in [0, 3, 15, images.len() - 1] {
        let fragments = [
            IMAGES,
            "cut short",
            &format!("got {len}"),
            "download it again",
        ];
        refuses_mnist(&images[..len], &labels, &fragments);
    }
    let fragments = [LABELS, "cut short", "expected 11 bytes, got 10"];
    refuses_mnist(&images, &labels[..10], &fragments);
    let longer = [&images[..], &[0]].concat();
    refuses_mnist(
        &longer,
        &labels,
        &[IMAGES, "bytes after its last item", "download it again"],
    );
}

#[test]
fn refuses_a_damaged_gzip_file() {
    let start_of_gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    let fragments = [IMAGES, "damaged gzip", "download it again"];
    refuses_mnist(&start_of_gzip, &three_labels(), &fragments);
}

#[test]
fn refuses_labels_that_do_not_belong_to_their_images() {
    let fragments = [
        IMAGES,
        "3 images",
        LABELS,
        "2 labels",
        "take both from the same set",
    ];
    refuses_mnist(&three_images(), &idx(&[2], &[0, 1]), &fragments);
    let fragments = [LABELS, "label 1", "is 10", "expected 0 to 9"];
    refuses_mnist(&three_images(), &idx(&[3], &[0, 10, 1]), &fragments);
}

#[test]
fn refuses_an_idx_file_of_no_images() {
    let none = idx(&[0, 4, 4], &[]);
    refuses_mnist(&none, &idx(&[0], &[]), &[IMAGES, "holds no image"]);
}

#[test]
fn names_a_picture_that_cannot_be_decoded_and_leaves_it_out_when_told_to() {
    let scratch = Scratch::new();
    scratch.write_picture("photos/a.png", [200, 10, 10]);
    scratch.write_picture("photos/c.png", [10, 10, 200]);
    scratch.write("photos/b.png", "not a picture");
    let fragments = ["1 of 3 pictures", "photos/b.png", "that is --skip-bad"];
    scratch.refuses_to_train(&PHOTOS, &fragments);
    let preview = [
        "data",
        "preview",
        "--image-size",
        "16",
        "--output",
        "seen.png",
    ];
    scratch.refuses(&[&preview[..], &PHOTOS].concat(), &fragments);

    let seen = scratch
        .ebm(&[&preview[..], &PHOTOS, &["--skip-bad"]].concat())
        .succeeds();
    assert!(seen.stdout.contains("2 training"), "{}", seen.stdout);
    assert!(image::open(scratch.join("seen.png")).is_ok());
    scratch
        .train("run", &[&PHOTOS[..], &["--skip-bad"]].concat())
        .succeeds();
}

#[test]
fn refuses_a_folder_whose_pictures_are_all_bad_even_when_told_to_leave_them_out() {
    let scratch = Scratch::new();
    scratch.write("photos/a.png", "not a picture");
    let args = [&PHOTOS[..], &["--skip-bad"]].concat();
    scratch.refuses_to_train(&args, &["photos holds no image", "can be decoded"]);
}

#[test]
fn refuses_pictures_beside_class_folders() {
    let scratch = Scratch::new();
    scratch.write_picture("photos/a.png", [1, 2, 3]);
    scratch.write_picture("photos/dogs/b.png", [1, 2, 3]);
    let fragments = ["photos/a.png", "photos/dogs", "move the pictures"];
    scratch.refuses_to_train(&PHOTOS, &fragments);
}

#[test]
fn refuses_sizes_and_channels_that_a_data_set_does_not_have() {
    let scratch = Scratch::new();
    scratch.refuses_to_train(
        &["--image-size", "65"],
        &["`data.image_size` is 65", "8 to 64"],
    );
    scratch.refuses_to_train(&["--channels", "3"], &["`data.channels` is 3", "use 1"]);
    let none = ["--set", "data.train_images=0"];
    scratch.refuses_to_train(&none, &["`data.train_images` is 0", "at least one"]);
    scratch.write_picture("photos/a.png", [1, 2, 3]);
    let two = [&PHOTOS[..], &["--channels", "2"]].concat();
    scratch.refuses_to_train(&two, &["`data.channels` is 2", "1 (grey) or 3 (RGB)"]);
    let native = [&PHOTOS[..], &["--set", "data.image_size=0"]].concat();
    scratch.refuses_to_train(&native, &["photos/a.png is 20 by 18", "`data.image_size`"]);
}

#[test]
fn how_many_images_are_drawn_is_refused_where_all_of_a_folder_are_used() {
    let scratch = Scratch::new();
    scratch.write_picture("photos/a.png", [7; 3]);
    for key in ["data.train_images=1", "data.test_images=0"] {
        let args = [&PHOTOS[..], &["--set", key]].concat();
        let typed = format!("--set {key}: `data.");
        let fragments = [
            typed.as_str(),
            "is for digits and shapes",
            "of folder all images",
        ];
        scratch.refuses_to_train_as_typed(&args, &fragments);
    }
}

#[test]
fn a_preview_of_nothing_or_into_nowhere_is_refused() {
    let scratch = Scratch::new();
    let preview = [
        "data",
        "preview",
        "--set",
        "data.train_images=4",
        "--set",
        "data.test_images=0",
    ];
    let nothing = [&preview[..], &["--num", "0", "--output", "p.png"]].concat();
    scratch.refuses_as_typed(&nothing, &["--num", "at least 1"]);
    let nowhere = [&preview[..], &["--output", "nowhere/p.png"]].concat();
    scratch.refuses(&nowhere, &["nowhere/p.png", "choose another place"]);
}

#[test]
fn names_a_class_that_cannot_be_left_out_and_refuses_to_leave_out_all() {
    let none_such = ["--leave-out", "3,ten"];
    Scratch::new().refuses_to_train(&none_such, &["`ten`", "the classes are 0, 1, 2"]);
    let all = ["--leave-out", "0,1,2,3,4,5,6,7,8,9"];
    Scratch::new().refuses_to_train(&all, &["leaves no training image"]);
    let scratch = Scratch::new();
    scratch.write_picture("photos/a.png", [7; 3]);
    let args = [&PHOTOS[..], &["--leave-out", "a"]].concat();
    scratch.refuses_to_train(&args, &["`a`", "no classes"]);
}
