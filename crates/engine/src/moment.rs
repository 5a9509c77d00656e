//! The wall clock, for people: journal, reports and logs. Nothing is decided by it but when the watch
//! after a switch ends, and which period of a roll-up is the last one.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A number in [0, 1) that differs from process to process and call to call; only spreads waits.
pub(crate) fn jitter() -> f64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let mixed = nanos.wrapping_mul(2_654_435_761).rotate_left(13) ^ std::process::id();
    f64::from(mixed % 1000) / 1000.0
}
