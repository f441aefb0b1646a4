//! Answer what a page asks for.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::guard::{Gate, Verdict};
use super::page::{FILES, POLICY};
use super::play::{self, Work};
use super::problem::Problem;
use super::site::Site;

/// The most bytes of a body.
const MOST_BYTES: usize = 16 << 20;

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
const PNG: &str = "image/png";

/// Headers of every answer: nothing is kept, and the page does and loads only what is part of it.
const HEADERS: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", POLICY),
    ("cross-origin-resource-policy", "same-origin"),
];

type Shared = State<Arc<Site>>;
type Body = Result<Bytes, BytesRejection>;

/// What can be asked, by those whom the gate admits.
pub(super) fn router(site: Arc<Site>, gate: Gate) -> Router {
    let mut router = Router::new();
    for &(path, kind, content) in FILES {
        router = router.route(path, get(move || async move { typed(kind, content) }));
    }
    router
        .route("/about", get(about))
        .route("/events/{after}", get(events))
        .route("/frame/{after}", get(frame))
        .route("/samples/{iteration}", get(samples))
        .route("/stop", post(stop))
        .route("/checkpoint", post(checkpoint))
        .route("/play/noise", post(noise))
        .route("/play/steps", post(steps))
        .route("/play/slice", post(slice))
        .route("/play/picture", post(picture))
        .fallback(nothing)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn_with_state(Arc::new(gate), guarded))
        .with_state(site)
}

/// Answer those who are admitted, and give every answer its headers.
async fn guarded(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let verdict = gate.judge(request.method(), request.uri(), request.headers());
    let mut response = match verdict {
        Verdict::Refused(why) => Problem::new(StatusCode::FORBIDDEN, why).into_response(),
        Verdict::Welcomed(cookie) => {
            let headers = [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Verdict::Admitted => match too_long(&request) {
            Some(problem) => problem.into_response(),
            None => next.run(request).await,
        },
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Why a body is not read that says how long it is; of others no more is read than is taken.
fn too_long(request: &Request) -> Option<Problem> {
    let length = request.headers().get(CONTENT_LENGTH)?.to_str().ok()?;
    let length: u64 = length.parse().ok()?;
    (length > MOST_BYTES as u64).then(|| {
        let line = format!("this has {length} bytes, and at most {MOST_BYTES} are taken");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, line)
    })
}

async fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing of this name here")
}

async fn other_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this is not asked for in this way",
    )
}

/// An answer of this type.
fn typed(kind: &'static str, content: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, kind)], content).into_response()
}

async fn about(State(site): Shared) -> Result<Response, Problem> {
    Ok(typed(JSON, site.about()?))
}

async fn events(State(site): Shared, Path(after): Path<u64>) -> Result<Response, Problem> {
    Ok(typed(JSON, site.events.after(after).await?))
}

async fn frame(State(site): Shared, Path(after): Path<u32>) -> Response {
    match site.frames.after(after).await {
        Some(frame) => typed(BYTES, frame),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn samples(State(site): Shared, Path(iteration): Path<u64>) -> Result<Response, Problem> {
    let path = site.samples.join(format!("step_{iteration:06}.png"));
    match fs::read(&path) {
        Ok(picture) => Ok(typed(PNG, picture)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let line = format!("there are no samples of iteration {iteration}");
            Err(Problem::new(StatusCode::NOT_FOUND, line))
        }
        Err(error) => {
            let line = format!("cannot read {}: {error}", path.display());
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, line))
        }
    }
}

async fn stop(State(site): Shared) -> Result<StatusCode, Problem> {
    site.controls()?.stop();
    Ok(StatusCode::ACCEPTED)
}

async fn checkpoint(State(site): Shared) -> Result<StatusCode, Problem> {
    site.controls()?.checkpoint();
    Ok(StatusCode::ACCEPTED)
}

async fn noise(State(site): Shared, body: Body) -> Response {
    played(&site, taken(body).and_then(|body| play::noise(&body))).await
}

async fn steps(State(site): Shared, body: Body) -> Response {
    let shape = site.subject.shape;
    played(
        &site,
        taken(body).and_then(|body| play::steps(&body, shape)),
    )
    .await
}

async fn slice(State(site): Shared, body: Body) -> Response {
    let shape = site.subject.shape;
    played(
        &site,
        taken(body).and_then(|body| play::slice(&body, shape)),
    )
    .await
}

async fn picture(State(site): Shared, body: Body) -> Response {
    let shape = site.subject.shape;
    played(&site, taken(body).map(|body| play::picture(body, shape))).await
}

/// A body that was read whole.
fn taken(body: Body) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let line = format!("this is too long: at most {MOST_BYTES} bytes are taken");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, line)
        }
        status => Problem::new(status, rejection.body_text()),
    })
}

/// What comes of a request to play.
async fn played(site: &Site, work: Result<Work, Problem>) -> Response {
    let work = match work {
        Ok(work) => work,
        Err(problem) => return problem.into_response(),
    };
    match site.player.ask(work).await {
        Ok(body) => typed(BYTES, body),
        Err(problem) => problem.into_response(),
    }
}
