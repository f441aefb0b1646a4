//! Hold the documentation to the program: every command line in it must be one that the program takes.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use clap::error::ErrorKind;
use ebm_cli::Cli;

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("set by Cargo")).join("../..")
}

fn readme() -> String {
    let path = root().join("README.md");
    std::fs::read_to_string(path).expect("the workspace has a README.md")
}

/// The pages below `docs`, by name.
fn pages() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join("docs")).expect("the workspace has docs");
    let paths = entries.map(|entry| entry.expect("an entry of docs").path());
    let pages = paths.filter(|path| path.extension().is_some_and(|it| it == "md"));
    pages
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a page of text");
            (path.display().to_string(), text)
        })
        .collect()
}

/// The lines of all ```sh blocks, continued lines joined.
fn shell_lines(readme: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_block = false;
    for line in readme.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(language) => in_block = !in_block && language.starts_with("sh"),
            None if in_block => lines.push(line.trim()),
            None => {}
        }
    }
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().map(str::to_owned).collect()
}

/// The words of a shell line: quotes group, `#` starts a comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn is_ebm(program: &str) -> bool {
    program == "ebm" || program.ends_with("/ebm")
}

/// The arguments that one simple command gives to the binary, if it starts it, itself or through a launcher.
fn arguments(command: &[String]) -> Option<Vec<String>> {
    let first = command
        .iter()
        .position(|word| word != "$" && !word.contains('='))?;
    let (program, rest) = command[first..].split_first()?;
    if is_ebm(program) {
        return Some(rest.to_vec());
    }
    if ["mpirun", "mpirun.mpich", "srun"].contains(&program.as_str()) {
        let started = rest.iter().position(|word| is_ebm(word))?;
        return Some(rest[started + 1..].to_vec());
    }
    let runs = program == "cargo" && rest.first().is_some_and(|word| word == "run");
    let dashes = rest.iter().position(|word| word == "--").filter(|_| runs)?;
    Some(rest[dashes + 1..].to_vec())
}

/// The arguments of every start of the binary in a text.
pub fn invocations(readme: &str) -> Vec<Vec<String>> {
    let is_operator = |word: &String| ["&&", "||", "|", ";", ">", "&"].contains(&word.as_str());
    let lines = shell_lines(readme);
    let starts = lines.iter().flat_map(|line| {
        let words = words(line);
        words
            .split(is_operator)
            .filter_map(arguments)
            .collect::<Vec<_>>()
    });
    starts.collect()
}

/// The program takes these arguments, and shows help for the subcommand.
#[track_caller]
pub fn assert_taken(page: &str, args: &[String]) {
    let line = args.join(" ");
    let whole = std::iter::once("ebm".to_owned()).chain(args.iter().cloned());
    if let Err(error) = Cli::try_parse_from(whole) {
        let asked_for = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion];
        assert!(
            asked_for.contains(&error.kind()),
            "{page}: ebm {line}: {error}"
        );
    }
    let subcommand = args.iter().take_while(|word| !word.starts_with('-'));
    let mut help = Command::new(env!("CARGO_BIN_EXE_ebm"));
    let help = help.args(subcommand).arg("--help").output();
    let help = help.expect("the binary starts");
    assert!(
        help.status.success() && !help.stdout.is_empty(),
        "{page}: ebm {line}: {help:?}"
    );
}

#[test]
fn every_command_line_of_the_readme_is_one_that_the_program_takes() {
    let invocations = invocations(&readme());
    assert!(!invocations.is_empty(), "the README shows no command");
    for args in invocations {
        assert_taken("README.md", &args);
    }
}

#[test]
fn every_command_line_of_the_docs_is_one_that_the_program_takes() {
    let pages = pages();
    assert!(!pages.is_empty(), "docs holds no page");
    for (page, text) in pages {
        for args in invocations(&text) {
            assert_taken(&page, &args);
        }
    }
}

#[test]
fn the_readme_shows_how_to_train_and_how_to_test() {
    let lines = shell_lines(&readme());
    for headline in [
        "cargo run --release -- train",
        "cargo test --release --workspace",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(headline)),
            "no `{headline}`"
        );
    }
}

#[test]
fn the_reader_of_this_test_understands_a_shell_block() {
    let text = "Try\n```sh\n# first\n$ ebm train --seed 1 \\\n    --set 'lr={ a = 1 }' # why\n\
        RUST_LOG=debug cargo run --release -- sample runs/x && ebm presets > p\nls ebm\n\
        mpirun -np 4 --bind-to none ebm train --quiet\n```\n\
        ```toml\nebm = 1\n```\n";
    let expected = [
        vec!["train", "--seed", "1", "--set", "lr={ a = 1 }"],
        vec!["sample", "runs/x"],
        vec!["presets"],
        vec!["train", "--quiet"],
    ];
    assert_eq!(invocations(text), expected);
}
