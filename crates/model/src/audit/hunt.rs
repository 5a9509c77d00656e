//! From short buckets to the numbers that are gone.
//!
//! A bucket at shift *s* holds 2^s numbers; each is made of 16 buckets of the next level. Only short
//! ones are looked into, so the requests grow with what is gone and not with the index.

use std::collections::{BTreeMap, VecDeque};

use super::Numbers;
use crate::id::SeqNo;
use crate::position::Window;

/// How many buckets the first look has at most.
const BUCKETS_FIRST: u64 = 4096;
/// How much finer each further look is, in bits.
const STEP: u32 = 4;
/// How many buckets are looked into by one request; also its number of clauses, of which engines
/// allow 1,024.
const AT_ONCE: usize = 512;
/// How many numbers that should not be live are named.
const NAMED: usize = 20;

/// The shift of the first look at numbers up to `checkpoint`.
pub fn first_shift(checkpoint: SeqNo) -> u32 {
    let highest = u64::try_from(checkpoint.0).unwrap_or(0);
    (0..64).find(|shift| highest >> shift < BUCKETS_FIRST).unwrap_or(63)
}

/// The numbers of a bucket.
fn window(bucket: u64, shift: u32) -> Window {
    let first = i64::try_from(bucket << shift).unwrap_or(i64::MAX);
    Window { from: SeqNo(first - 1), to: SeqNo(first + ((1i64 << shift) - 1)) }
}

/// The buckets in which what is live is not what is held.
fn short(held: &BTreeMap<u64, u64>, live: &BTreeMap<u64, u64>) -> Vec<u64> {
    let count = |of: &BTreeMap<u64, u64>, bucket: u64| of.get(&bucket).copied().unwrap_or(0);
    let mut all: Vec<u64> = held.keys().chain(live.keys()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|bucket| count(held, *bucket) != count(live, *bucket));
    all
}

/// What to ask next: how many live documents each bucket at `shift` holds, in `windows`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Buckets of 2^shift numbers.
    pub shift: u32,
    /// Where.
    pub windows: Vec<Window>,
}

/// The search for what is gone in some buckets.
#[derive(Clone, Debug)]
pub struct Hunt {
    checkpoint: SeqNo,
    /// Buckets still to be looked into, with their shift; the finest first, so that few wait.
    open: VecDeque<(u32, Vec<u64>)>,
    gone: Numbers,
    unknown: Vec<SeqNo>,
}

/// What a hunt found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Numbers that are held and not live.
    pub gone: Numbers,
    /// The first numbers that are live and not held.
    pub unknown: Vec<SeqNo>,
}

impl Hunt {
    /// Looks for differences among the numbers up to `checkpoint`, given a first look at all of them
    /// with the shift of [`first_shift`].
    pub fn begin(checkpoint: SeqNo, held: &Numbers, live: &BTreeMap<u64, u64>) -> Hunt {
        let shift = first_shift(checkpoint);
        let all = Window { from: SeqNo::NONE, to: checkpoint };
        let short = short(&held.histogram(&[all], shift), live);
        // Buckets of one number are asked for once more, which does no harm.
        let open = short.chunks(AT_ONCE).map(|some| (shift, some.to_vec())).collect();
        Hunt { checkpoint, open, gone: Numbers::default(), unknown: Vec::new() }
    }

    /// What to ask next; `None` when all is found.
    pub fn ask(&self) -> Option<Probe> {
        let (shift, buckets) = self.open.front()?;
        let mut windows: Vec<Window> = Vec::new();
        for bucket in buckets {
            let next = self.window(*bucket, *shift);
            match windows.last_mut() {
                Some(last) if last.to == next.from => last.to = next.to,
                _ => windows.push(next),
            }
        }
        Some(Probe { shift: shift.saturating_sub(STEP), windows })
    }

