//! Answer what cannot be done: a status, and a line that the page shows.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) line: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, line: impl Into<String>) -> Self {
        let line = line.into();
        Self { status, line }
    }

    /// What was sent makes no sense.
    pub(super) fn mistake(line: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, line)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, format!("{}\n", self.line)).into_response()
    }
}
