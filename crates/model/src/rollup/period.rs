//! Periods of time, in UTC: no zone, no daylight saving, no leap seconds.

use std::fmt;

use serde::{Deserialize, Serialize};

const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

/// The first millisecond of a period, since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeriodStart(pub i64);

impl Period {
    /// The period that this millisecond lies in.
    #[must_use]
    pub fn of(self, ms: i64) -> PeriodStart {
        PeriodStart(match self {
            Self::Hour => ms.div_euclid(HOUR) * HOUR,
            Self::Day => ms.div_euclid(DAY) * DAY,
            Self::Month => {
                let (year, month, _) = civil(ms.div_euclid(DAY));
                days(year, month, 1) * DAY
            }
        })
    }

    /// The period after this one.
    #[must_use]
    pub fn next(self, at: PeriodStart) -> PeriodStart {
        PeriodStart(match self {
            Self::Hour => at.0 + HOUR,
            Self::Day => at.0 + DAY,
            Self::Month => {
                let (year, month, _) = civil(at.0.div_euclid(DAY));
                let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                days(year, month, 1) * DAY
            }
        })
    }

    /// The period before this one.
    #[must_use]
    pub fn previous(self, at: PeriodStart) -> PeriodStart {
        self.of(at.0 - 1)
    }

    /// The last second of the period, as `YYYY-MM-DDTHH:MM:SS`. What happens within it belongs to it.
    #[must_use]
    pub fn last_second(self, at: PeriodStart) -> String {
        iso(self.next(at).0 - SECOND)
    }

    /// The periods from `first` to `last`, both with it.
    pub fn range(self, first: PeriodStart, last: PeriodStart) -> impl Iterator<Item = PeriodStart> {
        std::iter::successors(Some(first), move |at| Some(self.next(*at)))
            .take_while(move |at| *at <= last)
    }

    /// The period's name in ids and texts: `2025-06-04T13`, `2025-06-04` or `2025-06`.
    #[must_use]
    pub fn label(self, at: PeriodStart) -> String {
        let mut text = iso(at.0);
        text.truncate(text.len() - self.cut());
        text
    }

    /// Reads what [`Period::label`] writes, or the day or month that a period lies in.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<PeriodStart> {
        let (date, hour) = text.split_once('T').unwrap_or((text, "00"));
        let mut pieces = date.split('-');
        let year: i64 = digits(pieces.next()?, 4)?;
        let month = digits(pieces.next()?, 2)?;
        let day = pieces.next().map_or(Some(1), |day| digits(day, 2))?;
        let hour = digits(hour.get(..2)?, 2)?;
        let at = days(year, month, day);
        let real = pieces.next().is_none() && hour < 24 && civil(at) == (year, month, day);
        real.then(|| self.of(at * DAY + hour * HOUR))
    }

    /// The engines' name of such an interval of the calendar.
    #[must_use]
    pub fn interval(self) -> &'static str {
        self.noun()
    }

    /// `hour`, `day` or `month`.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// How much of `YYYY-MM-DDTHH:MM:SS` a label leaves out, bytes.
    fn cut(self) -> usize {
        match self {
            Self::Hour => ":00:00".len(),
            Self::Day => "T00:00:00".len(),
            Self::Month => "-01T00:00:00".len(),
        }
    }
}

impl PeriodStart {
    /// Year, month and day of its beginning, as texts for the names of indices.
    #[must_use]
    pub fn names(self) -> [(&'static str, String); 3] {
        let (year, month, day) = civil(self.0.div_euclid(DAY));
        [
            ("year", format!("{year:04}")),
            ("month", format!("{month:02}")),
            ("day", format!("{day:02}")),
        ]
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.noun())
    }
}

/// Milliseconds since 1970 as `YYYY-MM-DDTHH:MM:SS`.
#[must_use]
pub fn iso(ms: i64) -> String {
    let (year, month, day) = civil(ms.div_euclid(DAY));
    let second = ms.rem_euclid(DAY) / SECOND;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

fn digits(text: &str, width: usize) -> Option<i64> {
    let plain = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar. Months are counted from March, so
/// that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn periods_have_names_and_ends() {
        for (period, text, label, last) in [
            (Period::Day, "2025-06-04", "2025-06-04", "2025-06-04T23:59:59"),
            (Period::Day, "2024-02-29", "2024-02-29", "2024-02-29T23:59:59"),
            (Period::Month, "2024-02", "2024-02", "2024-02-29T23:59:59"),
            (Period::Month, "2025-12-31", "2025-12", "2025-12-31T23:59:59"),
            (Period::Hour, "2025-06-04T13", "2025-06-04T13", "2025-06-04T13:59:59"),
        ] {
            let at = period.parse(text).unwrap();
            assert_eq!((period.label(at).as_str(), period.last_second(at).as_str()), (label, last));
        }
        for wrong in
            ["2025-02-29", "2025-13-01", "2025-6-4", "25-06-04", "", "2025", "2025-06-04T24"]
        {
            assert_eq!(Period::Day.parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_last_second_belongs_to_its_day() {
        let day = Period::Day.parse("2025-07-03").unwrap();
        let last = day.0 + DAY - 1;
        assert_eq!(Period::Day.of(last), day);
        assert_eq!(Period::Day.of(last + 1), Period::Day.next(day));
        assert_eq!(iso(last), "2025-07-03T23:59:59");
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_exactly_one_period(ms in -62_135_596_800_000i64..253_402_300_800_000) {
            for period in [Period::Hour, Period::Day, Period::Month] {
                let at = period.of(ms);
                prop_assert!(at.0 <= ms && ms < period.next(at).0);
                prop_assert_eq!(period.of(at.0), at);
                prop_assert_eq!(period.previous(period.next(at)), at);
                prop_assert_eq!(period.parse(&period.label(at)), Some(at));
            }
        }
    }
}
