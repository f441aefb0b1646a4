//! Say which flag mends an error of a trained model's use.

use ebm_apply::{ImportError, OpenError, SampleError, UnknownClass};

use super::{device, train};

/// The remedy where a trained model cannot be opened.
pub(super) fn of_opening(error: &OpenError) -> Option<String> {
    match error {
        OpenError::Checkpoint(error) => train::of_checkpoint(error),
        OpenError::Config(error) => train::of_config(error),
    }
}

/// The remedy where a model does not have a class.
pub(super) fn of_class(error: &UnknownClass) -> Option<String> {
    match error {
        UnknownClass::NoClasses => Some("train one with --set model.conditional=true".to_owned()),
        // It lists the classes.
        UnknownClass::NotThere { .. } => None,
    }
}

/// The remedy where no samples can be drawn.
pub(super) fn of_sampling(error: &SampleError) -> String {
    let remedy = match error {
        SampleError::FewOfClass { .. } | SampleError::FewChains { .. } => {
            "ask for fewer with --num, or pass --init noise"
        }
        SampleError::Precision(_) => return device::of_precision(),
        SampleError::Diverged { .. } => {
            "nothing was written; try fewer --steps, or an earlier checkpoint"
        }
    };
    remedy.to_owned()
}

/// The remedy where weights cannot be taken over.
pub(super) fn of_import(error: &ImportError) -> Option<String> {
    match error {
        ImportError::Checkpoint(error) => train::of_checkpoint(error),
        ImportError::Train(error) => train::of_training(error),
        ImportError::OtherClasses { num_classes, .. } => {
            let has_classes = *num_classes > 0;
            Some(format!("pass --set model.conditional={has_classes}"))
        }
        ImportError::LeftOver { .. } => {
            Some("choose the preset or --set model.network that fits".to_owned())
        }
        ImportError::Taken { .. } => Some("choose another --output".to_owned()),
    }
}
