//! Open the live page as a browser does, and as those do who should not get in.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Finished, Scratch, floats, images, latest, trained};

/// How long anything may take on a machine that is busy with other things.
const LIMIT: Duration = Duration::from_secs(240);

/// A run that does not end by itself.
const ENDLESS: [&str; 4] = ["--iterations", "1000000", "--live", "0"];
/// Keys with which nothing happens in a run but its iterations.
const QUIET: [&str; 4] = [
    "--set",
    "output.log_every=1000000",
    "--set",
    "output.checkpoint_every=1000000",
];

/// Pixels of an image of a tiny run.
const PIXELS: usize = 256;

/// A process with a page.
struct Page {
    child: Child,
    port: u16,
    /// Path and query of the printed address.
    path: String,
    stderr: Option<JoinHandle<String>>,
}

/// What a server answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// Status line and headers.
    head: String,
    body: Vec<u8>,
}

impl Page {
    /// Start a command, and wait for the address that it prints: after `live page: ` on stderr, or alone on stdout.
    fn open(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let (found, url) = channel();
        let stderr = child.stderr.take().expect("stderr is piped");
        let on_stderr = found.clone();
        let stderr = thread::spawn(move || {
            let mut said = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("live page: ") {
                    let _ = on_stderr.send(url.to_owned());
                }
                said.push_str(&line);
                said.push('\n');
            }
            said
        });
        let stdout = child.stdout.take().expect("stdout is piped");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.starts_with("http://") {
                    let _ = found.send(line);
                }
            }
        });
        let mut page = Self {
            child,
            port: 0,
            path: String::new(),
            stderr: Some(stderr),
        };
        (page.port, page.path) = address(&url);
        page
    }

    /// A tiny run that trains until it is stopped.
    fn of_training(scratch: &Scratch, run: &str, args: &[&str]) -> Self {
        Self::open(scratch.train_command(run, &[&ENDLESS[..], args].concat()))
    }

    /// A run that does not train.
    fn of_run(scratch: &Scratch, args: &[&str]) -> Self {
        let live = ["live", "run", "--device", "cpu"];
        Self::open(scratch.command(&[&live[..], args].concat()))
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}", self.port)
    }

    fn ask(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let length = format!("Content-Length: {}", body.len());
        let headers = [headers, &[length.as_str()]].concat();
        let mut stream = self.asking(method, path, &headers);
        stream.write_all(body).expect("it is read");
        Answer::of(stream)
    }

    /// A request without its body.
    fn asking(&self, method: &str, path: &str, headers: &[&str]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        let headers: String = headers
            .iter()
            .map(|header| format!("{header}\r\n"))
            .collect();
        let request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("it is read");
        stream
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[self.host().as_str()], b"")
    }

    fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.ask("POST", path, &[self.host().as_str(), "X-Ebm: 1"], body)
    }

    /// What is next, and the events from `after` on.
    fn events(&self, after: u64) -> (u64, Vec<Value>) {
        let answer: Value = self.get(&format!("/events/{after}")).ok().json();
        let events = answer["events"].as_array().expect("a list").clone();
        (answer["next"].as_u64().expect("a number"), events)
    }

    /// All events up to the first like this, which is waited for.
    fn events_until(&self, is_it: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.next_and_events_until(is_it).1
    }

    /// The same, with the number of what is next.
    fn next_and_events_until(&self, is_it: impl Fn(&Value) -> bool) -> (u64, Vec<Value>) {
        let (began, mut after, mut all) = (Instant::now(), 0, Vec::new());
        while !all.iter().any(&is_it) {
            assert!(began.elapsed() < LIMIT, "it has not come: {all:?}");
            let (next, some) = self.events(after);
            (after, all) = (next, [all, some].concat());
        }
        (after, all)
    }

    /// Stop training, and wait for its end.
    fn stopped(self) -> Finished {
        assert_eq!(self.post("/stop", b"").status, 202);
        self.ended()
    }

    fn ended(mut self) -> Finished {
        let status = self.child.wait().expect("it ends");
        let stderr = self.stderr.take().expect("it was not joined yet");
        Finished {
            code: status.code(),
            stdout: String::new(),
            stderr: stderr.join().expect("text"),
        }
    }
}

