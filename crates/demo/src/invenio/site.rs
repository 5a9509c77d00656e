//! A site: one installation's names, its volume, and the events it already has.

use fastrand::Rng;

use super::record::{Mix, has_files};
use super::{Click, Kind, Month};

/// How much a site holds.
#[derive(Debug, Clone, Copy)]
pub struct Volume {
    /// Events in all months and both kinds.
    pub events: u64,
    /// Records in the record index.
    pub records: u32,
    /// Months, the current one included.
    pub months: u32,
}

/// One installation: its names, its months and the clicks of its past.
#[derive(Debug, Clone)]
pub struct Site {
    prefix: String,
    seed: u64,
    now: i64,
    months: Vec<Month>,
    volume: Volume,
    redirected: bool,
}

/// Months at the begin of a long history in which the application did not say yet if a machine
/// made the click.
const OLD_MONTHS: usize = 2;
/// Shortest span of a month that events are spread over, in seconds: on the first of a month they
/// still need room.
const SHORTEST_MONTH: i64 = 3_600;

impl Site {
    /// A site whose names start with `prefix` and whose last month holds `now` (seconds since 1970).
    ///
    /// # Errors
    /// No month, or a moment outside the calendar.
    pub fn new(prefix: &str, seed: u64, now: i64, volume: Volume) -> anyhow::Result<Self> {
        anyhow::ensure!(volume.months > 0, "a site needs at least one month");
        anyhow::ensure!(volume.records > 0, "a site needs at least one record");
        let months = Month::ending_at(now, volume.months)?;
        Ok(Self { prefix: prefix.to_owned(), seed, now, months, volume, redirected: false })
    }

    /// The same, where writes to an old index are sent on to the new one while names move.
    #[must_use]
    pub fn redirected(self) -> Self {
        Self { redirected: true, ..self }
    }

    /// Whether an old index may send writes on to the new one.
    #[must_use]
    pub fn is_redirected(&self) -> bool {
        self.redirected
    }

