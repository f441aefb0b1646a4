//! Play on a thread of its own, one request after another: neither training nor the page waits for it.

use std::io::Cursor;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::{io, thread};

use axum::http::StatusCode;
use ebm_apply::{PlayError, PlaySettings, Played, Playground, SliceGrid};
use ebm_core::ImageShape;
use ebm_core::pixels::pixel_of_byte;
use ebm_data::decode_picture_bytes;
use image::ImageReader;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::body;
use super::handover::Handover;
use super::problem::Problem;

/// Requests that may wait for their turn.
const WAITING: usize = 8;
/// What a request may ask for.
const MOST_IMAGES: usize = 64;
const MOST_STEPS: usize = 200;
const SIDES: RangeInclusive<usize> = 2..=65;
/// The most pixels of a picture that somebody brings.
const MOST_PIXELS: u64 = 1 << 26;

/// An answer to a request.
type Answer = Result<Vec<u8>, Problem>;

/// What a request asks for.
pub(super) enum Work {
    /// Something with the energy.
    WithEnergy(Box<dyn FnOnce(&Playground) -> Answer + Send>),
    /// Something without it.
    Plain(Box<dyn FnOnce() -> Answer + Send>),
}

struct Job {
    work: Work,
    reply: oneshot::Sender<Answer>,
}

/// The thread that plays.
#[derive(Debug)]
pub(super) struct Player {
    queue: mpsc::Sender<Job>,
    weights: Arc<Handover>,
}

impl Player {
    /// Start the thread, which ends when nobody can ask it any more.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub(super) fn start() -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(WAITING);
        let weights = Arc::new(Handover::default());
        let own = Arc::clone(&weights);
        let thread = thread::Builder::new().name("play".to_owned());
        thread.spawn(move || work(jobs, &own))?;
        Ok(Self { queue, weights })
    }

    /// Where it takes its weights from.
    pub(super) fn weights(&self) -> &Handover {
        &self.weights
    }

    /// Do this when it is its turn.
    ///
    /// # Errors
    /// Where too many wait already, or it cannot be done.
    pub(super) async fn ask(&self, work: Work) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Job { work, reply }).map_err(|error| {
            let line = match error {
                TrySendError::Full(_) => "too many play at the moment: try again",
                TrySendError::Closed(_) => "nothing is played here any more",
            };
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, line)
        })?;
        if let Ok(answer) = answer.await {
            return answer;
        }
        let line = "nothing is played here any more";
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, line))
    }
}

/// Do what comes, until nobody can ask any more.
fn work(mut jobs: mpsc::Receiver<Job>, weights: &Handover) {
    while let Some(Job { work, reply }) = jobs.blocking_recv() {
        if reply.is_closed() {
            continue; // nobody waits for it
        }
        let done = catch_unwind(AssertUnwindSafe(|| done(work, weights)));
        let answer = done.unwrap_or_else(|_| {
            let line = "this failed, as the log says; a run that trains goes on";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, line))
        });
        let _ = reply.send(answer); // to whom still waits
    }
}

fn done(work: Work, weights: &Handover) -> Answer {
    match work {
        Work::Plain(work) => work(),
        Work::WithEnergy(work) => {
            weights.ask();
            let Some(playground) = weights.take() else {
                let line = "the run has not shown its weights yet: try again in a while";
                return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, line));
            };
            work(&playground)
        }
    }
}