/// Port, path and query of the address that comes.
fn address(url: &Receiver<String>) -> (u16, String) {
    let url = url.recv_timeout(LIMIT).expect("an address is printed");
    let rest = url.strip_prefix("http://").expect("an address");
    let (host, path) = rest.split_once('/').expect("a path");
    let (_, port) = host.rsplit_once(':').expect("a port");
    (port.parse().expect("a port"), format!("/{path}"))
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

impl Answer {
    fn of(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let body = bytes.split_off(end.expect("a head") + 4);
        let head = String::from_utf8(bytes).expect("text").to_lowercase();
        let status = head.split(' ').nth(1).expect("a status");
        Self {
            status: status.parse().expect("a number"),
            body,
            head,
        }
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}{}", self.head, self.line());
        self
    }

    fn line(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Head and values of what was played.
    #[track_caller]
    fn played(self) -> (Value, Vec<f32>) {
        let answer = self.ok();
        let end = answer
            .body
            .iter()
            .position(|&byte| byte == b'\n')
            .expect("a head");
        let head = serde_json::from_slice(&answer.body[..end]).expect("JSON");
        let (values, rest) = answer.body[end + 1..].as_chunks::<4>();
        assert!(rest.is_empty(), "a part of a value");
        let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes));
        (head, values.collect())
    }

    #[track_caller]
    fn refused(self, status: u16, fragment: &str) {
        let line = self.line();
        assert_eq!(self.status, status, "{line}");
        assert!(
            line.contains(fragment) && line.lines().count() == 1,
            "{line}"
        );
    }
}

/// Energies, ages and pixels of a frame, after its six numbers.
fn frame(answer: Answer) -> ([u32; 6], Vec<f32>, Vec<u32>, Vec<u8>) {
    let body = answer.ok().body;
    let word = |place: usize| {
        let bytes = body[4 * place..][..4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes)
    };
    let head = [0, 1, 2, 3, 4, 5].map(word);
    let num = head[2] as usize;
    let energies = (6..6 + num).map(|place| f32::from_bits(word(place)));
    let ages = (6 + num..6 + 2 * num).map(word);
    let pixels = body[4 * (6 + 3 * num)..].to_vec();
    assert_eq!(pixels.len(), num * (head[3] * head[4] * head[5]) as usize);
    (head, energies.collect(), ages.collect(), pixels)
}

fn body_of(head: &Value, values: &[f32]) -> Vec<u8> {
    let mut body = format!("{head}\n").into_bytes();
    body.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    body
}

/// A head of `/play/steps`.
fn steps(images: usize, from: usize, steps: usize) -> Value {
    json!({
        "images": images, "steps": steps, "from": from, "temperature": 1.0, "step_size": 1.0,
        "noise": 1.0, "class": null, "seed": 3, "known": false
    })
}

/// Two images of greys.
fn greys() -> Vec<f32> {
    (0..2 * PIXELS)
        .map(|place| (place * 37 % 251) as f32 / 251.0)
        .collect()
}

#[test]
fn a_run_is_shown_while_it_trains_and_can_be_stopped() {
    let scratch = Scratch::new();
    let page = Page::of_training(&scratch, "run", &[]);
    let about = page.get("/about").ok().json();
    assert_eq!(
        (&about["training"], &about["total"]),
        (&json!(true), &json!(1_000_000))
    );
    assert_eq!(
        (&about["run"], &about["shape"]),
        (&json!("run"), &json!([1, 16, 16]))
    );
    assert_eq!(
        (&about["chains"], &about["playable"]),
        (&json!(true), &Value::Null)
    );

    let (head, energies, ages, pixels) = frame(page.get("/frame/0"));
    assert_eq!(head[2..], [32, 1, 16, 16]);
    assert!(energies.iter().all(|energy| energy.is_finite()));
    assert_eq!((ages.len(), pixels.len()), (32, 32 * PIXELS));
    let (next, ..) = frame(page.get(&format!("/frame/{}", head[0])));
    assert!(next[0] > head[0] && next[1] > head[1], "{head:?} {next:?}");

    page.events_until(|event| event["iteration"] == 3);
    let stopped = page.stopped();
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    assert!(
        stopped.stderr.contains("stopped on the live page"),
        "{stopped:?}"
    );
    let saved = latest(&scratch.join("run")).expect("a checkpoint");
    assert!(saved.step >= 3);
}

