//! Refuse configurations and command lines that cannot work, before anything is written.

use crate::common::Scratch;

/// `--set assignment` is a wrong command line, and the error says these words.
#[track_caller]
fn refuses_set(assignment: &str, fragments: &[&str]) {
    Scratch::new().refuses_to_train_as_typed(&["--set", assignment], fragments);
}

#[test]
fn lists_the_presets_when_asked_for_one_that_does_not_exist() {
    let fragments = ["`nope`", "digits", "mnist-uva", "mnist"];
    let scratch = Scratch::new();
    scratch.refuses_to_train_as_typed(&["--preset", "nope"], &fragments);
    scratch.refuses_as_typed(&["presets", "nope"], &fragments);
}

#[test]
fn names_an_unknown_key_of_a_flag_and_the_keys_there_are() {
    refuses_set(
        "langevin.stepsize=1",
        &["--set langevin.stepsize=1", "`stepsize`", "`step_size`"],
    );
    refuses_set(
        "langevn.step_size=1",
        &["--set langevn.step_size=1", "`langevn`", "`langevin`"],
    );
    refuses_set(
        "epochs=none",
        &["--set epochs=none", "`epochs`", "`iterations`"],
    );
    refuses_set(
        "data.dataset=emnist",
        &["data.dataset=emnist", "`emnist`", "`fashion-mnist`"],
    );
    refuses_set(
        "model.network=resnet",
        &["model.network=resnet", "`resnet`", "`uva`"],
    );
}

#[test]
fn names_an_unknown_key_of_a_file() {
    let scratch = Scratch::new();
    scratch.write("my.toml", "batch_size = 8\n[langevin]\nstepsize = 1\n");
    scratch.refuses_to_train(
        &["--config", "my.toml"],
        &["my.toml", "`stepsize`", "`step_size`"],
    );
}

#[test]
fn names_a_value_of_the_wrong_type_and_the_type_it_should_have() {
    refuses_set(
        "batch_size=many",
        &[
            "--set batch_size=many",
            "\"many\"",
            "expected a whole number",
        ],
    );
    refuses_set(
        "batch_size=-1",
        &["--set batch_size=-1", "`-1`", "expected a whole number"],
    );
    refuses_set(
        "energy_l2=true",
        &["--set energy_l2=true", "`true`", "expected a number"],
    );
    refuses_set(
        "lr=fast",
        &["--set lr=fast", "\"fast\"", "a number or a table"],
    );
    refuses_set(
        "lr={ kind = \"steps\" }",
        &["lr={ kind", "`steps`", "`geometric`"],
    );
    refuses_set("langevin=5", &["--set langevin=5", "langevin"]);
    let scratch = Scratch::new();
    scratch.write("my.toml", "batch_size = \"many\"\n");
    scratch.refuses_to_train(
        &["--config", "my.toml"],
        &["my.toml", "\"many\"", "`batch_size`"],
    );
    // Beyond the integers of 64 bits.
    let beyond = "18446744073709551616";
    scratch.refuses_to_train_as_typed(&["--seed", beyond], &["--seed", beyond]);
    let assignment = format!("seed={beyond}");
    scratch.refuses_to_train_as_typed(
        &["--set", &assignment],
        &["--set seed=18446744073709551616", "from 0 to"],
    );
    // Beyond those of TOML.
    scratch.write("seed.toml", "seed = 18446744073709551615\n");
    let fragments = [
        "seed.toml",
        "in quotes, as in seed = \"18446744073709551615\"",
    ];
    scratch.refuses_to_train(&["--config", "seed.toml"], &fragments);
}

#[test]
fn says_how_an_assignment_is_written() {
    refuses_set(
        "batch_size",
        &["--set batch_size", "expected key=value", "for example"],
    );
    refuses_set("lr.end=1", &["--set lr.end=1", "`lr` is not a section"]);
    refuses_set("=3", &["--set =3"]);
}