    /// Takes the answer to what [`Hunt::ask`] said: live documents by bucket at the probe's shift.
    pub fn answer(&mut self, held: &Numbers, live: &BTreeMap<u64, u64>) {
        let Some(Probe { shift, windows }) = self.ask() else { return };
        self.open.pop_front();
        let counts = held.histogram(&windows, shift);
        let mut short = short(&counts, live);
        if shift == 0 {
            self.settle(&short, &counts);
            return;
        }
        short.retain(|at| {
            let empty = !live.contains_key(at);
            if empty {
                held.iter_in(self.window(*at, shift)).for_each(|n| {
                    self.gone.insert(n);
                });
            }
            !empty
        });
        for some in short.chunks(AT_ONCE).rev() {
            self.open.push_front((shift, some.to_vec()));
        }
    }

    /// At buckets of one number: held and not live is gone; live and not held is unknown.
    fn settle(&mut self, short: &[u64], held: &BTreeMap<u64, u64>) {
        for number in short {
            let seq_no = SeqNo(i64::try_from(*number).unwrap_or(i64::MAX));
            if held.contains_key(number) {
                self.gone.insert(seq_no);
            } else if self.unknown.len() < NAMED {
                self.unknown.push(seq_no);
            }
        }
    }

    fn window(&self, bucket: u64, shift: u32) -> Window {
        let Window { from, to } = window(bucket, shift);
        Window { from, to: to.min(self.checkpoint) }
    }

    /// What was found.
    pub fn end(self) -> Found {
        Found { gone: self.gone, unknown: self.unknown }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(numbers: &BTreeSet<i64>) -> Numbers {
        numbers.iter().map(|number| SeqNo(*number)).collect()
    }

    /// Everything from the first look on, as the shell does it; live numbers beyond the checkpoint
    /// are not asked for.
    fn whole(held: &BTreeSet<i64>, live: &BTreeSet<i64>, checkpoint: i64) -> (Found, usize) {
        let (held, live) = (set(held), set(live));
        let checkpoint = SeqNo(checkpoint);
        let all = Window { from: SeqNo::NONE, to: checkpoint };
        let first = live.histogram(&[all], first_shift(checkpoint));
        let mut hunt = Hunt::begin(checkpoint, &held, &first);
        let mut asked = 0;
        while let Some(probe) = hunt.ask() {
            asked += 1;
            assert!(probe.windows.len() <= AT_ONCE);
            hunt.answer(&held, &live.histogram(&probe.windows, probe.shift));
        }
        (hunt.end(), asked)
    }

    proptest! {
        #[test]
        fn what_is_gone_is_found_and_nothing_else(
            held in prop::collection::btree_set(prop_oneof![0i64..5000, 0i64..3_000_000], 0..400),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
            beyond in 0i64..2000, checkpoint in prop_oneof![0i64..6000, 0i64..3_000_000],
        ) {
            let mut live = held.clone();
            for index in gone {
                if !held.is_empty() {
                    live.remove(index.get(&held.iter().copied().collect::<Vec<_>>()));
                }
            }
            let expected: BTreeSet<i64> =
                held.difference(&live).copied().filter(|n| *n <= checkpoint).collect();
            live.insert(checkpoint + 1 + beyond);
            let (found, _) = whole(&held, &live, checkpoint);
            prop_assert_eq!(found, Found { gone: set(&expected), unknown: vec![] });
        }

        #[test]
        fn a_document_that_was_never_read_is_found(
            held in prop::collection::btree_set(0i64..100_000, 0..200), extra in 0i64..100_000
        ) {
            let mut live = held.clone();
            live.insert(extra);
            let expected: Vec<SeqNo> = live.difference(&held).map(|n| SeqNo(*n)).collect();
            prop_assert_eq!(whole(&held, &live, 100_000).0.unknown, expected);
        }
    }

    #[test]
    fn requests_grow_with_what_is_gone() {
        let held: BTreeSet<i64> = (0..1_000_000).collect();
        let asked = |live: &BTreeSet<i64>| whole(&held, live, 999_999).1;
        assert_eq!(asked(&held), 0);
        let few: BTreeSet<i64> = held.iter().copied().filter(|n| n % 500_000 != 7).collect();
        assert!(asked(&few) <= 2);
        let thousand: BTreeSet<i64> = held.iter().copied().filter(|n| n % 1000 != 7).collect();
        assert!(asked(&thousand) <= 8, "{}", asked(&thousand));
        assert!(asked(&BTreeSet::new()) <= 8);
    }
}