#[test]
fn events_are_the_lines_of_metrics_those_of_before_first_and_the_end_is_told() {
    let scratch = Scratch::new();
    scratch.train("run", &["--iterations", "4"]).succeeds();
    let page = Page::of_training(&scratch, "run", &QUIET);
    let (next, history) = page.next_and_events_until(|event| event["checkpoint"] == 4);
    let file = std::fs::read_to_string(scratch.join("run/metrics.jsonl")).expect("text");
    let lines = file
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let lines: Vec<Value> = lines.collect();
    assert_eq!(history[..4], lines[..]);

    // Nothing happens now, so that the next answer is one to a request that waited.
    let (asked, answered) = channel();
    thread::scope(|scope| {
        let page = &page;
        scope.spawn(move || {
            asked.send(()).expect("it is waited for");
            let (mut after, mut last) = (next, Vec::new());
            while !last
                .iter()
                .any(|event: &Value| event.get("ended").is_some())
            {
                (after, last) = page.events(after);
            }
        });
        answered.recv().expect("it asks");
        assert_eq!(page.post("/stop", b"").status, 202);
    });
    assert_eq!(page.ended().code, Some(130));
}

#[test]
fn a_run_that_is_watched_and_played_with_ends_with_the_same_bytes() {
    let scratch = Scratch::new();
    let keys = [
        "--set",
        "output.checkpoint_every=7",
        "--set",
        "output.sample_every=50",
    ];
    let page = Page::of_training(&scratch, "watched", &keys);
    let (head, ..) = frame(page.get("/frame/0"));
    let noise = json!({"images": 2, "seed": 1});
    let (_, start) = page.post("/play/noise", &body_of(&noise, &[])).played();
    let mut images = start;
    for round in 0..3 {
        let asked = body_of(&steps(2, 10 * round, 10), &images);
        let (head, moved) = page.post("/play/steps", &asked).played();
        let energies = head["energies"].as_array().expect("a list");
        assert!(
            energies.len() == 2 && energies.iter().all(Value::is_number),
            "{head}"
        );
        assert_ne!(moved, images);
        images = moved;
        assert_eq!(page.post("/checkpoint", b"").status, 202);
    }
    frame(page.get(&format!("/frame/{}", head[0])));
    page.events_until(|event| event.get("samples").is_some());
    assert_eq!(page.stopped().code, Some(130));

    let mut watched = latest(&scratch.join("watched")).expect("a checkpoint");
    let iterations = watched.step.to_string();
    let alone = [&["--iterations", &iterations][..], &keys].concat();
    scratch.train("alone", &alone).succeeds();
    let mut alone = latest(&scratch.join("alone")).expect("a checkpoint");
    assert_eq!(watched.step, alone.step);
    for checkpoint in [&mut watched, &mut alone] {
        // It says how many iterations were planned.
        checkpoint
            .files
            .remove("config.toml")
            .expect("a configuration");
    }
    assert!(
        watched.files.len() > 3 && watched.files == alone.files,
        "they differ"
    );
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn a_run_on_a_gpu_goes_on_while_it_is_watched_and_played_with() {
    let scratch = Scratch::new();
    let training = scratch.train_command_on("wgpu", "run", &ENDLESS);
    let page = Page::open(training);
    let (first, energies, ..) = frame(page.get("/frame/0"));
    assert!(energies.iter().all(|energy| energy.is_finite()));
    let noise = json!({"images": 2, "seed": 1});
    let (_, images) = page.post("/play/noise", &body_of(&noise, &[])).played();
    let (head, moved) = page
        .post("/play/steps", &body_of(&steps(2, 0, 4), &images))
        .played();
    let energies = head["energies"].as_array().expect("a list");
    assert!(energies.iter().all(Value::is_number), "{head}");
    assert_ne!(moved, images);
    let (next, ..) = frame(page.get(&format!("/frame/{}", first[0])));
    assert!(next[1] > first[1], "{first:?} {next:?}");
    assert_eq!(page.stopped().code, Some(130));
}

#[test]
fn a_checkpoint_is_written_when_it_is_asked_for_and_another_process_may_look_at_it() {
    let scratch = Scratch::new();
    let training = Page::of_training(&scratch, "run", &QUIET);
    training.get("/frame/0").ok();
    assert_eq!(training.post("/checkpoint", b"").status, 202);
    let events = training.events_until(|event| event.get("checkpoint").is_some());
    let asked = events.last().expect("it came")["checkpoint"].as_u64();
    assert_eq!(latest(&scratch.join("run")).map(|saved| saved.step), asked);

    let looking = Page::of_run(&scratch, &["--listen", "0"]);
    let about = looking.get("/about").ok().json();
    assert_eq!(
        (&about["training"], &about["iteration"]),
        (&json!(false), &json!(asked))
    );
    let (head, ..) = frame(looking.get("/frame/0"));
    assert_eq!((head[1], head[2]), (asked.expect("a step") as u32, 32));
    looking
        .post("/stop", b"")
        .refused(409, "nothing is training");
    looking
        .post("/checkpoint", b"")
        .refused(409, "nothing is training");
    assert_eq!(training.stopped().code, Some(130));
}

#[test]
fn a_page_is_served_with_rules_that_keep_others_out_of_it() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &[]);
    for (path, kind) in [
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
    ] {
        let answer = page.get(path).ok();
        assert!(!answer.body.is_empty());
        let kind = format!("content-type: {kind}; charset=utf-8\r\n");
        for header in [
            kind.as_str(),
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; \
             img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'\r\n",
            "cache-control: no-store\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
        ] {
            assert!(
                answer.head.contains(header),
                "no {header} in {}",
                answer.head
            );
        }
    }
    page.get("/nowhere").refused(404, "nothing of this name");
    page.get("/samples/7")
        .refused(404, "no samples of iteration 7");
    page.get("/samples/..%2fconfig").refused(400, "");
    page.get("/play/noise").refused(405, "");
    page.get("/events/99").refused(410, "load it again");
}

