//! Say that pictures are made grey, or three equal colours, for a model.

use std::sync::Once;

/// Say once that pictures of `found` channels are taken by a model of `taken`, where these are not the same.
pub(crate) fn log_converted(found: usize, taken: usize) {
    static SAID: Once = Once::new();
    if found != taken {
        SAID.call_once(|| tracing::info!("{}", what_is_done(taken)));
    }
}

fn what_is_done(taken: usize) -> &'static str {
    match taken {
        1 => "the model is of grey images: pictures in colour are made grey",
        _ => "the model is of colours: grey pictures are taken as three equal ones",
    }
}
