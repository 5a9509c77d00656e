//! How far a partition is: windows of sequence numbers, and the position they add up to.
//!
//! A source shard is a log ordered by `_seq_no`. It is read in disjoint windows `(from, to]`, several
//! at once; the **position** is the end of the longest contiguous prefix of finished windows. A crash
//! re-does the windows behind it, which is harmless because every write carries its provenance.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::SeqNo;

/// A half-open stretch of a shard's log: `from` is not in it, `to` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The last number before the window.
    pub from: SeqNo,
    /// The last number in it.
    pub to: SeqNo,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}..{}]", self.from, self.to)
    }
}

/// A finished window that does not fit what is known: a defect, never to be passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("window {window} was finished but not handed out (position {position})")]
pub struct UnknownWindow {
    window: Window,
    position: SeqNo,
}

/// Hands out the windows of one shard up to a bound and keeps the position.
///
/// Windows grow where the log is sparse (many overwritten or deleted operations) and shrink where it
/// is dense, so that each holds about `wanted` documents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Windows {
    position: SeqNo,
    handed_out: SeqNo,
    bound: SeqNo,
    width: i64,
    wanted: u64,
    in_flight: BTreeMap<i64, bool>,
    ends: BTreeMap<i64, SeqNo>,
}

const WIDEST: i64 = 1 << 24;

impl Windows {
    /// Windows from `position` up to `bound`, each for about `wanted` documents.
    pub fn new(position: SeqNo, bound: SeqNo, wanted: u64) -> Windows {
        let wanted = wanted.max(1);
        Windows {
            position,
            handed_out: position,
            bound: bound.max(position),
            width: i64::try_from(wanted).unwrap_or(WIDEST).clamp(1, WIDEST),
            wanted,
            in_flight: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    /// The next window, or `None` when all up to the bound are handed out.
    pub fn next_window(&mut self) -> Option<Window> {
        if self.handed_out >= self.bound {
            return None;
        }
        let from = self.handed_out;
        let to = SeqNo(from.0.saturating_add(self.width).min(self.bound.0));
        self.handed_out = to;
        self.in_flight.insert(from.0, false);
        self.ends.insert(from.0, to);
        Some(Window { from, to })
    }

    /// Records that `window` is finished and held `documents`; returns the position now.
    pub fn finish(&mut self, window: Window, documents: u64) -> Result<SeqNo, UnknownWindow> {
        let known = self.ends.get(&window.from.0) == Some(&window.to);
        match self.in_flight.get_mut(&window.from.0) {
            Some(done @ false) if known => *done = true,
            _ => return Err(UnknownWindow { window, position: self.position }),
        }
        self.adapt(window, documents);
        while let Some((&from, &true)) = self.in_flight.first_key_value() {
            self.in_flight.remove(&from);
            if let Some(end) = self.ends.remove(&from) {
                self.position = end;
            }
        }
        Ok(self.position)
    }

    /// The end of the longest contiguous prefix of finished windows.
    pub fn position(&self) -> SeqNo {
        self.position
    }

    /// Whether every number up to the bound is finished.
    pub fn is_done(&self) -> bool {
        self.position >= self.bound
    }

    fn adapt(&mut self, window: Window, documents: u64) {
        let width = window.to.0 - window.from.0;
        if documents * 2 < self.wanted && width >= self.width {
            self.width = (self.width * 2).min(WIDEST);
        } else if documents > self.wanted + self.wanted / 2 {
            self.width = (self.width / 2).max(1);
        }
    }
}

/// Keeps the position where whoever reads decides how long each window is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    position: SeqNo,
    handed_out: SeqNo,
    finished: BTreeMap<SeqNo, SeqNo>,
}

impl Prefix {
    /// Everything up to `position` is finished.
    pub fn new(position: SeqNo) -> Prefix {
        Prefix { position, handed_out: position, finished: BTreeMap::new() }
    }

    /// The next window, which ends with `to`; none if that was handed out before.
    pub fn hand_out(&mut self, to: SeqNo) -> Option<Window> {
        let window = Window { from: self.handed_out, to };
        (to > self.handed_out).then(|| {
            self.handed_out = to;
            window
        })
    }