#[test]
fn requests_that_other_sites_can_forge_are_refused() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &[]);
    let (host, own) = (
        page.host(),
        format!("Origin: http://127.0.0.1:{}", page.port),
    );
    let (host, own) = (host.as_str(), own.as_str());
    let refused = |method: &str, path: &str, headers: &[&str]| {
        page.ask(method, path, headers, b"").refused(403, "");
    };
    for path in ["/", "/about", "/frame/0", "/events/0", "/samples/2"] {
        refused("GET", path, &["Host: evil.example"]);
        refused("GET", path, &["Host: 127.0.0.1:1"]);
        refused("GET", path, &[]);
    }
    for path in [
        "/stop",
        "/checkpoint",
        "/play/noise",
        "/play/steps",
        "/play/picture",
    ] {
        refused("POST", path, &[host]);
        refused("POST", path, &[host, own]);
        refused("POST", path, &["Host: evil.example", "X-Ebm: 1"]);
        refused(
            "POST",
            path,
            &[host, "X-Ebm: 1", "Origin: http://evil.example"],
        );
        refused("OPTIONS", path, &[host, "Origin: http://evil.example"]);
    }
    let noise = body_of(&json!({"images": 1, "seed": 1}), &[]);
    let taken = page.ask("POST", "/play/noise", &[host, "X-Ebm: 1", own], &noise);
    assert_eq!(taken.played().1.len(), PIXELS);
}

