//! The order-free digest by which two indices are compared without holding either in memory.
//!
//! Both sides are streamed; each document goes into the bucket of its source operation as a count
//! and a 128-bit sum of its content's hash. Equal buckets hold equal documents (up to a collision of
//! the 128-bit sums); a bucket that differs is read again and compared document by document.

use crate::version::Op;

/// How many buckets a table has at most: a few MB, whatever the size of the index.
const BUCKETS: u64 = 1 << 14;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    documents: u64,
    sum: u128,
}

/// One side's digest.
#[derive(Clone, Debug)]
pub struct Digest {
    shift: u32,
    buckets: Vec<Bucket>,
    documents: u64,
}

/// A stretch of operations, both ends in it, in which the two sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpRange {
    /// The first operation.
    pub first: u64,
    /// The last operation.
    pub last: u64,
}

impl OpRange {
    /// Whether `op` is in it.
    pub fn contains(&self, op: Op) -> bool {
        (self.first..=self.last).contains(&op.get())
    }
}

impl Digest {
    /// An empty digest for operations up to `highest`. Only digests made for the same highest
    /// operation can be compared.
    pub fn up_to(highest: u64) -> Digest {
        let mut shift = 0;
        while (highest >> shift) >= BUCKETS {
            shift += 1;
        }
        let buckets = usize::try_from((highest >> shift) + 1).unwrap_or(0);
        Digest { shift, buckets: vec![Bucket::default(); buckets], documents: 0 }
    }

    /// Adds one document; returns `false` if its operation is above the highest, which the caller
    /// has to account for itself.
    pub fn add(&mut self, op: Op, hash: u128) -> bool {
        let bucket = usize::try_from(op.get() >> self.shift)
            .ok()
            .and_then(|number| self.buckets.get_mut(number));
        let Some(bucket) = bucket else { return false };
        bucket.documents += 1;
        bucket.sum = bucket.sum.wrapping_add(hash);
        self.documents += 1;
        true
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Digest) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            mine.documents += theirs.documents;
            mine.sum = mine.sum.wrapping_add(theirs.sum);
        }
        self.documents += other.documents;
    }

    /// Documents added.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Where the two sides differ, in ascending order; neighbouring buckets are joined.
    pub fn differences(&self, other: &Digest) -> Vec<OpRange> {
        let mut ranges: Vec<OpRange> = Vec::new();
        let last = (1u64 << self.shift) - 1;
        for (number, (mine, theirs)) in (0u64..).zip(self.buckets.iter().zip(&other.buckets)) {
            if mine == theirs {
                continue;
            }
            let first = number << self.shift;
            match ranges.last_mut() {
                Some(range) if range.last + 1 == first => range.last = first + last,
                _ => ranges.push(OpRange { first, last: first + last }),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SeqNo, Shard};
    use proptest::prelude::*;

    fn op(number: u64) -> Op {
        Op::of(SeqNo(i64::try_from(number - 1).unwrap()), Shard(0), 1).unwrap()
    }

    #[test]
    fn a_document_above_the_bound_is_handed_back() {
        let mut digest = Digest::up_to(100);
        assert!(digest.add(op(100), 1));
        assert!(!digest.add(op(101), 1));
        assert_eq!(digest.documents(), 1);
    }

    proptest! {
        /// One document missing, extra or different shows, in a range that holds its operation, and
        /// order plays no part.
        #[test]
        fn a_single_divergence_is_found(
            highest in 1u64..200_000, seed: u64, victim in 1u64..200_000, how in 0u8..3
        ) {
            let victim = 1 + victim % highest;
            let step = 1 + highest / 500;
            let ops: Vec<u64> = (1..=highest).step_by(usize::try_from(step).unwrap()).collect();
            let hash = |n: u64| u128::from(n.wrapping_mul(seed | 1)) << 17;
            let (mut left, mut right) = (Digest::up_to(highest), Digest::up_to(highest));
            for n in &ops { left.add(op(*n), hash(*n)); }
            for n in ops.iter().rev() { right.add(op(*n), hash(*n)); }
            prop_assert!(left.differences(&right).is_empty());
            match how {
                0 => { right.add(op(victim), 7); }
                1 => { left.add(op(victim), 7); }
                _ => { left.add(op(victim), 7); right.add(op(victim), 8); }
            }
            let ranges = left.differences(&right);
            prop_assert_eq!(ranges.len(), 1);
            prop_assert!(ranges[0].contains(op(victim)));
        }

        #[test]
        fn parts_of_a_side_add_up(ops in prop::collection::vec((1u64..5000, any::<u64>()), 0..300), cut: usize) {
            let mut whole = Digest::up_to(5000);
            let (mut a, mut b) = (Digest::up_to(5000), Digest::up_to(5000));
            for (i, (n, h)) in ops.iter().enumerate() {
                whole.add(op(*n), u128::from(*h));
                if i < cut % (ops.len() + 1) { &mut a } else { &mut b }.add(op(*n), u128::from(*h));
            }
            a.merge(&b);
            prop_assert!(a.differences(&whole).is_empty());
            prop_assert_eq!(a.documents(), whole.documents());
        }
    }
}
