//! A lull: how long an index must have gone without a write, and whether it has.

use std::time::Duration;

/// Watches an index's highest operation numbers for a stretch in which none of them moves.
#[derive(Clone, Debug)]
pub struct Lull {
    quiet_for: Duration,
    last: Option<(Vec<i64>, Duration)>,
}

impl Lull {
    /// A watch for `quiet_for` without a write.
    pub fn new(quiet_for: Duration) -> Lull {
        Lull { quiet_for, last: None }
    }

    /// Takes the highest number of each shard as seen `at` a time since some beginning, and says whether
    /// they have been seen to stand still for long enough. Times must not go back.
    pub fn see(&mut self, at: Duration, numbers: &[i64]) -> bool {
        match &self.last {
            Some((before, since)) if before == numbers => {
                at.saturating_sub(*since) >= self.quiet_for
            }
            _ => {
                self.last = Some((numbers.to_vec(), at));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lull_is_a_stretch_in_which_no_shard_moves() {
        let mut lull = Lull::new(Duration::from_millis(200));
        for (at, numbers, quiet) in [
            (0, [5, 9], false),
            (100, [5, 9], false),
            (199, [5, 9], false),
            // Another write begins it anew, whichever shard it went to.
            (200, [5, 10], false),
            (399, [5, 10], false),
            (400, [5, 10], true),
            (500, [5, 10], true),
            (510, [6, 10], false),
            // A shard that was set back has been written to as well.
            (700, [6, 9], false),
            (900, [6, 9], true),
        ] {
            assert_eq!(lull.see(Duration::from_millis(at), &numbers), quiet, "{at}");
        }
        assert!(!lull.see(Duration::from_secs(2), &[6]), "a shard is gone");
    }
}
