//! What walks found, told to people and to programs.

use serde_json::{Value, json};

use crate::explore::{Bounds, Found, explore};
use crate::model::Model;
use crate::sabotage::{Control, Sabotage};
use crate::scenario::SCENARIOS;

/// Walks through the scenario `name`, without the guard that `sabotage` takes away.
///
/// # Panics
/// There is no scenario of that name.
pub fn walk(name: &str, sabotage: Option<Sabotage>, bounds: Bounds) -> Found {
    let scenario = SCENARIOS.into_iter().find(|scenario| scenario.name == name);
    #[expect(clippy::expect_used, reason = "the names are constants of this crate")]
    let scenario = scenario.expect("a scenario of this crate");
    explore(&Model::new(scenario, sabotage), bounds)
}

/// The nearest violation of a walk as lines; empty = none.
pub fn lines(found: &Found) -> Vec<String> {
    let Some(violation) = &found.violation else { return Vec::new() };
    let head = format!("{}: {}", violation.broken.invariant, violation.broken.shows);
    let steps = violation.trace.iter().enumerate();
    std::iter::once(head).chain(steps.map(|(at, step)| format!("{:3} {step}", at + 1))).collect()
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Told {
    scenarios: Vec<Value>,
    controls: Vec<Value>,
    states: usize,
    seconds: f64,
    violations: usize,
    missed: usize,
    unfinished: usize,
}

impl Told {
    fn count(&mut self, found: &Found) {
        self.states += found.states;
        self.seconds += found.took.as_secs_f64();
    }

    /// Tells what a scenario came to; `shallow` = it was not meant to be complete.
    pub fn scenario(&mut self, name: &str, found: &Found, shallow: bool) {
        self.count(found);
        let seconds = found.took.as_secs_f64();
        eprintln!(
            "{name}: {} states, {} steps, depth {}, {} switched, {seconds:.1} s{}",
            found.states,
            found.steps,
            found.depth,
            found.goals,
            if found.complete { "" } else { ", not complete" }
        );
        for line in lines(found) {
            eprintln!("    {line}");
        }
        self.violations += usize::from(found.violation.is_some());
        self.unfinished += usize::from(!shallow && (!found.complete || found.goals == 0));
        self.scenarios.push(json!({
            "scenario": name, "states": found.states, "steps": found.steps, "depth": found.depth,
            "switched": found.goals, "seconds": round(seconds), "complete": found.complete,
            "violation": found.violation.as_ref().map(|violation| violation.broken.invariant),
        }));
    }

    /// Tells whether a control was caught.
    pub fn control(&mut self, control: &Control, found: &Found) {
        self.count(found);
        let broken = found.violation.as_ref().map(|violation| violation.broken.invariant);
        let caught = broken == Some(control.breaks);
        let verdict = if caught { "caught" } else { "NOT CAUGHT" };
        eprintln!(
            "control [{}] in {}: {verdict} after {} states",
            control.sabotage, control.scenario, found.states
        );
        for line in lines(found) {
            eprintln!("    {line}");
        }
        self.missed += usize::from(!caught);
        self.controls.push(json!({
            "control": control.sabotage.to_string(), "scenario": control.scenario, "caught": caught,
            "breaks": control.breaks, "states": found.states,
            "steps": found.violation.as_ref().map(|violation| violation.trace.len()),
        }));
    }

    /// Whether nothing was violated, every control was caught and every walk came to its end.
    pub fn is_good(&self) -> bool {
        self.violations + self.missed + self.unfinished == 0
    }

    /// All of it as one line of JSON.
    pub fn line(&self) -> Value {
        json!({
            "states": self.states, "seconds": round(self.seconds), "violations": self.violations,
            "missed": self.missed, "unfinished": self.unfinished,
            "scenarios": self.scenarios, "controls": self.controls,
        })
    }
}

fn round(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}
