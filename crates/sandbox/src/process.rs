//! Processes that are ours: found by id, and believed only when their command line says so.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::Error;

/// The argument that a node's process carries and no other process has.
pub(crate) fn mark(home: &Path, node: usize) -> String {
    format!("-Dsegue.sandbox.node={}#{node}", home.display())
}

/// Is process `pid` alive, and does its command line have `mark` as an argument of its own?
/// A process id left over from before a reboot may belong to anybody by now.
pub(crate) fn is_ours(pid: u32, mark: &str) -> bool {
    match std::fs::read(format!("/proc/{pid}/cmdline")) {
        // A dead process that waits for its parent has an empty command line.
        Ok(line) => has_argument(&line, mark),
        Err(_) if Path::new("/proc/self").exists() => false,
        Err(_) => listed_command(pid).is_some_and(|line| line.contains(mark)),
    }
}

fn has_argument(command_line: &[u8], argument: &str) -> bool {
    command_line.split(|&byte| byte == 0).any(|part| part == argument.as_bytes())
}

/// What `ps` says where there is no `/proc`.
fn listed_command(pid: u32) -> Option<String> {
    let answer =
        Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output().ok()?;
    answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).into_owned())
}

/// How a process was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It left when asked.
    Asked,
    /// It had to be killed.
    Killed,
}

/// Asks the process to leave, waits for `patience`, then kills it. Does nothing to a process
/// that isn't marked.
pub(crate) fn stop(pid: u32, mark: &str, patience: Duration) -> Result<Ended, Error> {
    signal(pid, mark, Signal::SIGTERM);
    if is_gone_within(pid, mark, patience) {
        return Ok(Ended::Asked);
    }
    kill_now(pid, mark)?;
    Ok(Ended::Killed)
}

/// Kills the process and waits until it is gone.
pub(crate) fn kill_now(pid: u32, mark: &str) -> Result<(), Error> {
    signal(pid, mark, Signal::SIGKILL);
    if is_gone_within(pid, mark, Duration::from_secs(10)) { Ok(()) } else { Err(Error::Stuck(pid)) }
}

fn signal(pid: u32, mark: &str, signal: Signal) {
    let Ok(id) = i32::try_from(pid) else { return };
    if is_ours(pid, mark) {
        // The only failure is that it has just left, which the wait that follows sees.
        let _ = kill(Pid::from_raw(id), signal);
    }
}

fn is_gone_within(pid: u32, mark: &str, patience: Duration) -> bool {
    let since = Instant::now();
    while is_ours(pid, mark) {
        if since.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ours_by_a_whole_argument_only() {
        let mark = mark(Path::new("/state/ci"), 1);
        let line = |parts: &[&str]| parts.join("\0").into_bytes();
        for (parts, ours) in [
            (&["java", &mark, "SegueNode"][..], true),
            (&["java", "-Dsegue.sandbox.node=/state/ci#11", "SegueNode"], false),
            (&["java", "-Dsegue.sandbox.node=/state/ci#2", "SegueNode"], false),
            (&["java", "-Dsegue.sandbox.node=/state/ci-2#1", "SegueNode"], false),
            (&["grep", &format!("x{mark}")], false),
            (&[""], false),
        ] {
            assert_eq!(has_argument(&line(parts), &mark), ours, "{parts:?}");
        }
    }

    #[test]
    fn a_stranger_with_a_recycled_id_is_left_alone() {
        let mut stranger = Command::new("sleep").arg("30").spawn().expect("sleep");
        let mark = mark(Path::new("/state/ci"), 1);
        assert!(!is_ours(stranger.id(), &mark));
        stop(stranger.id(), &mark, Duration::ZERO).expect("nothing to do");
        assert!(stranger.try_wait().expect("wait").is_none(), "the stranger was stopped");
        stranger.kill().expect("kill");
        stranger.wait().expect("wait");
    }

    #[test]
    fn a_marked_process_is_stopped() {
        let mark = mark(Path::new("/state/ci"), 7);
        let mut ours = Command::new("sh")
            .args(["-c", "trap '' TERM; while :; do sleep 1; done", &mark])
            .spawn()
            .expect("sh");
        std::thread::sleep(Duration::from_millis(300));
        let ended = stop(ours.id(), &mark, Duration::from_millis(200)).expect("stopped");
        assert_eq!(ended, Ended::Killed);
        ours.wait().expect("wait");
    }
}