#[test]
fn beyond_this_machine_a_token_is_needed() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &["--listen", "0.0.0.0:0"]);
    let host = "Host: box.example";
    page.ask("GET", "/", &[host], b"").refused(403, "token");
    page.ask("GET", "/about", &[page.host().as_str()], b"")
        .refused(403, "token");
    page.ask("GET", "/?token=guess", &[host], b"")
        .refused(403, "token");
    let welcomed = page.ask("GET", &page.path, &[host], b"");
    assert_eq!(welcomed.status, 303, "{}", welcomed.head);
    assert!(
        welcomed.head.contains("location: /\r\n"),
        "{}",
        welcomed.head
    );
    let cookie = welcomed
        .head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.expect("a cookie");
    assert!(cookie.contains("; httponly; samesite=lax"), "{cookie}");
    let shown = cookie.split(';').next().unwrap_or_default();
    let shown = format!("Cookie: {shown}");
    let about = page
        .ask("GET", "/about", &[host, shown.as_str()], b"")
        .ok()
        .json();
    assert_eq!(about["training"], false);
    page.ask("POST", "/stop", &[host, shown.as_str()], b"")
        .refused(403, "");
    page.ask("POST", "/stop", &[host, shown.as_str(), "X-Ebm: 1"], b"")
        .refused(409, "");
}

#[test]
fn energies_are_those_of_the_run_and_chains_a_function_of_what_was_sent() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &[]);
    let array = images(&scratch);
    let energy = [
        "energy",
        "run",
        array,
        "--device",
        "cpu",
        "--output",
        "energies.npy",
    ];
    scratch.ebm(&energy).succeeds();
    let bytes = (0..3 * PIXELS).map(|i| (i * 37 % 251) as f32);
    let pixels: Vec<f32> = bytes.map(|byte| (byte + 0.5) / 256.0).collect();
    let (head, same) = page
        .post("/play/steps", &body_of(&steps(3, 0, 0), &pixels))
        .played();
    assert_eq!(same, pixels);
    let found = head["energies"].as_array().expect("a list");
    let found: Vec<f32> = found
        .iter()
        .filter_map(|it| Some(it.as_f64()? as f32))
        .collect();
    assert_eq!(found, floats(&scratch.join("energies.npy")));

    let asked =
        |head: &Value, values: &[f32]| page.post("/play/steps", &body_of(head, values)).played();
    let whole = asked(&steps(2, 0, 20), &greys());
    assert_eq!(asked(&steps(2, 0, 20), &greys()), whole);
    let first = asked(&steps(2, 0, 10), &greys());
    assert_eq!(asked(&steps(2, 10, 10), &first.1), whole);
    assert_ne!(asked(&steps(2, 0, 10), &first.1), whole);

    let mut head = steps(2, 0, 20);
    head["known"] = json!(true);
    let mut body = body_of(&head, &greys());
    body.extend((0..2 * PIXELS).map(|place| u8::from(place % 2 == 0)));
    let (_, moved) = page.post("/play/steps", &body).played();
    let mut others = 0;
    for (place, (before, after)) in greys().iter().zip(&moved).enumerate() {
        match place % 2 {
            0 => assert_eq!(before, after, "a known pixel stays"),
            _ => others += usize::from(before != after),
        }
    }
    assert!(others > PIXELS / 2, "{others}");
}

