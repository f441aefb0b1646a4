//! Say which classes are drawn, and how many images stand in a row.

use ebm_apply::{Trained, labels_in_turn};
use ebm_core::ImageShape;

use super::SampleArgs;
use crate::output::{columns_for, columns_in_turn, shows_classes};
use crate::trained::{class, require_classes};
use crate::typed::Mistyped;

/// Images where no number is asked for.
const USUAL_NUM: usize = 64;
/// Images of each class where no number is asked for.
const OF_EACH_CLASS: usize = 8;
/// Chains that cross from a class to another where no number is asked for: the rows of a picture.
pub(super) const TRAJECTORY_ROWS: usize = 10;

/// What is drawn.
pub(crate) struct Plan {
    /// Shape of an image.
    pub(super) shape: ImageShape,
    /// Classes of the model; 0 for images of no class.
    pub(super) num_classes: usize,
    /// Their names, where the data have some.
    pub(super) class_names: Vec<String>,
    /// The class of every chain.
    pub(super) labels: Vec<u32>,
    /// Images in a row.
    pub(super) columns: usize,
    /// The classes under which chains go on, for `--cross-class`.
    pub(super) then: Option<Vec<u32>>,
}

impl Plan {
    /// What the arguments ask for.
    ///
    /// # Errors
    /// Where the model does not have a class.
    pub(super) fn of(args: &SampleArgs, trained: &Trained) -> anyhow::Result<Self> {
        if let Some(cross) = &args.cross_class {
            return Self::crossing(args, trained, cross);
        }
        let num = args.num.unwrap_or(USUAL_NUM);
        match args.class.as_deref() {
            None => Ok(Self {
                columns: columns_in_turn(num, trained.num_classes()),
                ..Self::square(trained, labels_in_turn(num, trained.num_classes()))
            }),
            Some("all") => {
                require_classes(trained, "--class all")?;
                let columns = args.num.unwrap_or(OF_EACH_CLASS);
                let classes = 0..trained.num_classes() as u32;
                let labels = classes.flat_map(|class| vec![class; columns]).collect();
                Ok(Self {
                    columns,
                    ..Self::square(trained, labels)
                })
            }
            Some(name) => {
                let class = class(trained, "--class", name)?;
                Ok(Self::square(trained, vec![class; num]))
            }
        }
    }

    /// How many images the arguments ask for, of a model of so many classes.
    pub(super) fn num_asked(args: &SampleArgs, num_classes: usize) -> u64 {
        let or = |usual| args.num.unwrap_or(usual) as u64;
        match (&args.cross_class, args.class.as_deref()) {
            (Some(_), _) => or(TRAJECTORY_ROWS),
            (None, Some("all")) => or(OF_EACH_CLASS).saturating_mul(num_classes as u64),
            (None, _) => or(USUAL_NUM),
        }
    }

    /// Images of this shape and of no class, 64 unless a number is asked for.
    pub(crate) fn without_classes(num: Option<usize>, shape: ImageShape) -> Self {
        let num = num.unwrap_or(USUAL_NUM);
        Self {
            shape,
            num_classes: 0,
            class_names: Vec::new(),
            labels: vec![0; num],
            columns: columns_for(num),
            then: None,
        }
    }

    /// Images that are drawn.
    pub(crate) fn num(&self) -> usize {
        self.labels.len()
    }

    /// Which classes the rows or columns of a picture are, in words, where each has one.
    pub(super) fn order(&self) -> Option<String> {
        let (classes, labels) = (self.num_classes, self.last_classes());
        let are_all_there = (0..classes as u32).all(|class| labels.contains(&class));
        if !shows_classes(classes) || !are_all_there || self.then.is_some() {
            return None;
        }
        let is_row = labels
            .chunks(self.columns)
            .all(|row| row.windows(2).all(|two| two[0] == two[1]));
        let is_column = self.columns == classes;
        let lines = match (is_row, is_column) {
            (true, _) if labels.len() > self.columns => "rows",
            (false, true) => "columns",
            _ => return None,
        };
        let names = match self.class_names.as_slice() {
            [] => (0..classes).map(|class| class.to_string()).collect(),
            names => names.to_vec(),
        };
        Some(format!("{lines}: {}", names.join(", ")))
    }

    /// The class of every image that is drawn in the end; all 0 for a model without classes.
    pub(super) fn last_classes(&self) -> &[u32] {
        self.then.as_ref().unwrap_or(&self.labels)
    }

    /// Chains of one class that go on under another.
    fn crossing(args: &SampleArgs, trained: &Trained, cross: &str) -> anyhow::Result<Self> {
        let unclear = || Mistyped("--cross-class takes two classes, as in 3:8".to_owned());
        let (from, to) = cross.split_once(':').ok_or_else(unclear)?;
        let from = class(trained, "--cross-class", from)?;
        let to = class(trained, "--cross-class", to)?;
        let num = args.num.unwrap_or(TRAJECTORY_ROWS);
        Ok(Self {
            then: Some(vec![to; num]),
            ..Self::square(trained, vec![from; num])
        })
    }

    /// A grid that is as near to a square as its images allow.
    fn square(trained: &Trained, labels: Vec<u32>) -> Self {
        Self {
            shape: trained.shape(),
            num_classes: trained.num_classes(),
            class_names: trained.class_names().to_vec(),
            columns: columns_for(labels.len()),
            labels,
            then: None,
        }
    }
}