impl From<PlayError> for Problem {
    fn from(error: PlayError) -> Self {
        let status = match error {
            PlayError::NoChains(_) => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// Check a number of a head.
fn within(key: &str, value: usize, range: RangeInclusive<usize>) -> Result<(), Problem> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    let line = format!("`{key}` must be from {least} to {most}, got {value}");
    Err(Problem::mistake(line))
}

#[derive(Deserialize)]
struct NoiseHead {
    images: usize,
    seed: u32,
}

/// The head of an answer without anything to tell.
#[derive(Serialize)]
struct Nothing {}

/// Where chains start.
pub(super) fn noise(body: &[u8]) -> Result<Work, Problem> {
    let (NoiseHead { images, seed }, rest) = body::split(body)?;
    within("images", images, 1..=MOST_IMAGES)?;
    body::end(rest)?;
    Ok(Work::WithEnergy(Box::new(
        move |playground: &Playground| {
            let starts = playground.starts(images, seed.into());
            Ok(body::joined(&Nothing {}, &starts)?)
        },
    )))
}

#[derive(Deserialize)]
struct StepsHead {
    images: usize,
    steps: usize,
    from: usize,
    temperature: f64,
    step_size: f64,
    noise: f64,
    class: Option<u32>,
    seed: u32,
    #[serde(default)]
    known: bool,
}

#[derive(Serialize)]
struct Energies {
    /// null where one is not finite.
    energies: Vec<f32>,
}

/// Chains after some steps.
pub(super) fn steps(body: &[u8], shape: ImageShape) -> Result<Work, Problem> {
    let (head, rest): (StepsHead, _) = body::split(body)?;
    within("images", head.images, 1..=MOST_IMAGES)?;
    within("steps", head.steps, 0..=MOST_STEPS)?;
    let (pixels, rest) = body::pixels(rest, head.images * shape.pixels())?;
    let known = match head.known {
        true => Some(body::marks(rest, head.images * shape.height * shape.width)?),
        false => body::end(rest).map(|()| None)?,
    };
    let settings = PlaySettings {
        steps: head.steps,
        from: head.from,
        temperature: head.temperature,
        step_size: head.step_size,
        noise: head.noise,
        class: head.class,
        seed: head.seed.into(),
    };
    Ok(Work::WithEnergy(Box::new(
        move |playground: &Playground| {
            let played = playground.play(pixels, known.as_deref(), &settings)?;
            let Played { images, energies } = played;
            Ok(body::joined(&Energies { energies }, &images)?)
        },
    )))
}

#[derive(Deserialize)]
struct SliceHead {
    side: usize,
    low: f64,
    high: f64,
    class: Option<u32>,
}

#[derive(Serialize)]
struct Side {
    side: usize,
}

/// Energies on the plane through three images.
pub(super) fn slice(body: &[u8], shape: ImageShape) -> Result<Work, Problem> {
    let (head, rest): (SliceHead, _) = body::split(body)?;
    let SliceHead {
        side,
        low,
        high,
        class,
    } = head;
    within("side", side, SIDES)?;
    if low >= high {
        let line = format!("`low` must be below `high`, got {low} and {high}");
        return Err(Problem::mistake(line));
    }
    let (corners, rest) = body::pixels(rest, 3 * shape.pixels())?;
    body::end(rest)?;
    Ok(Work::WithEnergy(Box::new(
        move |playground: &Playground| {
            let grid = SliceGrid { side, low, high };
            let energies = playground.slice(&corners, grid, class)?;
            Ok(body::joined(&Side { side }, &energies)?)
        },
    )))
}

/// The pixels of a picture, cut and resized as the other commands do.
pub(super) fn picture(body: impl AsRef<[u8]> + Send + 'static, shape: ImageShape) -> Work {
    Work::Plain(Box::new(move || {
        refuse_huge(body.as_ref())?;
        let decoded = decode_picture_bytes(body.as_ref(), shape);
        let bytes = decoded.map_err(|error| {
            Problem::mistake(format!("this cannot be read as a picture: {error}"))
        })?;
        let pixels: Vec<f32> = bytes.into_iter().map(pixel_of_byte).collect();
        Ok(body::joined(&Nothing {}, &pixels)?)
    }))
}

/// Refuse a picture that would take much of the memory that a run needs.
fn refuse_huge(bytes: &[u8]) -> Result<(), Problem> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let size = reader.ok().and_then(|reader| reader.into_dimensions().ok());
    match size {
        Some((width, height)) if u64::from(width) * u64::from(height) > MOST_PIXELS => {
            let line = format!(
                "a picture of {width}×{height} is too large: at most {MOST_PIXELS} pixels are taken"
            );
            Err(Problem::mistake(line))
        }
        _ => Ok(()), // what cannot be read is said where it is decoded
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SHAPE: ImageShape = ImageShape::new(1, 2, 2);

    fn body_of(head: Value, values: &[f32]) -> Vec<u8> {
        body::joined(&head, values).expect("JSON")
    }

    /// A head of `/play/steps` with these changes.
    fn head(changes: Value) -> Value {
        let mut head = json!({
            "images": 1, "steps": 2, "from": 0, "temperature": 1.0, "step_size": 1.0, "noise": 1.0,
            "class": null, "seed": 3, "known": false
        });
        for (key, value) in changes.as_object().expect("an object") {
            head[key] = value.clone();
        }
        head
    }

    fn refused(work: Result<Work, Problem>) -> String {
        match work {
            Ok(_) => panic!("it is taken"),
            Err(problem) => {
                assert_eq!(problem.status, StatusCode::BAD_REQUEST);
                problem.line
            }
        }
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build().expect("a runtime").block_on(future)
    }

    #[test]
    fn what_is_asked_for_and_not_there_is_refused_in_a_line() {
        let refused =
            |changes, values: &[f32]| refused(steps(&body_of(head(changes), values), SHAPE));
        let line = refused(json!({"images": 0}), &[]);
        assert_eq!(line, "`images` must be from 1 to 64, got 0");
        let line = refused(json!({"images": 65}), &[]);
        assert_eq!(line, "`images` must be from 1 to 64, got 65");
        let line = refused(json!({"steps": 201}), &[]);
        assert_eq!(line, "`steps` must be from 0 to 200, got 201");
        let line = refused(json!({"images": 2}), &[0.5; 7]);
        assert_eq!(line, "expected 32 bytes of pixels, got 28");
        let line = refused(json!({}), &[0.5; 5]);
        assert_eq!(line, "the body has 4 bytes more than its head tells of");
        let line = refused(json!({"known": true}), &[0.5; 4]);
        assert_eq!(line, "expected 4 marks of known pixels, got 0");
        for bad in [
            json!({"steps": -1}),
            json!({"seed": 1.5}),
            json!({"class": "a"}),
        ] {
            let line = refused(bad, &[0.5; 4]);
            assert!(line.starts_with("the head of the body: "), "{line}");
        }
        assert!(steps(&body_of(head(json!({})), &[0.5; 4]), SHAPE).is_ok());
    }

    #[test]
    fn a_slice_has_a_side_and_a_range() {
        let head = |side: usize, low: f64| json!({"side": side, "low": low, "high": 1.0});
        let asked = |head: Value| slice(&body_of(head, &[0.5; 12]), SHAPE);
        assert!(asked(head(2, 0.0)).is_ok() && asked(head(65, -0.25)).is_ok());
        let line = refused(asked(head(66, 0.0)));
        assert_eq!(line, "`side` must be from 2 to 65, got 66");
        let line = refused(asked(head(2, 1.0)));
        assert_eq!(line, "`low` must be below `high`, got 1 and 1");
        let line = refused(slice(&body_of(head(2, 0.0), &[0.5; 8]), SHAPE));
        assert_eq!(line, "expected 48 bytes of pixels, got 32");
    }

    #[test]
    fn a_panic_is_an_answer_and_the_next_request_is_heard() {
        let player = Player::start().expect("a thread");
        let bad = player.ask(Work::Plain(Box::new(|| panic!("on purpose"))));
        let bad = wait(bad).expect_err("it failed");
        assert_eq!(bad.status, StatusCode::INTERNAL_SERVER_ERROR);
        let good = player.ask(Work::Plain(Box::new(|| Ok(vec![7]))));
        assert_eq!(wait(good), Ok(vec![7]));
    }

    #[test]
    fn who_comes_when_too_many_wait_is_sent_away() {
        let player = Player::start().expect("a thread");
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let (began, has_begun) = std::sync::mpsc::channel();
        let first = Work::Plain(Box::new(move || {
            began.send(()).expect("it is waited for");
            let _ = may_go_on.recv();
            Ok(vec![])
        }));
        let asked = |work| {
            let (reply, answer) = oneshot::channel();
            (player.queue.try_send(Job { work, reply }).is_ok(), answer)
        };
        let (is_taken, answer) = asked(first);
        has_begun.recv().expect("it begins");
        assert!(is_taken);
        let waiting = (0..WAITING).map(|_| asked(Work::Plain(Box::new(|| Ok(vec![1])))));
        let waiting: Vec<_> = waiting.collect();
        assert!(waiting.iter().all(|(is_taken, _)| *is_taken));
        let away = wait(player.ask(Work::Plain(Box::new(|| Ok(vec![])))));
        let away = away.expect_err("too many wait");
        assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
        go_on.send(()).expect("it waits");
        assert_eq!(wait(answer).expect("an answer"), Ok(vec![]));
        for (_, answer) in waiting {
            assert_eq!(wait(answer).expect("an answer"), Ok(vec![1]));
        }
    }

    #[test]
    fn a_picture_becomes_pixels_of_the_models_shape_and_other_bytes_a_line() {
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 2, 2);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&[0, 64, 128, 255]).expect("pixels");
        writer.finish().expect("an end");
        let Work::Plain(decode) = picture(png, SHAPE) else {
            panic!("no energy is needed");
        };
        let body = decode().expect("a picture");
        let expected = [0, 64, 128, 255].map(pixel_of_byte);
        assert_eq!(body, body_of(json!({}), &expected));
        // Its header alone would have 16384 times 16384 pixels decoded.
        let Work::Plain(decode) = picture("P5 16384 16384 255 ", SHAPE) else {
            panic!("no energy is needed");
        };
        let problem = decode().expect_err("too large");
        assert!(
            problem.line.contains("at most 67108864 pixels"),
            "{}",
            problem.line
        );
        let Work::Plain(decode) = picture("no picture", SHAPE) else {
            panic!("no energy is needed");
        };
        let problem = decode().expect_err("no picture");
        assert!(
            problem
                .line
                .starts_with("this cannot be read as a picture: ")
        );
        assert_eq!(problem.status, StatusCode::BAD_REQUEST);
    }
}
