//! Refuse work that no machine has the memory for, by the flag that asks for it, before any is taken.

use crate::common::{Scratch, trained};

#[test]
fn images_that_no_memory_holds_are_refused_before_any_is_read_or_drawn() {
    let scratch = Scratch::new();
    scratch.write_picture("photos/a.png", [7; 3]);
    for (line, key) in [
        (
            "data preview --dataset folder --data-dir photos --image-size 1000000 --output p.png",
            "--image-size",
        ),
        (
            "data preview --image-size 1000000000 --output p.png",
            "--image-size",
        ),
        (
            "data preview --set data.train_images=1000000000000 --output p.png",
            "data.train_images",
        ),
        (
            "data pack --set data.train_images=1000000000000 --output packed",
            "data.train_images",
        ),
        (
            "features train digits --image-size 1000000000",
            "--image-size",
        ),
        ("bench --workloads uva --batch 1000000000000", "--batch"),
    ] {
        let fragments = [
            &format!("for `{key}`")[..],
            "needs at least",
            "--no-memory-check",
        ];
        let words: Vec<&str> = line.split(' ').collect();
        scratch.refuses(&words, &fragments);
    }
}

#[test]
fn samples_that_no_memory_holds_at_a_time_are_refused_before_any_is_drawn() {
    let scratch = trained();
    let many = "--device cpu --num 10000000 --steps 60 --animation a.gif";
    for command in ["sample run", "compose run"] {
        let line = format!("{command} {many}");
        let words: Vec<&str> = line.split(' ').collect();
        scratch.refuses(&words, &["sampling needs", "for `--num`"]);
    }
    let line = "compose run --device cpu --num 1 --best-of 10000000 --steps 60 --animation a.gif";
    let words: Vec<&str> = line.split(' ').collect();
    scratch.refuses(&words, &["sampling needs", "for `--best-of`"]);
}

#[test]
fn every_command_that_checks_memory_can_be_told_not_to() {
    let scratch = trained();
    for line in [
        "sample run --device cpu --num 2 --output s.npz",
        "compose run --device cpu --num 2 --output c.png",
        "evaluate run --device cpu --measure anomalies --against noise --num 20",
        "data preview --image-size 16 --set data.train_images=20 --num 4 --output p.png",
        "bench --workloads uva --tasks energy --batch 2 --repeats 1",
    ] {
        scratch
            .line(&format!("{line} --no-memory-check"))
            .succeeds();
    }
}
