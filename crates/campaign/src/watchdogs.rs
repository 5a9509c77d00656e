//! The watchdogs of a process, found among its children and killed with it, as if a whole machine
//! were gone.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills the watchdogs that process `parent` has started; how many there were. Where there is no
/// `/proc` there are none to be found.
pub(crate) fn kill_of(parent: u32) -> u64 {
    let mut killed = 0;
    for pid in children(parent) {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_watchdog = line.split(|byte| *byte == 0).nth(1) == Some(b"watchdog".as_slice());
        if is_watchdog && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok() {
            killed += 1;
        }
    }
    killed
}

fn children(parent: u32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// The fourth field of `stat`, after the name in brackets, which may hold anything.
fn parent_of(pid: i32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_found_and_only_watchdogs_killed() {
        let child = std::process::Command::new("sleep").arg("5").spawn();
        let mut child = child.expect("sleep starts");
        let own = std::process::id();
        let found = children(own).contains(&i32::try_from(child.id()).expect("a pid"));
        let killed = kill_of(own);
        child.kill().expect("it still runs");
        child.wait().expect("it ends");
        assert!(found || cfg!(not(target_os = "linux")));
        assert_eq!(killed, 0);
    }
}