#[test]
fn a_slice_goes_through_the_images_that_were_sent() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &[]);
    let corners = [greys(), vec![0.5; PIXELS]].concat();
    let head = json!({"side": 7, "low": -0.25, "high": 1.25, "class": null});
    let (head, energies) = page.post("/play/slice", &body_of(&head, &corners)).played();
    assert_eq!((head, energies.len()), (json!({"side": 7}), 49));
    let (head, _) = page
        .post("/play/steps", &body_of(&steps(3, 0, 0), &corners))
        .played();
    for (place, corner) in [7 + 1, 7 + 5, 35 + 1].into_iter().zip(0..) {
        let expected = head["energies"][corner as usize]
            .as_f64()
            .expect("a number");
        let found = f64::from(energies[place]);
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn a_picture_becomes_an_image_of_the_run() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &[]);
    scratch.write_picture("grey.png", [128; 3]);
    let picture = std::fs::read(scratch.join("grey.png")).expect("a picture");
    let (head, pixels) = page.post("/play/picture", &picture).played();
    assert_eq!((head, pixels), (json!({}), vec![128.5 / 256.0; PIXELS]));
    page.post("/play/picture", b"no picture")
        .refused(400, "cannot be read as a picture");
    page.post("/play/picture", &picture[..40])
        .refused(400, "cannot be read as a picture");
}

#[test]
fn what_makes_no_sense_is_answered_with_a_line() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &[]);
    let refused = |path: &str, body: &[u8], fragment: &str| {
        page.post(path, body).refused(400, fragment);
    };
    for path in ["/play/noise", "/play/steps", "/play/slice"] {
        refused(path, b"", "does not begin with a line of JSON");
        refused(path, b"{}\n", "missing field");
        refused(path, b"\xff\xfe\n", "the head of the body");
    }
    let noise = body_of(&json!({"images": 65, "seed": 1}), &[]);
    refused(
        "/play/noise",
        &noise,
        "`images` must be from 1 to 64, got 65",
    );
    let short = body_of(&steps(2, 0, 1), &greys()[1..]);
    refused(
        "/play/steps",
        &short,
        "expected 2048 bytes of pixels, got 2044",
    );
    let mut head = steps(2, 0, 1);
    head["class"] = json!(0);
    refused(
        "/play/steps",
        &body_of(&head, &greys()),
        "there is no class 0: the model has 0",
    );
    head["class"] = Value::Null;
    head["temperature"] = json!(0.0);
    refused(
        "/play/steps",
        &body_of(&head, &greys()),
        "`temperature` must be above 0, got 0",
    );
    page.get("/frame/-1").refused(400, "");
    page.get("/events/many").refused(400, "");

    let (host, long) = (page.host(), "Content-Length: 17825792");
    let asking = page.asking("POST", "/play/picture", &[host.as_str(), "X-Ebm: 1", long]);
    Answer::of(asking).refused(413, "at most 16777216 are taken");
    page.get("/about").ok();
}

#[test]
fn who_leaves_while_waiting_disturbs_nobody() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &[]);
    let (head, ..) = frame(page.get("/frame/0"));
    let (next, _) = page.events(0);
    let waiting = |path: String| page.asking("GET", &path, &[page.host().as_str()]);
    let left = [format!("/frame/{}", head[0]), format!("/events/{next}")].map(waiting);
    drop(left);
    let noise = |seed: u32| body_of(&json!({"images": 3, "seed": seed}), &[]);
    let starts = |seed: u32| page.post("/play/noise", &noise(seed)).played().1;
    let alone = [1, 2].map(starts);
    thread::scope(|scope| {
        let both = [1, 2].map(|seed| scope.spawn(move || starts(seed)));
        let both = both.map(|client| client.join().expect("an answer"));
        assert_eq!(both, alone);
    });
}

#[test]
fn pictures_of_samples_are_shown_as_they_lie_in_the_run() {
    let scratch = Scratch::new();
    let every = ["--set", "output.sample_every=1"];
    scratch.train("run", &every).succeeds();
    let page = Page::of_run(&scratch, &[]);
    let events = page.events_until(|event| event["samples"] == 2);
    let sampled = events.iter().filter_map(|event| event["samples"].as_u64());
    assert_eq!(sampled.collect::<Vec<_>>(), [1, 2]);
    let shown = page.get("/samples/2").ok();
    let path = scratch.join("run/samples/step_000002.png");
    assert_eq!(shown.body, std::fs::read(path).expect("a picture"));
    assert!(
        shown.head.contains("content-type: image/png"),
        "{}",
        shown.head
    );
}

