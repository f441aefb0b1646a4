//! Judge the samples of a run that is still training by their Fréchet distance to data.

use ebm_core::ImageShape;
use ebm_data::Dataset;
use ebm_train::{JudgeError, SampleJudge};

use super::features::FeatureNetwork;
use super::frechet::Gaussian;
use super::quality::QualityError;
use super::report::DataToJudge;

/// Features, and what they see in data that a run does not learn from. Its distances are those of
/// [`Reference::judge`](super::Reference::judge) under `samples`.
#[derive(Clone, Debug)]
pub struct FrechetJudge {
    features: FeatureNetwork,
    held: Gaussian,
    num: usize,
    shape: ImageShape,
}

impl FrechetJudge {
    /// Describe the data with which `num` samples will be compared: as many of the images that
    /// [`DataToJudge`] holds out, where there are so many.
    ///
    /// # Errors
    /// Where the features do not fit the images, or there are too few of them.
    pub fn new(features: FeatureNetwork, data: &Dataset, num: usize) -> Result<Self, QualityError> {
        let shape = data.train.shape;
        features.check(shape)?;
        let judged = DataToJudge::new(data, num);
        let described = features.describe(judged.held(), shape)?;
        Ok(Self {
            held: Gaussian::of(&described.vectors)?,
            num: judged.len(),
            features,
            shape,
        })
    }

    /// Images with which as many samples are compared.
    pub fn num_images(&self) -> usize {
        self.num
    }
}

impl SampleJudge for FrechetJudge {
    fn name(&self) -> String {
        format!("{} and {} images", self.features.id(), self.num)
    }

    fn distance(&self, samples: &[u8]) -> Result<f64, JudgeError> {
        let as_many = samples.len().min(self.num * self.shape.pixels());
        let described = self.features.describe(&samples[..as_many], self.shape)?;
        Ok(Gaussian::of(&described.vectors)?.distance(&self.held))
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU64;

    use super::super::frechet::FrechetError;
    use super::super::report::Reference;
    use super::*;

    fn data(test_images: usize) -> Dataset {
        let config = ebm_data::DataConfig {
            train_images: 200,
            test_images,
            ..ebm_data::DataConfig::default()
        };
        ebm_data::load(&config, 5).expect("drawn")
    }

    fn features() -> FeatureNetwork {
        FeatureNetwork::embedded("digits").expect("opens")
    }

    #[test]
    fn distances_are_those_of_a_report() {
        for test_images in [0, 90] {
            let data = data(test_images);
            let own = FrechetJudge::new(features(), &data, 80).expect("enough");
            let samples: Vec<u8> = (0..80 * 784).map(|i| (i * 37 % 251) as u8).collect();
            let (to_judge, done) = (DataToJudge::new(&data, 80), AtomicU64::default());
            let reference = Reference::new(&features(), to_judge, &done);
            let names = &data.train.class_names;
            let report =
                reference.and_then(|these| these.judge(&features(), &samples, names, &done));
            let expected = report.expect("enough").samples.frechet;
            assert_eq!(own.distance(&samples).expect("a distance"), expected);
        }
    }

    #[test]
    fn samples_beyond_the_images_to_compare_with_do_not_count() {
        let own = FrechetJudge::new(features(), &data(90), 150).expect("enough");
        assert_eq!(own.num_images(), 90);
        assert!(own.name().starts_with("digits-") && own.name().ends_with(" and 90 images"));
        let samples = &data(0).train.pixels;
        let of = |num: usize| own.distance(&samples[..num * 784]).expect("a distance");
        assert_eq!(of(90), of(150));
    }

    #[test]
    fn images_that_are_too_few_or_of_another_shape_are_refused_at_the_start() {
        let refused = FrechetJudge::new(features(), &data(90), 64).expect_err("too few");
        let expected = FrechetError::TooFew {
            images: 64,
            dims: 64,
        };
        assert!(matches!(refused, QualityError::Frechet(error) if error == expected));
        let mut other = data(90);
        other.train.shape = ImageShape::new(1, 14, 56);
        let refused = FrechetJudge::new(features(), &other, 80).expect_err("another shape");
        assert!(matches!(refused, QualityError::Features(_)), "{refused}");
    }
}
