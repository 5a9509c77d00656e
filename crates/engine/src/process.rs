//! This process, as others see it, and whether another one of this machine is still there.

use segue_model::lease::{Holder, Known};

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
        (None | Some(('Z' | 'X', _)), _) => Known::Dead,
        (Some((_, now)), Some(then)) if now != then => Known::Dead,
        _ => Known::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
