//! How the program ends: exit codes (`docs/reference/cli.md`) and the last words on standard error.

use std::process::ExitCode;

use segue_engine::Ending;

/// The command line or the recipe is wrong, or the plan has errors; nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The plan refuses to run; nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("the plan has {0} error{s}; nothing was done", s = if *.0 == 1 { "" } else { "s" })]
pub struct PlanRefused(pub usize);

/// The exit code of an ending.
pub fn code(ending: Option<Ending>) -> ExitCode {
    ExitCode::from(match ending {
        None => 0,
        Some(Ending::Failed) => 1,
        Some(Ending::Refused) => 3,
        Some(Ending::Diverged) => 4,
        Some(Ending::Limit) => 5,
        Some(Ending::Interrupted) => 130,
    })
}

/// Prints an error with its causes; returns the exit code that goes with it.
pub fn explain(error: &anyhow::Error) -> ExitCode {
    let mut chain = error.chain();
    let engine = error.chain().find_map(|e| e.downcast_ref::<segue_engine::Error>());
    let mark = engine.map_or_else(String::new, |engine| format!("[{}]", engine.code()));
    if let Some(first) = chain.next() {
        eprintln!("error{mark}: {first}");
    }
    for cause in chain {
        eprintln!("  cause: {cause}");
    }
    if let Some(engine) = engine {
        eprintln!("  see docs/errors/{}.md", engine.code());
    }
    if error.is::<Usage>() {
        ExitCode::from(2)
    } else if error.is::<PlanRefused>() {
        code(Some(Ending::Refused))
    } else {
        code(Some(engine.map_or(Ending::Failed, segue_engine::Error::ending)))
    }
}