#[test]
fn names_a_configuration_file_that_cannot_be_read() {
    let scratch = Scratch::new();
    scratch.refuses_to_train(
        &["--config", "nowhere.toml"],
        &["nowhere.toml", "No such file"],
    );
    scratch.write("broken.toml", "[langevin\nnum_steps = 3\n");
    scratch.refuses_to_train(&["--config", "broken.toml"], &["broken.toml", "line 1"]);
    scratch.write("binary.toml", [0xff, 0xfe, 0x00]);
    scratch.refuses_to_train(&["--config", "binary.toml"], &["binary.toml", "UTF-8"]);
}

#[test]
fn refuses_impossible_values_of_the_run() {
    refuses_set("iterations=0", &["`iterations`", "at least 1"]);
    refuses_set("iterations=5000000000", &["`iterations`", "below"]);
    refuses_set("batch_size=0", &["`batch_size`", "at least 1, got 0"]);
    refuses_set("lr=nan", &["`lr`", "not a finite number"]);
    refuses_set("lr=-0.1", &["`lr`", "≥ 0", "-0.1"]);
    let to_zero = "lr={ kind = \"geometric\", start = 1e-3, end = 0.0 }";
    refuses_set(to_zero, &["`lr`", "positive start and end"]);
    refuses_set("energy_l2=-1", &["`energy_l2`", "≥ 0", "got -1"]);
    let of_samples = ["`sample_energy_l2`", "≥ 0", "got -1"];
    refuses_set("sample_energy_l2=-1", &of_samples);
    refuses_set("langevin.margin=-1", &["`langevin.margin`", "≥ 0", "-1"]);
    refuses_set("rollback.lr_factor=0", &["`rollback.lr_factor`", "above 0"]);
    refuses_set("on_divergence=retry", &["`retry`", "`stop`", "`rollback`"]);
    refuses_set("ema_decay=1.0", &["`ema_decay`", "[0, 1)", "got 1"]);
    refuses_set("data.noise_std=-1", &["`data.noise_std`", "≥ 0", "got -1"]);
    refuses_set("output.log_every=0", &["`output.log_every`", "at least 1"]);
    refuses_set(
        "output.checkpoint_every=0",
        &["`output.checkpoint_every`", "at least 1"],
    );
    refuses_set(
        "output.keep_checkpoints=0",
        &["`output.keep_checkpoints`", "at least 1"],
    );
    refuses_set(
        "output.evaluate_samples=0",
        &["`output.evaluate_samples`", "at least 1"],
    );
    refuses_set("output.evaluate_every=-1", &["expected a whole number"]);
    // Nor are there sample grids here.
    refuses_set(
        "output.keep_best=true",
        &["`output.keep_best`", "`evaluate_every` above 0"],
    );
    let none = ["--iterations", "0"];
    let fragments = ["--iterations 0: `iterations`", "at least 1"];
    Scratch::new().refuses_to_train_as_typed(&none, &fragments);
}

#[test]
fn a_key_in_a_section_or_a_list_that_was_typed_is_a_wrong_command_line_too() {
    refuses_set(
        "phases=[{ until = 0, set = [\"lr=1\"] }]",
        &["--set phases=[", "`phases[0].until` must be above 0"],
    );
    refuses_set(
        "posterior={ temperature = -1.0 }",
        &["--set posterior={", "`posterior.temperature`", "got -1"],
    );
}

#[test]
fn an_impossible_value_of_a_file_is_no_wrong_command_line() {
    let scratch = Scratch::new();
    scratch.write("my.toml", "energy_l2 = -1\n");
    let fragments = ["`energy_l2`", "≥ 0", "got -1"];
    scratch.refuses_to_train(&["--config", "my.toml"], &fragments);
}

#[test]
fn a_data_set_is_named_as_it_was_typed() {
    let fragments = ["--dataset emnist: ", "`fashion-mnist`"];
    Scratch::new().refuses_to_train_as_typed(&["--dataset", "emnist"], &fragments);
}

