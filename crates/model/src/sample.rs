//! Which documents of an index are taken for a sample: some at each of many places, spread over all of its
//! shards and over what is in them from the oldest operation to the newest.

use crate::id::{SeqNo, Shard};

/// A stretch of a shard's log, from the beginning of which documents are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The shard.
    pub shard: Shard,
    /// The last number before the stretch.
    pub from: SeqNo,
    /// The last number in it.
    pub to: SeqNo,
    /// How many documents are to be taken, if there are so many.
    pub wanted: u64,
}

/// The most places in a shard.
const PLACES: u64 = 20;
/// Fewer documents than this are not worth a request of their own.
const EACH: u64 = 25;

/// Places for `wanted` documents of an index whose shards have operations up to these numbers. The last place of
/// a shard is its newest operations: they have the shape that writers send now.
#[must_use]
pub fn places(shards: &[(Shard, SeqNo)], wanted: u64) -> Vec<Place> {
    let filled: Vec<_> = shards.iter().filter(|(_, to)| *to > SeqNo::NONE).collect();
    let mut places = Vec::new();
    for (number, (shard, to)) in filled.iter().enumerate() {
        let share = split(wanted, filled.len() as u64, number as u64);
        places.extend(of_shard(*shard, *to, share));
    }
    places
}

fn of_shard(shard: Shard, to: SeqNo, share: u64) -> Vec<Place> {
    let operations = u64::try_from(to.0).unwrap_or(0).saturating_add(1);
    let count = (share / EACH).clamp(2, PLACES).min(operations).min(share);
    let wanted = |place: u64| split(share, count, place);
    let newest = to.0.saturating_sub(i64::try_from(wanted_last(share, count)).unwrap_or(i64::MAX));
    // The last number before a place.
    let before = |place: u64| {
        if place == count {
            return to;
        }
        if count == 1 {
            return SeqNo(newest).max(SeqNo::NONE);
        }
        let number = u128::from(operations) * u128::from(place) / u128::from(count);
        let even = i64::try_from(number).unwrap_or(i64::MAX) - 1;
        let is_last = place > 0 && place + 1 == count;
        SeqNo(if is_last { even.max(newest) } else { even })
    };
    let place = |at: u64| Place { shard, from: before(at), to: before(at + 1), wanted: wanted(at) };
    (0..count).map(place).collect()
}

fn wanted_last(share: u64, count: u64) -> u64 {
    count.checked_sub(1).map_or(0, |last| split(share, count, last))
}

/// The share of the `number`-th of so many.
fn split(all: u64, shares: u64, number: u64) -> u64 {
    all / shares + u64::from(number < all % shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(shards: &[i64], wanted: u64) -> Vec<(u32, i64, i64, u64)> {
        let shards: Vec<_> =
            (0..).zip(shards).map(|(shard, to)| (Shard(shard), SeqNo(*to))).collect();
        let places = places(&shards, wanted).into_iter();
        places.map(|p| (p.shard.0, p.from.0, p.to.0, p.wanted)).collect()
    }

    #[test]
    fn places_are_spread_over_shards_and_what_is_in_them() {
        assert_eq!(of(&[99], 1), [(0, 98, 99, 1)], "the newest");
        assert_eq!(of(&[], 10), []);
        assert_eq!(of(&[-1, -1], 10), []);
        assert_eq!(of(&[99], 10), [(0, -1, 94, 5), (0, 94, 99, 5)]);
        let two = [(1, -1, 96, 3), (1, 96, 99, 3), (2, -1, 7, 3), (2, 7, 9, 2)];
        assert_eq!(of(&[-1, 99, 9], 11), two);
        assert_eq!(of(&[0], 1000), [(0, -1, 0, 1000)]);
        assert_eq!(of(&[99, 99], 1), [(0, 98, 99, 1)]);
        assert_eq!(of(&[99], 75), [(0, -1, 32, 25), (0, 32, 74, 25), (0, 74, 99, 25)]);
        assert_eq!(of(&[i64::MAX], 1000).len(), 20);
    }

    #[test]
    fn all_that_is_wanted_is_asked_for_and_nothing_twice() {
        for (shards, wanted) in
            [(vec![9_999], 1_000), (vec![5, 70_000, 3_000], 777), (vec![9; 7], 100)]
        {
            let places = of(&shards, wanted);
            assert_eq!(places.iter().map(|place| place.3).sum::<u64>(), wanted);
            for pair in places.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
                assert_eq!(pair[0].2, pair[1].1, "{places:?}");
            }
            for (shard, to) in (0..).zip(&shards) {
                let of_shard: Vec<_> = places.iter().filter(|place| place.0 == shard).collect();
                assert_eq!((of_shard[0].1, of_shard[of_shard.len() - 1].2), (-1, *to));
            }
        }
    }
}
