//! `--help`, the man page and the completions.
#![allow(missing_docs)]

use std::process::Command;

fn print(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pitaya")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the commands that the help of a command lists.
fn commands(help: &str) -> Vec<&str> {
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let names = list.lines().take_while(|line| line.starts_with("  "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

/// Calls `check` with the words of each command that does something.
fn each(words: &mut Vec<String>, check: &mut impl FnMut(&[String], &str)) {
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = print(&arguments);
    let inner = commands(&help);
    if inner.is_empty() {
        check(words, &help);
    }
    for command in inner {
        words.push(command.to_owned());
        each(words, check);
        words.pop();
    }
}

#[test]
fn help_of_every_command_has_an_example() {
    let mut checked = 0;
    each(&mut Vec::new(), &mut |words, help| {
        checked += 1;
        let command = format!("pitaya {}", words.join(" "));
        let example = help.split("Example").nth(1).unwrap_or_default();
        assert!(example.contains(&command), "{command}:\n{help}");
    });
    assert!(checked >= 8, "{checked}");
}

#[test]
fn man_page_has_every_command() {
    let page = print(&["man"]);
    assert!(page.contains(".TH pitaya 1"), "{page}");
    each(&mut Vec::new(), &mut |words, _| {
        let section = format!(".SH pitaya {}\n", words.join(" "));
        assert!(page.contains(&section), "{section}{page}");
    });
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = print(&["completions", shell]);
        assert!(script.contains("standalone") && script.contains("pull"), "{shell}");
    }
}
