//! Recognise the images of a data set, and say how often that is right.

use anyhow::Context;
use ebm_apply::Trained;
use ebm_apply::evaluate::{Labelled, USUAL_NUMBER};
use ebm_data::{DatasetKind, Images};

use super::ClassifyArgs;
use crate::args::dataset_named;
use crate::dataset;
use crate::evaluate::{Prepared, say_recognition};
use crate::trained::require_classes;
use crate::typed::Mistyped;

impl ClassifyArgs {
    /// Recognise the images of the data set of this name, or without one of the run's own.
    ///
    /// # Errors
    /// Where there are none, the model has no classes or others than they, or an energy is not finite.
    pub(super) fn recognise(&self, name: Option<&str>, quiet: bool) -> anyhow::Result<()> {
        let kind = name.map(dataset_named).transpose()?;
        let (trained, chosen) = self.trained.open(quiet)?;
        require_classes(&trained, &trained.checkpoint().display().to_string())?;
        let own = trained.config().data.dataset;
        let (images, images_name) = match kind.filter(|kind| *kind != own) {
            Some(other) => self.of_other_data(other, &trained, quiet)?,
            None => self.of_own_data(&trained, quiet)?,
        };
        let labelled = Labelled {
            images: &images,
            name: images_name,
        };
        let model = (self.trained.weights(), &chosen);
        let said = say_recognition(&trained, model, labelled, (self.json, quiet));
        said.with_context(|| match name {
            Some(name) => format!("--dataset {name}"),
            None => "--dataset".to_owned(),
        })
    }

    /// Test images of the run's own data, as `ebm evaluate` recognises them.
    fn of_own_data(
        &self,
        trained: &Trained,
        quiet: bool,
    ) -> anyhow::Result<(Images, &'static str)> {
        let (most, dir) = (self.num.unwrap_or(USUAL_NUMBER), self.data_dir.as_deref());
        let data = Prepared::default().of_run(trained, most, dir, quiet)?;
        let images = data.labelled();
        let some = images.some(self.num.unwrap_or(images.len()));
        Ok((some, data.labelled_name()))
    }

    /// Images of another data set, in the shape of the model's.
    fn of_other_data(
        &self,
        kind: DatasetKind,
        trained: &Trained,
        quiet: bool,
    ) -> anyhow::Result<(Images, &'static str)> {
        if kind.is_drawn() && self.data_dir.is_some() {
            let problem =
                format!("--data-dir: {kind} are drawn by this program, and read from no folder");
            return Err(Mistyped(problem).into());
        }
        // What is drawn is other than the run's own.
        let seed = trained.config().seed.wrapping_add(1);
        let asked = (seed, self.num);
        dataset::in_shape(kind, self.data_dir.clone(), trained.shape(), asked, quiet)
    }
}
