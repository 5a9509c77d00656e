//! A set of operation numbers.

use std::collections::BTreeMap;

use crate::id::SeqNo;
use crate::position::Window;

const WORDS: usize = 8;
const PAGE: u64 = 64 * WORDS as u64;

/// A set of operation numbers of one shard: one bit a number where they are dense, some hundred
/// bytes a number at worst. Numbers below 0 are never in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    pages: BTreeMap<u64, [u64; WORDS]>,
    len: u64,
}

fn place(number: SeqNo) -> Option<(u64, usize, u64)> {
    let number = u64::try_from(number.0).ok()?;
    let within = number % PAGE;
    Some((number / PAGE, usize::try_from(within / 64).unwrap_or(0), 1 << (within % 64)))
}

impl Numbers {
    /// Puts `number` in; `false` if it was in already.
    pub fn insert(&mut self, number: SeqNo) -> bool {
        let Some((page, word, bit)) = place(number) else { return false };
        let word = &mut self.pages.entry(page).or_default()[word];
        let new = *word & bit == 0;
        *word |= bit;
        self.len += u64::from(new);
        new
    }

    /// Takes `number` out; `false` if it was not in.
    pub fn remove(&mut self, number: SeqNo) -> bool {
        let Some((page, word, bit)) = place(number) else { return false };
        let Some(words) = self.pages.get_mut(&page) else { return false };
        let was_in = words[word] & bit != 0;
        words[word] &= !bit;
        if words.iter().all(|word| *word == 0) {
            self.pages.remove(&page);
        }
        self.len -= u64::from(was_in);
        was_in
    }

    /// Whether `number` is in it.
    pub fn contains(&self, number: SeqNo) -> bool {
        place(number).is_some_and(|(page, word, bit)| {
            self.pages.get(&page).is_some_and(|words| words[word] & bit != 0)
        })
    }

    /// How many are in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = SeqNo> + '_ {
        self.iter_in(Window { from: SeqNo(-1), to: SeqNo(i64::MAX - 1) })
    }

    /// How many of them lie in `window`.
    pub fn count_in(&self, window: Window) -> u64 {
        self.words_in(window).map(|(_, word)| u64::from(word.count_ones())).sum()
    }

    /// How many of them lie in each bucket of 2^`shift` numbers, in `windows`.
    pub fn histogram(&self, windows: &[Window], shift: u32) -> BTreeMap<u64, u64> {
        let mut counts = BTreeMap::new();
        for window in windows {
            for (base, word) in self.words_in(*window) {
                if shift >= 6 {
                    *counts.entry(base >> shift).or_insert(0) += u64::from(word.count_ones());
                } else {
                    for number in bits(base, word) {
                        *counts.entry(number >> shift).or_insert(0) += 1;
                    }
                }
            }
        }
        counts
    }

    /// All in `window`, ascending.
    pub fn iter_in(&self, window: Window) -> impl Iterator<Item = SeqNo> + '_ {
        self.words_in(window).flat_map(|(base, word)| bits(base, word)).map(seq_no)
    }

    /// Words that are not empty, with the number of their first bit; bits outside `window` are 0.
    fn words_in(&self, window: Window) -> impl Iterator<Item = (u64, u64)> + '_ {
        let first = u64::try_from(window.from.0.saturating_add(1)).unwrap_or(0);
        let end = u64::try_from(window.to.0.saturating_add(1)).unwrap_or(0).max(first);
        let pages = self.pages.range(first / PAGE..end.div_ceil(PAGE).max(first / PAGE));
        pages.flat_map(move |(page, words)| {
            let bases = (page * PAGE..).step_by(64);
            let words =
                bases.zip(*words).map(move |(base, word)| (base, cut(base, word, first, end)));
            words.filter(|(_, word)| *word != 0)
        })
    }
}

/// The bits of `word`, which stand for the numbers from `base` on, that lie in `first..end`.
fn cut(base: u64, word: u64, first: u64, end: u64) -> u64 {
    if base >= end || base + 64 <= first {
        return 0;
    }
    let below = if first > base { u64::MAX << (first - base) } else { u64::MAX };
    let above = if end < base + 64 { u64::MAX >> (base + 64 - end) } else { u64::MAX };
    word & below & above
}

fn bits(base: u64, word: u64) -> impl Iterator<Item = u64> {
    (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| base + bit)
}

fn seq_no(number: u64) -> SeqNo {
    SeqNo(i64::try_from(number).unwrap_or(i64::MAX))
}

impl FromIterator<SeqNo> for Numbers {
    fn from_iter<I: IntoIterator<Item = SeqNo>>(numbers: I) -> Numbers {
        let mut set = Numbers::default();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(
            put in prop::collection::vec(prop_oneof![0i64..3000, 0i64..(1 << 41)], 0..300),
            out in prop::collection::vec(0i64..3000, 0..100),
            from in -1i64..3000, width in 0i64..3000, shift in 0u32..12
        ) {
            let mut plain: BTreeSet<i64> = put.iter().copied().collect();
            let mut numbers = Numbers::default();
            let new = put.iter().filter(|n| numbers.insert(SeqNo(**n))).count();
            prop_assert_eq!(new, plain.len());
            for number in out {
                prop_assert_eq!(numbers.remove(SeqNo(number)), plain.remove(&number));
            }
            prop_assert_eq!(numbers.len(), plain.len() as u64);
            prop_assert!(numbers.iter().map(|n| n.0).eq(plain.iter().copied()));
            let window = Window { from: SeqNo(from), to: SeqNo(from + width) };
            let inside: Vec<i64> =
                plain.iter().copied().filter(|n| *n > from && *n <= from + width).collect();
            prop_assert_eq!(numbers.count_in(window), inside.len() as u64);
            prop_assert!(numbers.iter_in(window).map(|n| n.0).eq(inside.iter().copied()));
            let mut counts = BTreeMap::new();
            for number in inside {
                *counts.entry(number.unsigned_abs() >> shift).or_insert(0u64) += 1;
            }
            prop_assert_eq!(numbers.histogram(&[window], shift), counts);
            for n in -1..50 {
                prop_assert_eq!(numbers.contains(SeqNo(n)), plain.contains(&n));
            }
        }
    }
}
