//! Train, sample and check on the first adapter that wgpu finds, real or made of software.

use ebm_core::wgpu_adapters;

use super::common::{CONDITIONAL, Scratch, images, metrics};

/// Fail where there is nothing to test on.
fn require_adapter() {
    let adapters = wgpu_adapters();
    assert!(!adapters.is_empty(), "wgpu finds no adapter to test on");
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn twenty_iterations_on_a_gpu_are_those_of_the_cpu() {
    require_adapter();
    let scratch = Scratch::new();
    let twenty = ["--iterations", "20"];
    scratch.train("cpu", &twenty).succeeds();
    let finished = scratch.train_on("wgpu", "gpu", &twenty).succeeds();
    assert!(
        finished.stderr.contains("the device agrees"),
        "{}",
        finished.stderr
    );

    let (cpu, gpu) = (metrics(&scratch.join("cpu")), metrics(&scratch.join("gpu")));
    assert_eq!((cpu.len(), gpu.len()), (20, 20));
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        for key in [
            "e_pos",
            "e_neg",
            "loss",
            "weight_grad_norm",
            "chain_energy_after",
            "pixel_grad_norm_mean",
        ] {
            let of = |line: &serde_json::Map<_, serde_json::Value>| line[key].as_f64();
            let (cpu, gpu) = (of(cpu).expect("a number"), of(gpu).expect("a number"));
            // Rounding grows from iteration to iteration, by far less than this in twenty.
            let error = (cpu - gpu).abs() / cpu.abs().max(0.1);
            assert!(error < 1e-3, "{key}: {gpu} is not {cpu}");
        }
    }

    let grid = ["--output", "samples.png", "--steps", "4"];
    scratch.sample("gpu", &grid).succeeds();
    let there = ["--output", "gpu.png", "--steps", "4", "--device", "wgpu"];
    let arguments = [&["sample", "gpu", "--num", "4"][..], &there].concat();
    scratch.ebm(&arguments).succeeds();
    assert_same_picture(&scratch, "samples.png", "gpu.png");
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn micro_batches_on_a_gpu_and_on_the_cpu_change_rounding_alone() {
    require_adapter();
    let scratch = Scratch::new();
    scratch.train("whole", &[]).succeeds();
    for (name, device) in [("cpu", "cpu"), ("gpu", "wgpu")] {
        let in_parts = ["--micro-batch", "3", "--no-self-test"];
        let finished = scratch.train_on(device, name, &in_parts).succeeds();
        assert!(!finished.stderr.contains("the device agrees"));
        let pairs = metrics(&scratch.join("whole"));
        let pairs = pairs.iter().zip(metrics(&scratch.join(name)));
        for (whole, parts) in pairs {
            for key in ["e_pos", "e_neg", "loss", "weight_grad_norm"] {
                let [a, b] = [&whole[key], &parts[key]].map(|v| v.as_f64().expect("a number"));
                assert!(
                    (a - b).abs() < 1e-4 * a.abs().max(0.1),
                    "{name}, {key}: {a}, {b}"
                );
            }
        }
    }
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn a_profile_shows_that_a_step_besides_its_gradient_is_one_kernel() {
    require_adapter();
    let arguments = [
        "bench",
        "--profile",
        "--devices",
        "wgpu",
        "--tasks",
        "chain",
    ];
    let work = ["--workloads", "uva", "--batch", "2", "--steps", "3"];
    let finished = Scratch::new().ebm(&[&arguments[..], &work].concat());
    let profile = finished.succeeds().stdout;
    let launches = |kernel: &str| {
        let row = profile.lines().find_map(|line| line.strip_prefix(kernel));
        let cell = row.and_then(|row| row.split_whitespace().next()?.parse::<usize>().ok());
        cell.unwrap_or_else(|| panic!("no {kernel} in {profile}"))
    };
    // The noise of the first step is added before it.
    assert_eq!(launches("LangevinKernel"), 1 + 3);
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn a_batch_beyond_the_memory_of_a_gpu_is_refused_before_anything_is_written() {
    require_adapter();
    let scratch = Scratch::new();
    let sizes = [
        "--set",
        "batch_size=2000000",
        "--set",
        "buffer.capacity=2000000",
    ];
    let before = scratch.tree();
    let finished = scratch.train_on("wgpu", "run", &sizes);
    finished.fails_saying(&["has ", " MiB of memory, and training on 4000000 images"]);
    scratch.assert_unchanged_since(&before);
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn a_precision_that_an_adapter_lacks_is_refused_and_another_trains() {
    require_adapter();
    let scratch = Scratch::new();
    let finished = scratch.train_on("wgpu", "run", &["--precision", "f16", "--no-self-test"]);
    if finished.stderr.contains("does not compute in f16") {
        finished.fails_saying(&["use --precision f32"]);
    } else {
        finished.succeeds();
    }
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn every_device_is_compared_with_the_cpu() {
    require_adapter();
    let finished = Scratch::new().ebm(&["devices", "--check"]).succeeds();
    let agrees = |name: &str| {
        let mut lines = finished.stdout.lines();
        lines.any(|line| line.starts_with(name) && line.contains("agrees with the CPU"))
    };
    assert!(agrees("wgpu:0"), "{}", finished.stdout);
    assert!(
        !cfg!(feature = "ndarray") || agrees("ndarray"),
        "{}",
        finished.stdout
    );
}

/// Bytes of a picture on the GPU are those of the CPU, but for a pixel at the border of two bytes.
#[track_caller]
fn assert_same_picture(scratch: &Scratch, cpu: &str, gpu: &str) {
    let pixels = |name: &str| {
        let picture = image::open(scratch.join(name)).expect("a picture");
        picture.into_rgb8().into_raw()
    };
    let (cpu, gpu) = (pixels(cpu), pixels(gpu));
    assert_eq!(cpu.len(), gpu.len());
    let apart = cpu.iter().zip(&gpu).map(|(cpu, gpu)| cpu.abs_diff(*gpu));
    assert!(apart.max() <= Some(1));
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn pictures_are_cleaned_restored_and_composed_on_a_gpu_as_on_the_cpu() {
    require_adapter();
    let scratch = Scratch::new();
    scratch.train("run", &CONDITIONAL).succeeds();
    let photo = image::RgbImage::from_fn(40, 33, |x, y| {
        let value = 40 + 3 * x + 2 * y + (x * 7 + y * 13) % 11;
        image::Rgb([value as u8, (2 * x + y) as u8, (200 - 3 * y) as u8])
    });
    photo.save(scratch.join("photo.png")).expect("a picture");
    let digit = image::GrayImage::from_fn(16, 16, |x, y| image::Luma([(x * y % 200) as u8]));
    digit.save(scratch.join("digit.png")).expect("a picture");
    for command in [
        "denoise photo.png --sigma 12",
        "denoise digit.png --method descent --sigma 12",
        "restore photo.png --box 10,8,9,5",
        "restore digit.png --box 5,4,4,5 --samples 2",
        "restore digit.png --model run --box 0,8,16,8 --class 3 --samples 2",
        "compose run[3] --num 4",
        "compose run[3] - 0.5*run[8] --num 4",
        "compose run[3] + run[8] --or --num 4",
    ] {
        for device in ["cpu", "wgpu"] {
            let line = format!("{command} --device {device} --output {device}.png");
            scratch.line(&line).succeeds();
        }
        assert_same_picture(&scratch, "cpu.png", "wgpu.png");
    }
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn pictures_are_recognised_and_scored_on_a_gpu_as_on_the_cpu() {
    require_adapter();
    let scratch = Scratch::new();
    scratch.train("run", &CONDITIONAL).succeeds();
    let pictures = images(&scratch);
    for (command, key) in [
        ("classify", "probabilities"),
        ("score", "score"),
        ("score --by gradient", "score"),
    ] {
        let [cpu, gpu] = ["cpu", "wgpu"].map(|device| {
            let line = format!("{command} run {pictures} --json --device {device}");
            let said = scratch.line(&line).succeeds().stdout;
            let lines = said.lines().map(serde_json::from_str::<serde_json::Value>);
            let values = lines.flat_map(|line| match &line.expect("JSON")[key] {
                serde_json::Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            });
            values
                .map(|value| value.as_f64().expect("a number"))
                .collect::<Vec<_>>()
        });
        assert!(cpu.len() >= 3 && cpu.len() == gpu.len(), "{command}");
        for (cpu, gpu) in cpu.iter().zip(&gpu) {
            assert!(
                (cpu - gpu).abs() < 1e-4 * cpu.abs().max(0.1),
                "{command}: {gpu} is not {cpu}"
            );
        }
    }
}
