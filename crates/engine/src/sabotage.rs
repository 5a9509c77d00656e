//! Guards that a test takes away, to see that their absence is noticed.
//!
//! Builds for release have none of this: there every guard always stands.

use std::sync::OnceLock;

static TAKEN_AWAY: OnceLock<Vec<String>> = OnceLock::new();

/// Takes guards away for the rest of this process, by their names separated by commas. Does nothing
/// in builds for release.
pub fn take_away(names: &str) {
    if cfg!(debug_assertions) {
        TAKEN_AWAY.get_or_init(|| names.split(',').map(|name| name.trim().to_owned()).collect());
    }
}

/// Whether the guard `name` is taken away.
pub(crate) fn lacks(name: &str) -> bool {
    cfg!(debug_assertions)
        && TAKEN_AWAY.get().is_some_and(|taken| taken.iter().any(|taken| taken == name))
}
