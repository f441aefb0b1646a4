//! Hold reports of samples to what is known of their images.

use ebm_data::Images;

use super::*;

#[test]
fn the_nearest_come_in_the_order_of_their_distance() {
    let distances = [4.0, 1.0, 3.0, 0.5, 9.0, 2.0, 7.0];
    let indices = |own, count| -> Vec<usize> {
        let found = nearest(distances.into_iter(), own, count);
        found.into_iter().map(|(index, _)| index).collect()
    };
    assert_eq!(indices(None, 5), [3, 1, 5, 2, 0]);
    assert_eq!(indices(Some(1), 3), [3, 5, 2]);
    assert_eq!(nearest(distances.into_iter(), None, 2)[1].1, 1.0);
    assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(vec![3.0, 1.0, 2.0, 4.0]), 2.5);
    assert_eq!(pixel_distance(&[0, 255], &[3, 251]), 5.0 / 256.0);
}

#[test]
fn without_test_images_the_training_images_are_halved_with_all_classes_in_both() {
    let train = Images {
        pixels: (0..200).map(|i| i % 10).collect(),
        shape: ImageShape::new(1, 1, 1),
        labels: (0..200).map(|i| i % 10).collect(),
        class_names: (0..10).map(|class| class.to_string()).collect(),
    };
    let data = Dataset {
        train,
        test: None,
        test_problem: None,
        skipped: Vec::new(),
        passed_over: Vec::new(),
        sizes: None,
    };
    let halves = DataToJudge::new(&data, 1000);
    assert_eq!((halves.len(), halves.train.len()), (100, 100));
    for class in 0..10 {
        assert!(halves.train.contains(&class) && halves.held.contains(&class));
    }
    assert_eq!(DataToJudge::new(&data, 30).len(), 30);
}

/// 160 of the program's digits, halves of which are compared, and what judges by them.
fn digits_without_test_images() -> (Dataset, FeatureNetwork, Reference) {
    let config = ebm_data::DataConfig {
        train_images: 160,
        test_images: 0,
        ..Default::default()
    };
    let data = ebm_data::load(&config, 5).expect("drawn");
    let features = FeatureNetwork::embedded("digits").expect("opens");
    let (judged, done) = (DataToJudge::new(&data, 80), AtomicU64::default());
    let reference = Reference::new(&features, judged, &done).expect("enough images");
    assert_eq!(done.into_inner(), Reference::work(80, 160)[0]);
    (data, features, reference)
}

#[test]
fn without_test_images_copies_are_found_and_no_held_out_image_is_its_own_nearest() {
    let (data, features, reference) = digits_without_test_images();
    let (train, held) = (&data.train, reference.data.held.clone());
    let done = AtomicU64::default();
    let report = reference.judge(&features, &held, &train.class_names, &done);
    assert_eq!(done.into_inner(), Reference::work(80, 160)[1]);
    let copying = report.expect("enough samples").copying;
    assert_eq!(copying.samples_by_pixels, 0.0);
    assert!(copying.samples_by_features < copying.held_by_features);
    // No two digits are the same, so that what is nearest but not at 0 is another.
    let distances = held.chunks_exact(784).map(|image| {
        let others = train.pixels.chunks_exact(784);
        let distances = others.map(|other| pixel_distance(image, other));
        distances
            .filter(|distance| *distance > 0.0)
            .fold(f64::INFINITY, f64::min)
    });
    assert_eq!(copying.held_by_pixels, median(distances.collect()));
}

#[test]
fn missing_classes_constant_features_and_features_of_other_classes_are_warned_of() {
    let (data, features, reference) = digits_without_test_images();
    let (train, names) = (&data.train, &data.train.class_names);
    let warnings = |samples: &[u8], names: &[String]| {
        let report = reference.judge(&features, samples, names, &AtomicU64::default());
        report.expect("enough samples").warnings.join("; ")
    };
    let place = train.labels.iter().position(|&label| label == 7);
    let seven = &train.pixels[place.expect("a seven") * 784..][..784];
    let found = warnings(&seven.repeat(80), &["cat".to_owned(), "dog".to_owned()]);
    for part in [
        "of 80 images: distances are larger than those of 10000",
        "the features tell 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 apart, which are not the classes of the data",
        "no sample is of the classes 0, 1, 2, 3, 4, 5, 6, 8, 9",
        "some combination of features is the same in all samples",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let found = warnings(&train.pixels[..80 * 784], names);
    for part in ["classes", "in all samples"] {
        assert!(!found.contains(part), "{part}: {found}");
    }
}
