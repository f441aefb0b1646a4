//! Say what to type after an error: the libraries name what is wrong, this file the flags that mend it.

mod apply;
mod data;
mod device;
mod ranks;
mod train;

use std::error::Error;

use ebm_apply::compose::ComposeError;
use ebm_apply::denoise::DenoiseError;
use ebm_apply::evaluate::{
    CompletionError, FrechetError, KeepError, LikelihoodError, MixingError, QualityError,
};
use ebm_apply::exchange::hub::HubError;
use ebm_apply::infer::{InferError, ReadOutError};
use ebm_apply::restore::RestoreError;
use ebm_apply::score::FewUsual;
use ebm_apply::{EnsembleError, ImportError, OpenError, SampleError, UnknownClass};
use ebm_data::DataError;
use ebm_model::UnsupportedPrecision;
use ebm_train::checkpoint::CheckpointError;
use ebm_train::{ConfigError, TrainError};

use crate::device::{DeviceError, SelfTestError};
use crate::ranks::RanksError;

/// What to type to mend an error, where its own text does not say.
pub fn remedy(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_cause)
}

/// The remedy of one error of a chain.
///
/// An error that only passes on another one (`#[error(transparent)]`) hides it from the chain, so that
/// every arm for such a variant looks inside.
fn of_cause(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<TrainError>() {
        return train::of_training(error);
    }
    if let Some(error) = cause.downcast_ref::<ConfigError>() {
        return train::of_config(error);
    }
    if let Some(error) = cause.downcast_ref::<CheckpointError>() {
        return train::of_checkpoint(error);
    }
    if let Some(error) = cause.downcast_ref::<DataError>() {
        return data::of_data(error);
    }
    if let Some(error) = cause.downcast_ref::<OpenError>() {
        return apply::of_opening(error);
    }
    if let Some(error) = cause.downcast_ref::<HubError>() {
        return apply::of_hub(error);
    }
    if let Some(error) = cause.downcast_ref::<SampleError>() {
        return apply::of_sampling(error);
    }
    if let Some(KeepError::Sample(error)) = cause.downcast_ref() {
        return apply::of_sampling(error);
    }
    if let Some(error) = cause.downcast_ref::<ComposeError>() {
        return apply::of_composing(error);
    }
    if let Some(error) = cause.downcast_ref::<DenoiseError>() {
        return apply::of_denoising(error);
    }
    if let Some(error) = cause.downcast_ref::<CompletionError>() {
        return apply::of_completion(error);
    }
    if let Some(error) = cause.downcast_ref::<RestoreError>() {
        return apply::of_restoring(error);
    }
    if let Some(error) = cause.downcast_ref::<InferError>() {
        return Some(apply::of_inference(error));
    }
    if let Some(error) = cause.downcast_ref::<ReadOutError>() {
        return apply::of_read_out(error);
    }
    if cause.downcast_ref::<FewUsual>().is_some() {
        return Some("allow more, or pass --threshold".to_owned());
    }
    if let Some(FrechetError::TooFew { .. }) = cause.downcast_ref() {
        return Some("ask for more with --num, of data that have as many".to_owned());
    }
    if let Some(error) = cause.downcast_ref::<LikelihoodError>() {
        return apply::of_likelihood(error);
    }
    if let Some(error) = cause.downcast_ref::<MixingError>() {
        return apply::of_mixing(error);
    }
    if let Some(QualityError::Frechet(FrechetError::TooFew { .. })) = cause.downcast_ref() {
        let remedy = "set output.evaluate_samples higher, with data that have as many test images";
        return Some(remedy.to_owned());
    }
    if let Some(error) = cause.downcast_ref::<EnsembleError>() {
        return apply::of_ensemble(error);
    }
    if let Some(error) = cause.downcast_ref::<UnknownClass>() {
        return apply::of_class(error);
    }
    if let Some(error) = cause.downcast_ref::<ImportError>() {
        return apply::of_import(error);
    }
    if let Some(error) = cause.downcast_ref::<DeviceError>() {
        return device::of_device(error);
    }
    if let Some(error) = cause.downcast_ref::<SelfTestError>() {
        return Some(device::of_self_test(error));
    }
    if let Some(error) = cause.downcast_ref::<RanksError>() {
        return Some(ranks::of_ranks(error));
    }
    if cause.downcast_ref::<UnsupportedPrecision>().is_some() {
        return Some(device::of_precision());
    }
    None
}
