//! `segue-model-check`: walks through the scenarios and the negative controls. Talks
//! on stderr; stdout gets one line of JSON.

use std::process::ExitCode;

use clap::Parser;
use segue_model_check::explore::Bounds;
use segue_model_check::report::{Told, walk};
use segue_model_check::sabotage::CONTROLS;
use segue_model_check::scenario::SCENARIOS;

/// Walks through every order of events of a small world.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only what is about this scenario.
    #[arg(long)]
    scenario: Option<String>,
    /// Without the negative controls.
    #[arg(long)]
    no_controls: bool,
    /// The most steps from the beginning; a walk that reaches it is not complete.
    #[arg(long)]
    depth: Option<usize>,
    /// The most states of one walk.
    #[arg(long, default_value_t = Bounds::WIDE.states)]
    states: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let bounds =
        Bounds { states: arguments.states, depth: arguments.depth.unwrap_or(Bounds::WIDE.depth) };
    let wanted = |name: &str| arguments.scenario.as_deref().is_none_or(|only| only == name);
    let mut told = Told::default();
    for scenario in SCENARIOS.into_iter().filter(|scenario| wanted(scenario.name)) {
        let found = walk(scenario.name, None, bounds);
        told.scenario(scenario.name, &found, arguments.depth.is_some());
    }
    for control in CONTROLS.iter().filter(|_| !arguments.no_controls) {
        if wanted(control.scenario) {
            let found = walk(control.scenario, Some(control.sabotage), bounds);
            told.control(control, &found);
        }
    }
    println!("{}", told.line());
    if told.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