    /// What all names start with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The seed that the site's past follows from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Records that exist. Clicks also name a few numbers above it: records that are gone.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.volume.records
    }

    /// The months in order; the last is the current one.
    #[must_use]
    pub fn months(&self) -> &[Month] {
        &self.months
    }

    /// The index of one kind and month.
    #[must_use]
    pub fn index(&self, kind: Kind, month: Month) -> String {
        format!("{}events-stats-{}-{month}", self.prefix, kind.name())
    }

    /// The alias that all months of one kind are read by.
    #[must_use]
    pub fn read_alias(&self, kind: Kind) -> String {
        format!("{}events-stats-{}", self.prefix, kind.name())
    }

    /// The alias of the record index.
    #[must_use]
    pub fn records_alias(&self) -> String {
        format!("{}rdmrecords-records", self.prefix)
    }

    /// The record index itself.
    #[must_use]
    pub fn records_index(&self) -> String {
        format!("{}-record-v7.0.0-1700000000", self.records_alias())
    }

    /// Every kind and month, oldest month first.
    pub fn parts(&self) -> impl Iterator<Item = (Kind, Month)> + Clone {
        self.months.iter().flat_map(|month| Kind::ALL.map(|kind| (kind, *month)))
    }

    /// How many events the site's past has of one kind and month.
    #[must_use]
    pub fn past_events(&self, kind: Kind, month: Month) -> u64 {
        let parts = self.months.len() as u64 * 2;
        let rank = self.parts().position(|part| part == (kind, month));
        let rank = rank.map_or(u64::MAX, |rank| rank as u64);
        let rest = u64::from(rank < self.volume.events % parts);
        self.volume.events / parts + rest
    }

    /// The past click number `ordinal` of one kind and month. No two ordinals share a document id.
    #[must_use]
    pub fn past(&self, kind: Kind, month: Month, ordinal: u64) -> Click {
        let count = self.past_events(kind, month).max(1);
        let stream = Mix::new(20).with(self.seed).with(kind as u64).with(month.start() as u64);
        let mut rng = Rng::with_seed(stream.with(ordinal).value());
        let end = self.last_moment(month);
        let span = end - month.start();
        // Spread in order over the month: a visitor's clicks lie a quarter of the month apart.
        let at = month.start() + (ordinal as i128 * i128::from(span) / i128::from(count)) as i64;
        let visitors = (count / 4).max(1);
        Click {
            kind,
            month,
            record: self.some_record(&mut rng, kind),
            visitor: stream.with(ordinal % visitors).value(),
            at,
            written_us: (at + rng.i64(1..1_800)) * 1_000_000 + rng.i64(0..1_000_000),
            tells_machines: self.tells_machines(month),
        }
    }

    /// A fresh click of a visitor that no other click has.
    #[must_use]
    pub fn fresh(&self, kind: Kind, month: Month, rng: &mut Rng, written_us: i64) -> Click {
        let newest = (written_us / 1_000_000).min(self.last_moment(month) - 1);
        // The current month's events are up to half an hour old when the queue is worked off;
        // those of earlier months are of any day.
        let oldest = if Some(&month) == self.months.last() { newest - 1_800 } else { 0 };
        Click {
            kind,
            month,
            record: self.some_record(rng, kind),
            visitor: rng.u64(..),
            at: rng.i64(oldest.max(month.start())..=newest),
            written_us,
            tells_machines: true,
        }
    }

    fn last_moment(&self, month: Month) -> i64 {
        self.now.max(month.start() + SHORTEST_MONTH).min(month.end())
    }

    fn tells_machines(&self, month: Month) -> bool {
        let old = if self.months.len() > 2 * OLD_MONTHS { OLD_MONTHS } else { 0 };
        !self.months[..old].contains(&month)
    }

    /// A record's number; low numbers are popular, one click in a hundred is of a record that is gone.
    fn some_record(&self, rng: &mut Rng, kind: Kind) -> u32 {
        let records = self.volume.records;
        if rng.u8(..100) == 0 {
            return records + rng.u32(..(records / 100).max(1));
        }
        let number = rng.u32(..records).min(rng.u32(..records));
        match kind {
            Kind::Download if !has_files(number) => number - 1,
            Kind::View | Kind::Download => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Kind, Month, Site, Volume};

    const NOW: i64 = 1_763_688_000; // 2025-11-21

    fn site(events: u64, months: u32) -> Site {
        Site::new("t-", 1, NOW, Volume { events, records: 50, months }).unwrap()
    }

    #[test]
    fn the_past_has_exactly_the_events_asked_for_and_no_id_twice() {
        for (events, months) in [(1, 1), (7, 3), (1_003, 2), (4_000, 12)] {
            let site = site(events, months);
            let mut ids = HashSet::new();
            let mut made = 0;
            for (kind, month) in site.parts() {
                for ordinal in 0..site.past_events(kind, month) {
                    let click = site.past(kind, month, ordinal);
                    assert!(Month::of(click.at).unwrap() == month, "{click:?}");
                    let delay = click.written_us / 1_000_000 - click.at;
                    assert!((0..=1_800).contains(&delay), "{click:?}");
                    assert_eq!(click, site.past(kind, month, ordinal));
                    ids.insert(click.mint().unwrap().id);
                    made += 1;
                }
            }
            assert_eq!((made, ids.len() as u64), (events, events));
        }
    }

    #[test]
    fn fresh_clicks_stay_in_their_month() {
        let site = site(100, 4);
        let mut rng = fastrand::Rng::with_seed(3);
        for (kind, month) in site.parts().cycle().take(800) {
            let click = site.fresh(kind, month, &mut rng, (NOW + 5) * 1_000_000);
            assert_eq!(Month::of(click.at).unwrap(), month);
        }
        assert_eq!(site.index(Kind::View, site.months()[3]), "t-events-stats-record-view-2025-11");
    }
}
