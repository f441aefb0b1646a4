//! Say what to type in place of a flag or a command that does not exist.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use ebm_train::{Config, Key};

/// Commands that take `--set` for every key of a configuration.
const CONFIGURABLE: [&str; 3] = ["train", "import", "data"];
/// Commands that choose one device with `--device`.
const ON_A_DEVICE: [&str; 12] = [
    "train", "sample", "compose", "evaluate", "bayes", "energy", "score", "classify", "denoise",
    "restore", "export", "live",
];
/// Commands that open a trained model.
const OF_A_MODEL: [&str; 11] = [
    "sample", "compose", "evaluate", "bayes", "energy", "score", "classify", "denoise", "restore",
    "export", "live",
];
/// Commands that write a file to `--output`.
const WITH_OUTPUT: [&str; 9] = [
    "sample", "compose", "energy", "score", "denoise", "restore", "export", "data", "plot",
];

/// The subcommand on the command line of this process; empty without one.
pub(crate) fn typed_command() -> String {
    let words = std::env::args_os().skip(1);
    let mut words = words.filter_map(|word| word.into_string().ok());
    let command = words.find(|word| !word.starts_with('-'));
    command.unwrap_or_default()
}

/// An error of the command line, with a tip where what was typed goes by another name here; `command`
/// is the subcommand.
pub(crate) fn with_tip(mut error: clap::Error, command: &str) -> clap::Error {
    let typed = match error.kind() {
        ErrorKind::UnknownArgument => error.get(ContextKind::InvalidArg),
        ErrorKind::InvalidSubcommand => error.get(ContextKind::InvalidSubcommand),
        _ => None,
    };
    let tip = match typed {
        Some(ContextValue::String(word)) => tip_for(word, command),
        _ => None,
    };
    let Some(tip) = tip else { return error };
    // What has similar letters leads elsewhere, and the usage line shows it, too.
    for misleading in [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::Usage,
    ] {
        error.remove(misleading);
    }
    let tips = vec![StyledStr::from(tip)];
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    error
}

/// What to type instead of an unknown word.
fn tip_for(word: &str, command: &str) -> Option<String> {
    if command == "import" && !word.starts_with('-') {
        return Some("the run directory to make is --output DIR".to_owned());
    }
    let word = word.trim_start_matches('-');
    let word = word.split('=').next().unwrap_or_default();
    let name = word.to_lowercase().replace('-', "_");
    of_command(&name)
        .or_else(|| of_flag(&name, command))
        .map(str::to_owned)
        .or_else(|| of_key(&name, command))
}

/// The command for what other programs call by this name.
fn of_command(name: &str) -> Option<&'static str> {
    match name {
        "resume" | "continue" => {
            Some("the same `ebm train` command goes on with a run, or: ebm train --run-dir RUN")
        }
        "generate" => Some("`ebm sample` draws images from a trained model"),
        "eval" | "fid" => Some("`ebm evaluate` measures how good samples are"),
        "inpaint" => Some("`ebm restore` puts in what is missing of a picture"),
        "rank" | "anomaly" => Some("`ebm score` ranks pictures by how unusual they are"),
        "ls" | "status" => Some("`ebm runs` lists the runs below a folder"),
        "prune" | "clean" => Some("`ebm runs prune` removes checkpoints that runs do not need"),
        "predict" | "recognise" | "recognize" => Some("`ebm classify` reads pictures"),
        "watch" | "serve" | "dashboard" if cfg!(feature = "live") => {
            Some("`ebm live` shows a run on a page, `ebm train --live` one that trains")
        }
        _ => None,
    }
}

/// The flag of a command for what other programs call by this name.
fn of_flag(name: &str, command: &str) -> Option<&'static str> {
    let is_one_of = |commands: &[&str]| commands.contains(&command);
    match (name, command) {
        ("epochs" | "epoch" | "num_epochs", "train") => {
            Some("an epoch is as many iterations as the data have batches: --iterations N")
        }
        ("steps", "train") => Some(
            "the steps of a chain are --set langevin.num_steps=N, those of training --iterations N",
        ),
        ("num_steps", "sample" | "compose") => Some("the steps of a chain are --steps N"),
        ("gpu" | "cuda", "bench") => Some("--devices auto takes a GPU; `ebm devices` lists them"),
        ("gpu" | "cuda", _) if is_one_of(&ON_A_DEVICE) => {
            Some("--device auto takes a GPU if there is one; `ebm devices` lists them")
        }
        ("ema", _) if is_one_of(&OF_A_MODEL) => {
            Some("the moving average is used unless --no-ema is given")
        }
        (
            "gpus" | "num_gpus" | "nproc" | "nproc_per_node" | "num_nodes" | "world_size"
            | "num_workers",
            "train",
        ) => Some(
            "mpirun -np N ebm train … trains in N processes, one for each GPU; see docs/cluster.md",
        ),
        ("output" | "output_dir" | "out" | "out_dir" | "o" | "dir", "train") => {
            Some("the directory of a run is --run-dir DIR")
        }
        ("port" | "host" | "live", "live") => {
            Some("where the page is, is --listen PORT, or --listen ADDRESS:PORT")
        }
        ("port" | "host" | "listen", "train") if cfg!(feature = "live") => {
            Some("a page shows the run at --live PORT, or at --live ADDRESS:PORT")
        }
        ("dir", "import" | "data") => Some("the folder of the data is --data-dir DIR"),
        ("output_dir" | "out" | "out_dir" | "o", "import") => {
            Some("the run directory to make is --output DIR")
        }
        ("output_dir" | "out" | "out_dir" | "o", _) if is_one_of(&WITH_OUTPUT) => {
            Some("the file to write is --output FILE")
        }
        _ => None,
    }
}

