//! A step: one program that has to succeed, within a time.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::run::Interrupt;

/// One program of a run.
#[derive(Debug)]
pub(crate) struct Step {
    pub name: String,
    command: Command,
    within: Duration,
}

/// Why a step did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    NotStarted(std::io::Error),
    Ended(ExitStatus),
    TooLong(Duration),
    Interrupted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(f, "could not be started: {error}"),
            Self::Ended(status) => write!(f, "ended with {status}"),
            Self::TooLong(within) => write!(f, "took longer than {} s", within.as_secs()),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Failure {}

const LOOK: Duration = Duration::from_millis(50);
/// How long a child may take to leave when asked.
const LEAVE: Duration = Duration::from_secs(10);

impl Step {
    /// The step `name`: `program` with `arguments`, separated by blanks.
    pub(crate) fn new(name: &str, program: impl AsRef<OsStr>, arguments: &str) -> Self {
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace()).stdin(Stdio::null());
        Self { name: name.to_owned(), command, within: Duration::from_secs(300) }
    }

    /// `cargo` with `arguments`.
    pub(crate) fn cargo(name: &str, arguments: &str) -> Self {
        Self::new(name, std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
    }

    pub(crate) fn within(mut self, minutes: u64) -> Self {
        self.within = Duration::from_secs(minutes * 60);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Runs the program to its end. It gets a process group of its own, so that what it starts
    /// itself (a test binary, say) ends with it when it takes too long or is interrupted.
    pub(crate) fn run(mut self, interrupt: &Interrupt) -> Result<(), Failure> {
        let mut child = self.command.process_group(0).spawn().map_err(Failure::NotStarted)?;
        let since = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(Failure::Ended(status)),
                Ok(None) => std::thread::sleep(LOOK),
                Err(error) => return Err(Failure::NotStarted(error)),
            }
            let failure = match (interrupt.came(), since.elapsed() > self.within) {
                (true, _) => Failure::Interrupted,
                (false, true) => Failure::TooLong(self.within),
                (false, false) => continue,
            };
            end(&mut child);
            return Err(failure);
        }
    }
}

fn end(child: &mut Child) {
    let Ok(group) = i32::try_from(child.id()).map(Pid::from_raw) else { return };
    // Both fail only when nobody is left in the group.
    let _ = killpg(group, Signal::SIGTERM);
    let since = Instant::now();
    while since.elapsed() < LEAVE && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(LOOK);
    }
    let _ = killpg(group, Signal::SIGKILL);
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_succeeds_fails_or_is_ended() {
        let interrupt = Interrupt::never();
        assert!(Step::new("true", "true", "").run(&interrupt).is_ok());
        let failed = Step::new("false", "false", "").run(&interrupt);
        assert!(matches!(failed, Err(Failure::Ended(_))), "{failed:?}");
        let absent = Step::new("absent", "no-such-program-anywhere", "").run(&interrupt);
        assert!(matches!(absent, Err(Failure::NotStarted(_))), "{absent:?}");
        let since = Instant::now();
        let slow = Step::new("slow", "sleep", "60").within(0).run(&interrupt);
        assert!(matches!(slow, Err(Failure::TooLong(_))), "{slow:?}");
        assert!(since.elapsed() < Duration::from_secs(30));
    }
}
