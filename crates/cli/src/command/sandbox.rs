//! `segue sandbox`.

use std::process::ExitCode;

use segue_sandbox::{Options, Status};
use serde_json::json;

use crate::args::{SandboxCommand, SandboxOptions};
use crate::exit::Usage;

/// Starts, stops or shows a sandbox.
pub fn run(command: &SandboxCommand) -> anyhow::Result<ExitCode> {
    let mut talk = |line: &str| eprintln!("{line}");
    match command {
        SandboxCommand::Up(wanted) => {
            let running = segue_sandbox::up(&options(wanted)?, &mut talk)?;
            if wanted.json {
                println!("{}", serde_json::to_string(&running)?);
            } else {
                println!("{}", running.url);
            }
        }
        SandboxCommand::Down(wanted) => {
            let stopped = segue_sandbox::down(&options(wanted)?, &mut talk)?;
            if wanted.json {
                println!("{}", serde_json::to_string(&stopped)?);
            } else {
                println!("{} nodes stopped", stopped.stopped.len() + stopped.killed.len());
            }
        }
        SandboxCommand::Status(wanted) => {
            let status = segue_sandbox::status(&options(wanted)?)?;
            if wanted.json {
                println!("{}", serde_json::to_string(&status)?);
            } else {
                show(&status);
            }
            if !status.is_up() {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(status: &Status) {
    match status {
        Status::Absent { home } => println!("no sandbox at {}", home.display()),
        Status::Present { running, states } => {
            for (node, state) in running.nodes.iter().zip(states) {
                let state = json!(state);
                println!("{} {} {}", node.name, node.url, state.as_str().unwrap_or("?"));
            }
        }
    }
}

fn options(wanted: &SandboxOptions) -> anyhow::Result<Options> {
    let mut options = Options::named(&wanted.name)?;
    let wrong = |error: &dyn std::fmt::Display| Usage(error.to_string());
    if let Some(engine) = &wanted.engine {
        options.engine = Some(engine.parse().map_err(|e| wrong(&e))?);
    }
    if let Some(heap) = &wanted.heap {
        options.heap = heap.parse().map_err(|e| wrong(&e))?;
    }
    options.nodes = wanted.nodes;
    options.fresh = wanted.fresh;
    Ok(options)
}
