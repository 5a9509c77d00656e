//! What is made from the commands themselves: completions, manual pages, and the reference.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use crate::args::Arguments;

/// Prints the script for a shell.
pub fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    clap_complete::generate(shell, &mut Arguments::command(), "segue", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

/// Writes a manual page for each command.
pub fn pages(folder: &Path) -> anyhow::Result<ExitCode> {
    let writing = || format!("cannot write to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(writing)?;
    clap_mangen::generate_to(Arguments::command(), folder).with_context(writing)?;
    println!("{}", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// Prints the reference.
pub fn reference() -> anyhow::Result<ExitCode> {
    let mut root = Arguments::command();
    root.build();
    let mut text = String::from(
        "# Commands\n\nEvery command with its options, made from the program by `segue reference`. What they \
         do in detail stands in [the command line](cli.md).\n",
    );
    describe(&root, "segue", &mut text)?;
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

fn describe(command: &Command, path: &str, text: &mut String) -> std::fmt::Result {
    let mut shown = command.get_subcommands().filter(|c| !c.is_hide_set()).peekable();
    // What can be typed as it is has a page of its own.
    if shown.peek().is_none() || !command.is_subcommand_required_set() || path == "segue" {
        page(command, path, text)?;
    }
    for sub in shown.filter(|sub| sub.get_name() != "help") {
        describe(sub, &format!("{path} {}", sub.get_name()), text)?;
    }
    Ok(())
}

fn page(command: &Command, path: &str, text: &mut String) -> std::fmt::Result {
    writeln!(text, "\n## {path}\n")?;
    if let Some(about) = command.get_about() {
        writeln!(text, "{about}\n")?;
    }
    let own = |argument: &&Arg| {
        let of_all = argument.get_id().as_str().starts_with("log_");
        let inherited = of_all || command.get_subcommands().next().is_none();
        let repeated = argument.is_global_set() && inherited && path != "segue";
        !argument.is_hide_set() && !repeated && argument.get_id() != "help"
    };
    let arguments: Vec<&Arg> = command.get_arguments().filter(own).collect();
    if arguments.is_empty() {
        return Ok(());
    }
    writeln!(text, "| argument | meaning |\n| --- | --- |")?;
    for argument in arguments {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let defaults: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = match defaults.as_slice() {
            // A switch is off unless it is given.
            [] => String::new(),
            [off] if off == "false" => String::new(),
            some => format!(" (default: {})", some.join(", ")),
        };
        writeln!(text, "| `{}` | {help}{default} |", argument.to_string().replace('|', "\\|"))?;
    }
    Ok(())
}
