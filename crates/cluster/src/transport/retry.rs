//! When a failed attempt may be made again, and after how long.

use std::time::Duration;

use crate::Class;

/// Attempts of one call, the first included.
pub(crate) const ATTEMPTS: u32 = 6;

const BASE: Duration = Duration::from_millis(100);
const CAP: Duration = Duration::from_secs(5);

/// Whether an attempt that failed like this may be repeated without harm. A request that never left
/// may always be; one that may have been carried out only if doing it twice changes nothing.
pub(crate) fn repeatable(class: Class, idempotent: bool) -> bool {
    match class {
        Class::NeverSent => true,
        Class::MaybeApplied | Class::Throttled | Class::Unavailable => idempotent,
        Class::NotFound
        | Class::Conflict
        | Class::WriteBlocked
        | Class::Forbidden
        | Class::Refused
        | Class::TooLarge
        | Class::Malformed => false,
    }
}

/// The longest pause before attempt `attempt + 1` (`attempt` counts from 1).
fn ceiling(attempt: u32) -> Duration {
    BASE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(CAP)
}

/// A pause drawn evenly between nothing and the ceiling, so that clients that failed together do
/// not come back together.
pub(crate) fn pause(attempt: u32) -> Duration {
    ceiling(attempt).mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_repeats() {
        for (class, idempotent, expected) in [
            (Class::NeverSent, false, true),
            (Class::NeverSent, true, true),
            (Class::MaybeApplied, false, false),
            (Class::MaybeApplied, true, true),
            (Class::Throttled, false, false),
            (Class::Throttled, true, true),
            (Class::Unavailable, false, false),
            (Class::Unavailable, true, true),
            (Class::WriteBlocked, true, false),
            (Class::Conflict, true, false),
            (Class::NotFound, true, false),
            (Class::TooLarge, true, false),
            (Class::Malformed, true, false),
        ] {
            assert_eq!(repeatable(class, idempotent), expected, "{class:?} {idempotent}");
        }
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert_eq!(ceiling(1), BASE);
        assert_eq!(ceiling(2), BASE * 2);
        assert_eq!(ceiling(40), CAP);
        for attempt in 1..40 {
            assert!(pause(attempt) <= CAP);
        }
    }
}
