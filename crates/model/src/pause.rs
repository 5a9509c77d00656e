//! The pause of a cutover, predicted: for how long writers will be refused, and what for.
//!
//! A prediction is made before anything has been copied, from sizes and rates; the gate makes its own from
//! what it sees just before the switch, and the bound is enforced during it. The speeds below were
//! measured on two cores with the engine on the same machine (`bench`), and hold or are exceeded elsewhere.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::lint::{Note, Severity};
use crate::plan::{Counted, Plan, PlannedPart};
use crate::recipe::{CutoverMode, Recipe};

/// What a prediction is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// Live documents of the source.
    pub documents: u64,
    /// Its shards.
    pub shards: u32,
    /// Operations a second that its shards took between two looks; none = it could not be seen.
    pub writes_per_second: Option<u64>,
    /// How long a request took that asks for the source's shards, milliseconds.
    pub request_ms: u64,
}

/// How long the steps of a cutover with the source closed are expected to take, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Steps {
    /// Closing the source, writes under way included.
    pub block: u64,
    /// The last pass, and the comparison of what changed since everything was compared.
    pub last_pass: u64,
    /// The counts, and the look for deletes with few of them.
    pub audit: u64,
    /// The kept copy of the old index, made beside the last pass and the audit.
    pub clone: u64,
    /// Moving the names, and looking at them.
    pub switch: u64,
}

/// The predicted pause of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// For how long writes will be refused; 0 where they are redirected.
    pub refused_ms: u64,
    /// Mode redirect: for how long they will be sent on.
    pub redirected_ms: Option<u64>,
    /// The longest that the recipe allows for either.
    pub max_pause_ms: u64,
    /// Of what the time is made up.
    pub steps: Steps,
    /// Which requests are refused meanwhile, and with what.
    pub refuses: Vec<&'static str>,
    /// From what it was computed.
    pub basis: Basis,
}

/// The longest time that a request is taken for, milliseconds.
const REQUEST_MS: u64 = 60_000;
/// Shortest change of the cluster's state, milliseconds.
const STATE_MS: u64 = 20;
/// Documents a millisecond that a pass carries.
const CARRIED: u64 = 20;
/// Documents a millisecond that the window's comparison looks at.
const COMPARED: u64 = 50;
/// Documents a second that the full verification before the window looks at, writers going on.
const VERIFIED: u64 = 100_000;
/// Documents a millisecond that are looked through for deletes.
const AUDITED: u64 = 20_000;
/// From the beginning of the last pass with the source open to the block, seconds: gate and watchdog.
const BEFORE_BLOCK: u64 = 2;
/// What a clone takes besides each shard's share, milliseconds.
const CLONE_MS: u64 = 60;
/// What each shard adds to a clone: hard links, and a shard that starts.
const CLONE_SHARD_MS: u64 = 20;
/// How many requests a pass sends besides those for documents: terms, numbers, refresh, and terms again.
const PASS_REQUESTS: u64 = 6;

/// What a source that is closed to writes refuses.
const BLOCKED: [&str; 2] = [
    "every write: 403, cluster_block_exception",
    "writes and reads by the old index's own name, while it becomes an alias: 404 and 503",
];
/// What a redirect refuses.
const REDIRECTED: [&str; 4] = [
    "creating with an id of one's own, and external versions: 400",
    "updates, deletes and any write with ?pipeline=, once the old index is closed: 403",
    "writes with require_alias by the old index's own name: 404",
    "reads by the old index's own name, while it becomes an alias: 503",
];

/// Predicts the pause of a cutover in this mode.
#[must_use]
pub fn predict(mode: CutoverMode, max_pause: Duration, basis: Basis) -> Pause {
    let Basis { documents, shards, writes_per_second, .. } = basis;
    // No request takes longer: its connection would have been given up.
    let request_ms = basis.request_ms.min(REQUEST_MS);
    let (shards, rate) = (u64::from(shards.max(1)), writes_per_second.unwrap_or(0));
    let state = (4 * request_ms).max(STATE_MS);
    let carried = rate.saturating_mul(BEFORE_BLOCK);
    let compared = rate.saturating_mul(documents / VERIFIED + BEFORE_BLOCK);
    let steps = Steps {
        block: 2 * state,
        last_pass: ((PASS_REQUESTS + 4 * shards) * request_ms)
            .saturating_add(carried / CARRIED)
            .saturating_add(compared / COMPARED),
        audit: (2 * shards * request_ms).saturating_add(documents / AUDITED),
        clone: CLONE_MS + CLONE_SHARD_MS * shards,
        switch: 3 * state + 2 * request_ms,
    };
    let inside = steps.last_pass.saturating_add(steps.audit).max(steps.clone);
    let whole = (steps.block + steps.switch).saturating_add(inside);
    let (refused_ms, redirected_ms, refuses) = match mode {
        // A swap has no writers.
        CutoverMode::Block | CutoverMode::Swap(_) => (whole, None, BLOCKED.to_vec()),
        // One more change of state for the pipeline, and the waits before and after it.
        CutoverMode::Redirect => (0, Some(whole.saturating_add(2 * state)), REDIRECTED.to_vec()),
    };
    let max_pause_ms = u64::try_from(max_pause.as_millis()).unwrap_or(u64::MAX);
    Pause { refused_ms, redirected_ms, max_pause_ms, steps, refuses, basis }
}

impl Pause {
    /// Whether it is longer than the recipe allows.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.redirected_ms.unwrap_or(self.refused_ms) > self.max_pause_ms
    }
}

