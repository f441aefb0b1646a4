//! Draw the metrics of runs, and look at what is in the pictures.

use std::fs;

use crate::common::{Scratch, size_of_picture, trained};

/// Metrics of a run that went back, with a damaged line and a value that was not finite.
const DIGITS: &str = concat!(
    "{\"iteration\":10,\"gap\":0.5,\"loss\":3.0,\"elapsed_s\":60.0}\n",
    "{\"iteration\":20,\"gap\":-1.5,\"loss\":2.0,\"elapsed_s\":120.0}\n",
    "{\"iterat\n",
    "{\"rollback\":{\"attempt\":1,\"from\":40,\"to\":20,\"why\":\"x\"}}\n",
    "{\"iteration\":30,\"gap\":null,\"loss\":1.0,\"elapsed_s\":300.0}\n",
    "{\"iteration\":40,\"gap\":2.0,\"loss\":1.5,\"kl\":0.25,\"elapsed_s\":360.0}\n",
);
const SHAPES: &str = concat!(
    "{\"iteration\":10,\"loss\":2.5,\"frechet\":30.0,\"elapsed_s\":30.0}\n",
    "{\"iteration\":20,\"loss\":2.25,\"frechet\":20.0,\"elapsed_s\":60.0}\n",
);

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("runs/digits/metrics.jsonl", DIGITS);
    scratch.write("runs/shapes/metrics.jsonl", SHAPES);
    scratch
}

/// What a command line draws.
#[track_caller]
fn drawn(scratch: &Scratch, line: &str) -> String {
    let done = scratch
        .line(&format!("{line} --output drawn.svg"))
        .succeeds();
    assert_eq!(done.stdout, "drawn.svg\n");
    fs::read_to_string(scratch.join("drawn.svg")).expect("a picture")
}

/// Whether a picture has this text, whole.
fn has(svg: &str, text: &str) -> bool {
    svg.contains(&format!("\n{text}\n"))
}

#[test]
fn a_run_is_drawn_as_svg_and_as_png() {
    let scratch = trained();
    let svg = drawn(&scratch, "plot run");
    for text in ["run", "gap", "loss", "image_steps_per_s", "iteration"] {
        assert!(has(&svg, text), "{text}: {svg}");
    }
    assert!(!has(&svg, "e_pos") && !has(&svg, "the run went back"));
    scratch
        .line("plot run/metrics.jsonl --output all.png")
        .succeeds();
    assert_eq!(size_of_picture(&scratch.join("all.png")), (1040, 585));
    scratch
        .line("plot run --metrics loss --output one.png")
        .succeeds();
    assert_eq!(size_of_picture(&scratch.join("one.png")), (720, 385));
    scratch.line("plot run").succeeds();
    assert!(scratch.join("plot.svg").is_file());
}

#[test]
fn runs_are_drawn_together_each_where_it_has_a_metric() {
    let scratch = scratch();
    let svg = drawn(&scratch, "plot runs/digits runs/shapes");
    for text in [
        "digits",
        "shapes",
        "gap",
        "loss",
        "frechet",
        "the run went back",
    ] {
        assert!(has(&svg, text), "{text}: {svg}");
    }
    let svg = drawn(&scratch, "plot runs/shapes --metrics loss frechet");
    assert!(
        has(&svg, "shapes") && !has(&svg, "the run went back"),
        "{svg}"
    );
    scratch.write("other/digits/metrics.jsonl", SHAPES);
    let svg = drawn(&scratch, "plot runs/digits other/digits --metrics loss");
    assert!(
        has(&svg, "runs/digits") && has(&svg, "other/digits"),
        "{svg}"
    );
}

#[test]
fn curves_are_smoothed_over_minutes_and_by_their_logarithm_on_demand() {
    let scratch = scratch();
    let smooth = drawn(&scratch, "plot runs/digits --smooth 0.9 --over minutes");
    assert!(has(&smooth, "not smoothed") && has(&smooth, "minutes of training"));
    assert!(!has(&smooth, "iteration"), "{smooth}");
    let line = "plot runs/digits --metrics gap loss --log --output log.svg";
    let done = scratch.line(line).succeeds();
    let warning = "--log leaves out 1 value of gap, not above 0";
    assert!(done.stderr.contains(warning), "{}", done.stderr);
    scratch.write(
        "bad/metrics.jsonl",
        "{\"iteration\":1,\"gap\":-1.0,\"elapsed_s\":1.0}\n",
    );
    scratch
        .line("plot bad --log")
        .fails_saying(&["no metric has a value above 0"]);
    for weight in ["1", "-0.5", "NaN"] {
        let line = format!("plot runs/digits --smooth={weight}");
        scratch
            .line(&line)
            .fails_with(2, &["--smooth", "from 0 to below 1"]);
    }
}

#[test]
fn a_damaged_line_is_named_and_passed_over() {
    let scratch = scratch();
    let done = scratch.line("plot runs/digits").succeeds();
    let warning = "runs/digits/metrics.jsonl: line 3 is damaged, and left out";
    assert!(done.stderr.contains(warning), "{}", done.stderr);
    scratch.write("runs/digits/metrics.jsonl", format!("a\nb\n{DIGITS}{{\"i"));
    let done = scratch.line("plot runs/digits").succeeds();
    let warning = "lines 1, 2, 5 are damaged, and left out";
    assert!(done.stderr.contains(warning), "{}", done.stderr);
}

#[test]
fn what_cannot_be_drawn_is_refused_by_name() {
    let scratch = scratch();
    scratch.write("empty/metrics.jsonl", "");
    scratch.write("other/file", "x");
    scratch.refuses(&["plot", "nowhere"], &["cannot read nowhere: "]);
    scratch.refuses(&["plot", "other"], &["other holds no metrics.jsonl"]);
    scratch.refuses(
        &["plot", "empty"],
        &[
            "empty/metrics.jsonl has no line of metrics yet",
            "log_every",
        ],
    );
    scratch.refuses_as_typed(&["plot"], &["RUN|metrics.jsonl"]);
    let digits = ["plot", "runs/digits"];
    let unknown = [&digits[..], &["--metrics", "los", "loss"]].concat();
    let said = "--metrics los: no run has that; they have gap, loss, elapsed_s, kl";
    scratch.refuses_as_typed(&unknown, &[said]);
    let picture = [&digits[..], &["--output", "x.jpg"]].concat();
    let said = "--output x.jpg: name a .svg or .png file";
    scratch.refuses_as_typed(&picture, &[said]);
    let folder = [&digits[..], &["--output", "no/x.svg"]].concat();
    scratch.refuses(&folder, &["--output no/x.svg: there is no folder no"]);
}
