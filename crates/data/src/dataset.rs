//! Keep training and test images together.

use std::error::Error;
use std::iter;
use std::path::PathBuf;

use crate::error::DataError;
use crate::images::Images;
use crate::sizes::PictureSizes;

/// What a run trains on, and what it is evaluated on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Images to train on; never empty.
    pub train: Images,
    /// Held-out images of the same shape and classes.
    pub test: Option<Images>,
    /// Why there are no held-out images although there are files of them: training needs none.
    pub test_problem: Option<String>,
    /// Pictures that could not be decoded and were left out (`data.skip_bad`), in order.
    pub skipped: Vec<PathBuf>,
    /// What lies in the folder or the archive and was not read.
    pub passed_over: Vec<PassedOver>,
    /// How large the pictures of both splits were; `None` where images are not made of pictures.
    pub sizes: Option<PictureSizes>,
}

/// An error and what caused it, each after a colon.
fn with_causes(error: &DataError) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

/// Files or folders that are no pictures, or none that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// What they are, in the plural.
    pub what: String,
    /// What to do where they are meant as data.
    pub remedy: Option<&'static str>,
    /// Where they are, in order; never empty.
    pub paths: Vec<PathBuf>,
}

impl Dataset {
    /// Held-out images, where there are any.
    pub fn tests(&self) -> Option<&Images> {
        self.test.as_ref().filter(|test| !test.is_empty())
    }

    /// Held-out images, or training images where there are no others, and which of the two they are.
    pub fn tests_or_training(&self) -> (&Images, &'static str) {
        match self.tests() {
            Some(test) => (test, "test images"),
            None => (&self.train, "training images"),
        }
    }

    /// Training images alone, of which nothing was left out.
    pub(crate) fn of_train(train: Images) -> Self {
        Self {
            train,
            test: None,
            test_problem: None,
            skipped: Vec::new(),
            passed_over: Vec::new(),
            sizes: None,
        }
    }

    /// The data set with these held-out images, or with what is wrong with them.
    pub(crate) fn with_test(self, test: Result<Option<Images>, DataError>) -> Self {
        match test {
            Ok(test) => Self { test, ..self },
            Err(problem) => Self {
                test_problem: Some(with_causes(&problem)),
                ..self
            },
        }
    }

    /// The data set without the images of some classes; without test images where none are left.
    pub(crate) fn without(self, left_out: &[String]) -> Result<Self, DataError> {
        let names = &self.train.class_names;
        if let Some(unknown) = left_out.iter().find(|name| !names.contains(name)) {
            return Err(DataError::NoSuchClass {
                name: unknown.clone(),
                names: names.clone(),
            });
        }
        let kept = names.iter().filter(|name| !left_out.contains(name));
        let kept: Vec<String> = kept.cloned().collect();
        let train = self.train.of_names(&kept);
        if train.is_empty() {
            return Err(DataError::AllLeftOut);
        }
        Ok(Self {
            train,
            test: self
                .test
                .map(|test| test.of_names(&kept))
                .filter(|test| !test.is_empty()),
            test_problem: self.test_problem,
            skipped: self.skipped,
            passed_over: self.passed_over,
            sizes: self.sizes,
        })
    }
}