#[test]
fn a_port_that_is_taken_is_refused_before_anything_is_written() {
    let scratch = Scratch::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let said = format!("--live: cannot listen at 127.0.0.1:{port}");
    scratch.refuses_to_train(&["--live", &port], &[&said, "name another port"]);
    let scratch = trained();
    let live = ["live", "run", "--device", "cpu", "--listen", &port];
    scratch.refuses(&live, &["--listen: cannot listen at 127.0.0.1:"]);
}

#[test]
fn what_is_no_address_is_a_wrong_command_line() {
    let scratch = Scratch::new();
    scratch.refuses_to_train_as_typed(&["--live", "here"], &["--live", "0.0.0.0:8080"]);
    let live = ["live", "nowhere", "--listen", "0", "--device", "cpu"];
    scratch.refuses(&live, &["nowhere does not exist"]);
}

#[test]
#[cfg(unix)]
fn a_page_of_a_run_ends_at_ctrl_c_as_it_should() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &[]);
    let pid = i32::try_from(page.child.id()).expect("a process");
    // SAFETY: it is the process that was started here, and was not waited for yet.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    assert_eq!(page.ended().code, Some(0));
}

#[test]
fn a_page_may_be_at_the_sixth_internet_protocol_where_a_machine_has_it() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let scratch = trained();
    let page = Page::of_run(&scratch, &["--listen", "[::1]:0"]);
    let mut stream = TcpStream::connect(("::1", page.port)).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    let port = page.port;
    let request = format!("GET /about HTTP/1.1\r\nHost: [::1]:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is read");
    assert_eq!(Answer::of(stream).ok().json()["training"], false);
}

#[test]
fn a_flow_is_played_with_and_a_ladder_says_why_it_is_not() {
    let scratch = Scratch::new();
    let unet = [
        "objective.kind=recovery",
        "model.filters=none",
        "model.network=unet",
        "model.widths=[4, 8]",
        "langevin.grad_clip=none",
    ];
    let keys = unet.map(|key| ["--set", key]).concat();
    scratch.train("run", &keys).succeeds();
    let page = Page::of_run(&scratch, &[]);
    let about = page.get("/about").ok().json();
    let why = about["playable"].as_str().expect("a reason");
    assert!(why.contains("objective.kind=recovery"), "{why}");
    assert_eq!(about["chains"], false);
    page.post("/play/steps", &body_of(&steps(2, 0, 1), &greys()))
        .refused(409, "recovery");
    let (head, _) = page
        .post("/play/steps", &body_of(&steps(2, 0, 0), &greys()))
        .played();
    assert!(head["energies"][1].is_number(), "{head}");
    drop(page);

    let scratch = Scratch::new();
    let flow = [
        "objective.kind=flow",
        "langevin.method=heun",
        "langevin.grad_clip=none",
    ];
    let keys = flow.map(|key| ["--set", key]).concat();
    scratch.train("run", &keys).succeeds();
    let page = Page::of_run(&scratch, &[]);
    let about = page.get("/about").ok().json();
    assert_eq!(
        (&about["playable"], &about["sampler"]["steps"]),
        (&Value::Null, &json!(4))
    );
    let (_, moved) = page
        .post("/play/steps", &body_of(&steps(2, 0, 8), &greys()))
        .played();
    assert!(moved.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
}

#[test]
fn an_energy_that_is_not_finite_is_shown_as_none() {
    let scratch = trained();
    let page = Page::of_run(&scratch, &[]);
    let mut images = greys();
    images[PIXELS + 3] = f32::NAN;
    let (head, moved) = page
        .post("/play/steps", &body_of(&steps(2, 0, 2), &images))
        .played();
    assert!(
        head["energies"][0].is_number() && head["energies"][1].is_null(),
        "{head}"
    );
    assert!(moved[PIXELS..].iter().any(|pixel| pixel.is_nan()));
}