impl Plan {
    /// Adds the predicted pause of each part that is still to be switched, and a warning where it is longer
    /// than the recipe allows. `basis` says what was seen of a source; none = nothing.
    pub fn predict_pauses(
        &mut self,
        recipe: &Recipe,
        basis: &dyn Fn(&PlannedPart) -> Option<Basis>,
    ) {
        let cutover = &recipe.cutover;
        for part in self.parts.iter_mut().filter(|part| is_predicted(part)) {
            let Some(basis) = basis(part) else { continue };
            let pause = predict(cutover.mode, cutover.max_pause, basis);
            if pause.is_too_long() {
                self.notes.push(too_long(part.source.as_str(), &pause));
            }
            part.pause = Some(pause);
        }
    }
}

/// Whether a part's switch is to come, and has writers.
fn is_predicted(part: &PlannedPart) -> bool {
    !part.is_skipped() && part.shards > 0 && part.files.is_none()
}

fn too_long(source: &str, pause: &Pause) -> Note {
    let (predicted, what) = match pause.redirected_ms {
        Some(ms) => (ms, "redirected"),
        None => (pause.refused_ms, "refused"),
    };
    let what = format!(
        "writes would be {what} for about {predicted} ms, and cutover.max_pause is {} ms",
        pause.max_pause_ms
    );
    let hint = "the cutover would be backed out: raise cutover.max_pause, or switch when less is written \
                (cutover.quiet_for, start: manual)";
    let part = Some(source.to_owned());
    let severity = Severity::Warning;
    Note { severity, code: "SEG-P144", part, what, hint: hint.to_owned() }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Steps { block, last_pass, audit, clone, switch } = self.steps;
        match self.redirected_ms {
            None => write!(f, "about {} ms of refused writes: ", self.refused_ms)?,
            Some(ms) => write!(f, "0 refused writes, redirected for about {ms} ms: ")?,
        }
        write!(
            f,
            "block {block}, last pass {last_pass}, audit {audit} (beside both the clone, {clone}), \
             switch {switch}"
        )
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = match self.writes_per_second {
            Some(rate) => format!("{} a second", Counted(rate, "write")),
            None => "an unknown rate of writes".to_owned(),
        };
        write!(
            f,
            "{}, {}, {rate}, {} ms a request",
            Counted(self.documents, "document"),
            Counted(self.shards.into(), "shard"),
            self.request_ms
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Duration = Duration::from_secs(30);

    fn basis(documents: u64, shards: u32, rate: u64, request_ms: u64) -> Basis {
        Basis { documents, shards, writes_per_second: Some(rate), request_ms }
    }

    #[test]
    fn the_pause_is_the_sum_of_its_steps() {
        let table = [
            ("empty and idle", basis(0, 1, 0, 0), [40, 0, 0, 80, 60], 180),
            ("idle, quick requests", basis(1_000_000, 2, 0, 3), [40, 42, 62, 100, 66], 210),
            ("as measured", basis(1_000_000, 2, 500, 3), [40, 212, 62, 100, 66], 380),
            ("busy", basis(1_000_000, 2, 50_000, 3), [40, 17_042, 62, 100, 66], 17_210),
            ("many shards", basis(0, 50, 0, 1), [40, 206, 100, 1_060, 62], 1_162),
            ("slow requests", basis(0, 1, 0, 100), [800, 1_000, 200, 80, 1_400], 3_400),
            ("large and idle", basis(1_000_000_000, 5, 0, 1), [40, 26, 50_010, 160, 62], 50_138),
        ];
        for (what, basis, [block, last_pass, audit, clone, switch], refused_ms) in table {
            let steps = Steps { block, last_pass, audit, clone, switch };
            let pause = predict(CutoverMode::Block, ALLOWED, basis);
            assert_eq!((pause.steps, pause.refused_ms), (steps, refused_ms), "{what}");
            assert_eq!(pause.is_too_long(), refused_ms > 30_000, "{what}");
        }
    }

    #[test]
    fn a_redirect_refuses_no_index_request_and_says_what_it_refuses() {
        let pause = predict(CutoverMode::Redirect, ALLOWED, basis(1_000_000, 2, 500, 3));
        assert_eq!((pause.refused_ms, pause.redirected_ms), (0, Some(420)));
        let refuses = pause.refuses.join("\n");
        for word in ["creating with an id", "updates, deletes", "?pipeline=", "403", "400"] {
            assert!(refuses.contains(word), "{refuses}");
        }
        assert!(pause.to_string().starts_with("0 refused writes, redirected for about 420 ms"));
        let short = predict(CutoverMode::Redirect, Duration::from_millis(400), pause.basis);
        assert!(short.is_too_long());
    }

    #[test]
    fn no_basis_overflows_and_more_of_anything_is_never_shorter() {
        let huge = basis(u64::MAX, u32::MAX, u64::MAX, 1 << 20);
        assert!(predict(CutoverMode::Block, ALLOWED, huge).is_too_long());
        let small = basis(1_000, 2, 100, 5);
        let at = |basis| predict(CutoverMode::Block, ALLOWED, basis).refused_ms;
        for more in [
            basis(100_000_000, 2, 100, 5),
            basis(1_000, 20, 100, 5),
            basis(1_000, 2, 10_000, 5),
            basis(1_000, 2, 100, 50),
        ] {
            assert!(at(more) > at(small), "{more}");
        }
        let unknown = Basis { writes_per_second: None, ..small };
        assert!(unknown.to_string().contains("an unknown rate"), "{unknown}");
    }
}
