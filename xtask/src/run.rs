//! A run: steps in order, each with its time, until one fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::step::{Failure, Step};

/// Whether the user, or whoever started this, wants it to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on; the second signal ends this process at once.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
                .context("cannot listen for signals")?;
        }
        Ok(Self(flag))
    }

    #[cfg(test)]
    pub(crate) fn never() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    pub(crate) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a finished step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

/// The steps that were run so far.
#[derive(Debug)]
pub(crate) struct Run {
    since: Instant,
    interrupt: Interrupt,
    keep_going: bool,
    done: Vec<(String, Duration, Outcome)>,
}

impl Run {
    /// A run that ends with the first failure, or, told to keep going, with the last step.
    pub(crate) fn begin(keep_going: bool) -> anyhow::Result<Self> {
        let interrupt = Interrupt::listen()?;
        Ok(Self { since: Instant::now(), interrupt, keep_going, done: Vec::new() })
    }

    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Runs a program as the next step. In a run that keeps going its failure is only noted.
    pub(crate) fn step(&mut self, step: Step) -> anyhow::Result<()> {
        let name = step.name.clone();
        let interrupt = self.interrupt.clone();
        let result = self.act(&name, || step.run(&interrupt).map_err(anyhow::Error::from));
        if self.keep_going && !self.interrupt.came() { Ok(()) } else { result }
    }

    /// How many steps failed.
    pub(crate) fn failures(&self) -> usize {
        self.count("failed")
    }

    fn count(&self, wanted: &str) -> usize {
        self.done.iter().filter(|(_, _, outcome)| word(outcome) == wanted).count()
    }

    /// Does something as the next step.
    pub(crate) fn act<T>(
        &mut self,
        name: &str,
        act: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        eprintln!("\n=== {name}");
        let since = Instant::now();
        let result = if self.interrupt.came() { Err(Failure::Interrupted.into()) } else { act() };
        let took = since.elapsed();
        let outcome = match &result {
            Ok(_) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        eprintln!("--- {name}: {} ({})", word(&outcome), seconds(took));
        self.done.push((name.to_owned(), took, outcome));
        result.with_context(|| format!("step {name:?} failed"))
    }

    /// Notes a step that this run does without, and why.
    pub(crate) fn skip(&mut self, name: &str, why: impl Into<String>) {
        let why = why.into();
        eprintln!("\n=== {name}\n--- {name}: skipped, {why}");
        self.done.push((name.to_owned(), Duration::ZERO, Outcome::Skipped(why)));
    }

    /// Tells all steps with their times, and in the last line how the run went.
    pub(crate) fn end(&self) {
        eprintln!();
        for (name, took, outcome) in &self.done {
            let reason = match outcome {
                Outcome::Passed => String::new(),
                Outcome::Skipped(why) | Outcome::Failed(why) => format!("  {why}"),
            };
            eprintln!("{:>8}  {name:<38} {}{reason}", seconds(*took), word(outcome));
        }
        let result = if self.failures() > 0 { "FAILED" } else { "passed" };
        eprintln!(
            "xtask: {result}: {} steps passed, {} skipped, {} failed in {}",
            self.count("passed"),
            self.count("skipped"),
            self.failures(),
            seconds(self.since.elapsed()),
        );
    }
}

const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Skipped(_) => "skipped",
        Outcome::Failed(_) => "failed",
    }
}

fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{}m{:02}s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        let interrupt = Interrupt::never();
        Run { since: Instant::now(), interrupt, keep_going: false, done: Vec::new() }
    }

    #[test]
    fn a_run_that_keeps_going_still_counts_its_failures() {
        let mut run = Run { keep_going: true, ..run() };
        run.step(Step::new("bad", "false", "")).expect("noted only");
        run.step(Step::new("good", "true", "")).expect("passes");
        assert_eq!((run.failures(), run.done.len()), (1, 2));
    }

    #[test]
    fn a_failure_is_kept_and_told() {
        let mut run = run();
        run.act("good", || Ok(())).expect("passes");
        run.skip("absent", "not here");
        let failed = run.step(Step::new("bad", "false", ""));
        assert!(format!("{:#}", failed.expect_err("fails")).contains("\"bad\" failed"));
        let words: Vec<&str> = run.done.iter().map(|(_, _, outcome)| word(outcome)).collect();
        assert_eq!(words, ["passed", "skipped", "failed"]);
    }

    #[test]
    fn after_an_interrupt_nothing_is_begun() {
        let mut run = run();
        run.interrupt.0.store(true, Ordering::Relaxed);
        let mut begun = false;
        let refused = run.act("late", || {
            begun = true;
            Ok(())
        });
        assert!(refused.is_err() && !begun);
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(seconds(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2m05s");
    }
}
