//! Load and describe the data of runs, once where several runs have the same.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use ebm_apply::Trained;
use ebm_apply::evaluate::{DataToJudge, FeatureNetwork, Labelled, QualityError, Reference};
use ebm_data::{DataConfig, Dataset, Images};

use crate::dataset;

/// The data of runs that were evaluated so far.
#[derive(Default)]
pub(crate) struct Prepared(Vec<(Source, Rc<PreparedData>)>);

/// What data depend on.
#[derive(PartialEq)]
struct Source {
    config: DataConfig,
    seed: u64,
}

/// The data of a run.
#[derive(Debug)]
pub(crate) struct PreparedData {
    /// Their classes.
    pub(super) class_names: Vec<String>,
    /// What they were loaded by.
    pub(super) config: DataConfig,
    data: Dataset,
    to_judge: DataToJudge,
    references: RefCell<Vec<(String, usize, Rc<Reference>)>>,
}

impl Prepared {
    /// The run's data; of data that are drawn, `num` test images at least.
    pub(crate) fn of_run(
        &mut self,
        trained: &Trained,
        num: usize,
        dir: Option<&Path>,
        quiet: bool,
    ) -> anyhow::Result<Rc<PreparedData>> {
        let mut config = trained.config().data.clone();
        if config.dataset.is_drawn() {
            config.test_images = config.test_images.max(num);
        }
        let seed = trained.config().seed;
        let source = Source { config, seed };
        // A data set that is read is the same whatever the seed.
        let is_same = |other: &Source| {
            let is_drawn = source.config.dataset.is_drawn();
            other.config == source.config && (other.seed == source.seed || !is_drawn)
        };
        if let Some((_, data)) = self.0.iter().find(|(other, _)| is_same(other)) {
            return Ok(Rc::clone(data));
        }
        let data = dataset::of_run(trained, &source.config, dir, quiet)?;
        let prepared = Rc::new(PreparedData {
            class_names: data.train.class_names.clone(),
            config: DataConfig {
                dir: dir.map(Path::to_owned).or(source.config.dir.clone()),
                ..source.config.clone()
            },
            to_judge: DataToJudge::new(&data, num),
            data,
            references: RefCell::default(),
        });
        self.0.push((source, Rc::clone(&prepared)));
        Ok(prepared)
    }
}

impl PreparedData {
    /// What samples are compared with.
    pub(super) fn to_judge(&self) -> &DataToJudge {
        &self.to_judge
    }

    /// Test images, where there are any.
    pub(crate) fn tests(&self) -> Option<&Images> {
        self.data.tests()
    }

    /// Test images, or training images where there are no others.
    pub(crate) fn labelled(&self) -> &Images {
        self.data.tests_or_training().0
    }

    /// What those are.
    pub(crate) fn labelled_name(&self) -> &'static str {
        self.data.tests_or_training().1
    }

    /// Those, to be recognised.
    pub(super) fn to_recognise(&self) -> Labelled<'_> {
        let (images, name) = self.data.tests_or_training();
        Labelled { images, name }
    }

    /// How much [`Self::reference`] counts, and what it gives of so many samples.
    pub(super) fn work(&self, features: &FeatureNetwork, images: usize) -> u64 {
        let [describing, judging] = Reference::work(images, self.data.train.len());
        match self.known_reference(features, images) {
            Some(_) => judging,
            None => describing + judging,
        }
    }

    /// The data, `images` of each set, as features see them. `done` counts where that is not known yet.
    pub(super) fn reference(
        &self,
        features: &FeatureNetwork,
        images: usize,
        done: &AtomicU64,
    ) -> Result<Rc<Reference>, QualityError> {
        if let Some(known) = self.known_reference(features, images) {
            return Ok(known);
        }
        let reference = Rc::new(Reference::new(features, self.of_each(images), done)?);
        let known = (features.id(), images, Rc::clone(&reference));
        self.references.borrow_mut().push(known);
        Ok(reference)
    }

    fn known_reference(&self, features: &FeatureNetwork, images: usize) -> Option<Rc<Reference>> {
        let (references, name) = (self.references.borrow(), features.id());
        let found = references
            .iter()
            .find(|(of, num, _)| *of == name && *num == images);
        found.map(|(_, _, reference)| Rc::clone(reference))
    }

    /// So many images of each set.
    fn of_each(&self, images: usize) -> DataToJudge {
        if images == self.to_judge.len() {
            self.to_judge.clone()
        } else {
            DataToJudge::new(&self.data, images)
        }
    }
}