/// How to set the key of the configuration that has this name, or whose last part has it.
fn of_key(name: &str, command: &str) -> Option<String> {
    let section = match command {
        "sample" | "compose" => "langevin.",
        command if CONFIGURABLE.contains(&command) => "",
        _ => return None,
    };
    let name = if name == "learning_rate" { "lr" } else { name };
    let is_meant = |key: &Key| key.name == name || key.short_name() == name;
    let keys = Config::keys().into_iter();
    let keys = keys.filter(|key| key.name.starts_with(section) && is_meant(key));
    let assignments = keys.map(|key| format!("--set {}=VALUE", key.name));
    let assignments: Vec<_> = assignments.collect();
    if assignments.is_empty() {
        return None;
    }
    let assignments = assignments.join(" or ");
    Some(format!(
        "keys of the configuration are set with {assignments}"
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::Cli;

    #[track_caller]
    fn assert_tip(word: &str, command: &str, fragment: &str) {
        let tip = tip_for(word, command).unwrap_or_default();
        assert!(tip.contains(fragment), "{word} of {command}: {tip}");
    }

    #[test]
    fn a_key_is_found_by_its_whole_name_and_by_its_last_part() {
        let expected = "keys of the configuration are set with --set batch_size=VALUE";
        assert_eq!(tip_for("--batch-size", "train").as_deref(), Some(expected));
        assert_tip("--batch_size=64", "import", "--set batch_size=VALUE");
        assert_tip("--langevin.step-size", "train", "--set langevin.step_size=");
        assert_tip("--step-size", "train", "--set langevin.step_size=");
        assert_tip("--filters", "data", "--set model.filters=");
        assert_tip("--lr", "train", "--set lr=");
        assert_tip("--learning-rate", "train", "--set lr=");
    }

    #[test]
    fn all_keys_of_one_name_are_listed() {
        let both = "--set langevin.grad_norm_clip=VALUE or --set optimizer.grad_norm_clip=VALUE";
        assert_tip("--grad-norm-clip", "train", both);
    }

    #[test]
    fn keys_are_named_where_the_command_can_set_them_and_nowhere_else() {
        assert_tip("--step-size", "sample", "--set langevin.step_size=");
        assert_eq!(tip_for("--batch-size", "sample"), None);
        assert_eq!(tip_for("--lr", "energy"), None);
        assert_eq!(tip_for("--batch-size", "bench"), None);
    }

    #[test]
    fn what_other_programs_call_it_leads_to_what_it_is_called_here() {
        assert_tip("--epochs", "train", "--iterations N");
        assert_tip("--steps", "train", "langevin.num_steps=N");
        assert_tip("--num-steps", "sample", "--steps N");
        assert_tip("--gpu", "train", "--device auto");
        assert_tip("--cuda", "bench", "--devices auto");
        assert_tip("--num-gpus", "train", "mpirun -np N ebm train");
        assert_tip("--resume", "train", "the same `ebm train` command");
        assert_tip("resume", "resume", "ebm train --run-dir RUN");
        assert_tip("generate", "generate", "`ebm sample`");
        assert_tip("eval", "eval", "`ebm evaluate`");
        assert_tip("ls", "ls", "`ebm runs`");
        assert_tip("prune", "prune", "`ebm runs prune`");
        if cfg!(feature = "live") {
            assert_tip("serve", "serve", "`ebm train --live`");
            assert_tip("--port", "live", "--listen PORT");
            assert_tip("--port", "train", "--live PORT");
        }
        assert_tip("--ema", "export", "--no-ema");
        assert_tip("--output-dir", "train", "--run-dir");
        assert_tip("-o", "sample", "--output");
        assert_tip("new", "import", "--output DIR");
    }

    #[test]
    fn a_word_that_nobody_knows_has_no_tip() {
        for (word, command) in [
            ("--nonsense", "train"),
            ("trian", "trian"),
            ("--ema", "train"),
            ("--", "train"),
            ("", ""),
        ] {
            assert_eq!(tip_for(word, command), None, "{word} of {command}");
        }
    }

    #[test]
    fn a_tip_takes_the_place_of_an_argument_with_similar_letters() {
        let typed = ["ebm", "train", "--batch-size", "64"];
        let error = Cli::try_parse_from(typed).expect_err("no such flag");
        assert!(error.to_string().contains("--image-size"), "{error}");
        let error = with_tip(error, "train");
        let text = error.to_string();
        assert_eq!(error.exit_code(), 2);
        assert!(text.contains("tip: keys of the configuration"), "{text}");
        assert!(!text.contains("--image-size"), "{text}");
    }

    #[test]
    fn help_and_errors_without_a_tip_stay_as_they_are() {
        for (typed, exit_code) in [
            (["ebm", "train", "--help"], 0),
            (["ebm", "presets", "--version"], 0),
            (["ebm", "train", "--iteration"], 2),
            (["ebm", "train", "--iterations"], 2),
        ] {
            let error = Cli::try_parse_from(typed).expect_err("no command to run");
            let before = error.to_string();
            let after = with_tip(error, "train");
            assert_eq!((after.to_string(), after.exit_code()), (before, exit_code));
        }
    }
}