#[test]
fn refuses_impossible_values_of_the_sampler_and_the_buffer() {
    refuses_set(
        "langevin.num_steps=0",
        &["`langevin.num_steps`", "at least 1"],
    );
    refuses_set(
        "langevin.step_size=-1",
        &["`langevin.step_size`", "≥ 0", "got -1"],
    );
    refuses_set(
        "langevin.step_size=nan",
        &["`langevin.step_size`", "not a finite number"],
    );
    refuses_set(
        "langevin.noise_std=inf",
        &["`langevin.noise_std`", "not a finite number"],
    );
    refuses_set("langevin.temperature=0", &["`langevin.temperature`", "> 0"]);
    refuses_set(
        "langevin.grad_clip=0",
        &["`langevin.grad_clip`", "got 0", "leave it out"],
    );
    let small = ["`buffer.capacity`", "at least batch_size = 8", "got 4"];
    refuses_set("buffer.capacity=4", &small);
    refuses_set(
        "buffer.reinit_prob=2",
        &["`buffer.reinit_prob`", "[0, 1]", "got 2"],
    );
    refuses_set(
        "buffer.reinit_prob=nan",
        &["`buffer.reinit_prob`", "[0, 1]", "got NaN"],
    );
}

#[test]
fn refuses_impossible_values_of_the_optimizer() {
    refuses_set(
        "optimizer.beta1=1.0",
        &["`optimizer.beta1`", "[0, 1)", "got 1"],
    );
    refuses_set(
        "optimizer.epsilon=0",
        &["`optimizer.epsilon`", "> 0", "got 0"],
    );
    let clip = ["`optimizer.grad_norm_clip`", "got 0", "leave it out"];
    refuses_set("optimizer.grad_norm_clip=0", &clip);
}

#[test]
fn a_network_that_cannot_be_built_leaves_no_run_in_the_way_of_the_next_attempt() {
    let scratch = Scratch::new();
    let no_filters = ["--set", "model.filters=0"];
    scratch
        .train("run", &no_filters)
        .fails_with(2, &["model.filters", "must be at least 1"]);
    scratch.train("run", &[]).succeeds();
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_names_the_choices() {
    let scratch = Scratch::new();
    let before = scratch.tree();
    let choices = [
        "'gpu'",
        "--device",
        "auto, cpu, ndarray, wgpu[:N] or vulkan[:N]",
    ];
    scratch
        .ebm(&["train", "--device", "gpu"])
        .fails_with(2, &choices);
    scratch
        .ebm(&["train", "--epochs", "3"])
        .fails_with(2, &["--epochs"]);
    scratch
        .ebm(&["train", "--iterations", "many"])
        .fails_with(2, &["--iterations", "'many'"]);
    scratch
        .ebm(&["sample"])
        .fails_with(2, &["RUN_OR_CHECKPOINT"]);
    scratch
        .ebm(&["sample", "run", "--init", "zeros"])
        .fails_with(2, &["--init", "noise", "buffer"]);
    scratch.ebm(&["trian"]).fails_with(2, &["'trian'", "train"]);
    scratch
        .ebm(&["completions", "cmd"])
        .fails_with(2, &["bash", "zsh"]);
    scratch.assert_unchanged_since(&before);
}

#[test]
fn a_device_that_is_not_compiled_in_or_not_present_is_refused_with_a_remedy() {
    let scratch = Scratch::new();
    let missing = |backend: &str| {
        let train = ["train", "--device", &format!("{backend}:99")];
        scratch.refuses(
            &train,
            &[&format!("{backend}:99 is not present"), "--device cpu"],
        );
    };
    let not_compiled_in = |backend: &str| {
        let build = format!("cargo build --release --features {backend}");
        let no_backend = format!("has no {backend}");
        scratch.refuses(&["train", "--device", backend], &[&no_backend, &build]);
    };
    for (backend, is_compiled_in) in [
        ("wgpu", cfg!(feature = "wgpu")),
        ("vulkan", cfg!(feature = "vulkan")),
    ] {
        if is_compiled_in {
            missing(backend);
        } else {
            not_compiled_in(backend);
        }
    }
    if !cfg!(feature = "ndarray") {
        not_compiled_in("ndarray");
    }
}
