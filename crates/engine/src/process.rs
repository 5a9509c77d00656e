//! This process, as others see it, and whether another one of this machine is still there.

use segue_model::lease::{Holder, Known};
use xxhash_rust::xxh3::xxh3_64;

/// Names this process: different for each start.
pub(crate) fn name() -> String {
    let pid = std::process::id();
    match started(pid) {
        Some((_, ticks)) => format!("{pid}-{ticks}-{}", crate::moment::now_ms()),
        None => format!("{pid}-0-{}", crate::moment::now_ms()),
    }
}

/// This process as a holder of leases.
pub(crate) fn this_process(process: String) -> Holder {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    Holder {
        process,
        host: if host.is_empty() { "this machine".to_owned() } else { host.to_owned() },
        pid: std::process::id(),
        space: space(),
    }
}

/// One boot of one machine and one space of process ids; empty where the system does not say.
fn space() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let ids = std::fs::read_link("/proc/self/ns/pid");
    match (boot, ids) {
        (Ok(boot), Ok(ids)) => format!("{} {}", boot.trim(), ids.display()),
        _ => String::new(),
    }
}

/// Whether processes of other users can be seen here at all.
fn sees_others() -> bool {
    std::fs::metadata("/proc/1/stat").is_ok()
}

/// A process's state and when it was started, in ticks since the boot.
fn started(pid: u32) -> Option<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Whether a holder is known to be gone. Where ids mean something else there, nobody here can know.
pub(crate) fn is_dead(holder: &Holder) -> Known {
    let here = space();
    if here.is_empty() || holder.space != here {
        return Known::No;
    }
    let begun = holder.process.split('-').nth(1).and_then(|ticks| ticks.parse::<u64>().ok());
    match (started(holder.pid), begun) {
        (None, _) if !sees_others() => Known::No,
        (None | Some(('Z' | 'X', _)), _) => Known::Dead,
        (Some((_, now)), Some(then)) if now != then => Known::Dead,
        _ => Known::No,
    }
}

/// This process as the last piece of the name of something that it makes for a moment.
pub(crate) fn label() -> String {
    let pid = std::process::id();
    let ticks = started(pid).map_or(0, |(_, ticks)| ticks);
    format!("{:016x}-{pid}-{ticks}", xxh3_64(space().as_bytes()))
}

/// Whether what bears this label was made by a process that is known to be gone.
pub(crate) fn is_orphan(label: &str) -> bool {
    let mut pieces = label.splitn(3, '-');
    let space_of_maker = pieces.next().and_then(|space| u64::from_str_radix(space, 16).ok());
    let number = |piece: Option<&str>| piece.and_then(|piece| piece.parse::<u64>().ok());
    let (pid, ticks) = (number(pieces.next()), number(pieces.next()));
    let here = space();
    if here.is_empty() || space_of_maker != Some(xxh3_64(here.as_bytes())) {
        return false;
    }
    let (Some(Ok(pid)), Some(ticks)) = (pid.map(u32::try_from), ticks) else { return false };
    match started(pid) {
        None => sees_others(),
        Some(('Z' | 'X', _)) => true,
        Some((_, now)) => now != ticks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_left_is_an_orphan_once_the_process_is_gone() {
        let own = label();
        assert!(!is_orphan(&own));
        let (here, _) = own.split_once('-').unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(is_orphan(&format!("{here}-{}-1", child.id())));
        assert!(
            is_orphan(&format!("{here}-{}-1", std::process::id())),
            "its id was given out again"
        );
        for foreign in [&format!("{:016x}-{}-1", 0, child.id()), "", here, "logs-2026-01"] {
            assert!(!is_orphan(foreign), "{foreign}");
        }
    }

    #[test]
    fn this_process_lives_and_one_that_ended_is_dead() {
        let this = this_process(name());
        assert_eq!(is_dead(&this), Known::No);
        let another = Holder { process: format!("{}-1-1", this.pid), ..this.clone() };
        assert_eq!(is_dead(&another), Known::Dead, "its id was given out again");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let ended = Holder { process: format!("{pid}-1-1"), pid, ..this };
        assert_eq!(is_dead(&ended), Known::Dead);
        let elsewhere = Holder { space: "another boot".to_owned(), ..ended };
        assert_eq!(is_dead(&elsewhere), Known::No);
    }
}