    /// Records that `window` is finished; returns the position now.
    pub fn finish(&mut self, window: Window) -> Result<SeqNo, UnknownWindow> {
        let unknown = window.from < self.position || window.to > self.handed_out;
        if unknown || self.finished.contains_key(&window.from) {
            return Err(UnknownWindow { window, position: self.position });
        }
        self.finished.insert(window.from, window.to);
        while let Some(to) = self.finished.remove(&self.position) {
            self.position = to;
        }
        Ok(self.position)
    }

    /// The end of the longest contiguous prefix of finished windows.
    pub fn position(&self) -> SeqNo {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_position_is_the_contiguous_prefix() {
        let mut windows = Windows::new(SeqNo::NONE, SeqNo(29), 10);
        let all: Vec<_> = std::iter::from_fn(|| windows.next_window()).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(windows.finish(all[1], 10).unwrap(), SeqNo(-1), "a gap before it");
        assert_eq!(windows.finish(all[0], 10).unwrap(), SeqNo(19), "both at once");
        assert!(!windows.is_done());
        assert_eq!(windows.finish(all[2], 10).unwrap(), SeqNo(29));
        assert!(windows.is_done());
    }

    #[test]
    fn a_window_finishes_once_and_only_if_handed_out() {
        let mut windows = Windows::new(SeqNo::NONE, SeqNo(99), 10);
        let first = windows.next_window().unwrap();
        windows.finish(first, 10).unwrap();
        assert!(windows.finish(first, 10).is_err());
        assert!(windows.finish(Window { from: SeqNo(50), to: SeqNo(60) }, 1).is_err());
    }

    #[test]
    fn an_empty_range_is_done_at_once() {
        let mut windows = Windows::new(SeqNo(5), SeqNo(5), 10);
        assert!(windows.is_done() && windows.next_window().is_none());
        assert!(Windows::new(SeqNo(7), SeqNo(3), 10).is_done(), "a bound behind the position");
    }

    #[test]
    fn windows_of_any_length_add_up_to_a_prefix() {
        let mut prefix = Prefix::new(SeqNo(4));
        assert_eq!(prefix.hand_out(SeqNo(4)), None, "done before");
        let windows: Vec<_> =
            [9, 10, 30].map(|to| prefix.hand_out(SeqNo(to)).unwrap()).into_iter().collect();
        assert_eq!(windows[0], Window { from: SeqNo(4), to: SeqNo(9) });
        assert_eq!(prefix.finish(windows[2]).unwrap(), SeqNo(4));
        assert_eq!(prefix.finish(windows[0]).unwrap(), SeqNo(9));
        assert!(prefix.finish(windows[0]).is_err(), "twice");
        assert_eq!(prefix.finish(windows[1]).unwrap(), SeqNo(30));
        assert!(prefix.finish(Window { from: SeqNo(30), to: SeqNo(31) }).is_err(), "never out");
    }

    #[test]
    fn sparse_logs_get_wider_windows_and_dense_ones_narrower() {
        let mut windows = Windows::new(SeqNo::NONE, SeqNo(1_000_000), 100);
        for _ in 0..5 {
            let window = windows.next_window().unwrap();
            windows.finish(window, 0).unwrap();
        }
        let wide = windows.next_window().unwrap();
        assert_eq!(wide.to.0 - wide.from.0, 3200);
        windows.finish(wide, 3200).unwrap();
        let narrower = windows.next_window().unwrap();
        assert_eq!(narrower.to.0 - narrower.from.0, 1600);
    }

    proptest! {
        /// Whatever the order in which windows finish, every number up to the position was in
        /// exactly one finished window.
        #[test]
        fn nothing_is_skipped_and_nothing_done_twice(
            bound in 0i64..3000, wanted in 1u64..200, order in prop::collection::vec(any::<u16>(), 0..400)
        ) {
            let mut windows = Windows::new(SeqNo::NONE, SeqNo(bound), wanted);
            let (mut open, mut finished) = (Vec::new(), Vec::new());
            for pick in order {
                if pick % 3 == 0 || open.is_empty() {
                    open.extend(windows.next_window());
                } else {
                    let window: Window = open.swap_remove(usize::from(pick) % open.len());
                    windows.finish(window, u64::from(pick) % 300).unwrap();
                    finished.push(window);
                }
                finished.sort_by_key(|w: &Window| w.from);
                let mut reached = SeqNo::NONE;
                for window in &finished {
                    if window.from == reached { reached = window.to; } else { break }
                }
                prop_assert_eq!(windows.position(), reached);
            }
        }
    }
}
