//! A calendar month in UTC: the unit by which usage events are kept in indices.

use std::fmt;

use anyhow::Context;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

/// A calendar month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month that the moment `epoch` (seconds since 1970) lies in.
    ///
    /// # Errors
    /// A moment outside the calendar's range.
    pub fn of(epoch: i64) -> anyhow::Result<Self> {
        let moment = Timestamp::from_second(epoch).context("moment outside the calendar")?;
        let day = moment.to_zoned(TimeZone::UTC).date();
        Ok(Self { year: day.year(), month: day.month() })
    }

    /// `count` months in order, the last of which holds the moment `now` (seconds since 1970).
    ///
    /// # Errors
    /// A moment outside the calendar's range.
    pub fn ending_at(now: i64, count: u32) -> anyhow::Result<Vec<Self>> {
        let mut months = Vec::new();
        let mut month = Self::of(now)?;
        for _ in 0..count {
            months.push(month);
            month = month.previous();
        }
        months.reverse();
        Ok(months)
    }

    fn previous(self) -> Self {
        match self.month {
            1 => Self { year: self.year - 1, month: 12 },
            month => Self { year: self.year, month: month - 1 },
        }
    }

    fn next(self) -> Self {
        match self.month {
            12 => Self { year: self.year + 1, month: 1 },
            month => Self { year: self.year, month: month + 1 },
        }
    }

    fn first_day(self) -> Date {
        date(self.year, self.month, 1)
    }

    /// First second of the month, since 1970.
    #[must_use]
    pub fn start(self) -> i64 {
        let days = self.first_day().duration_since(date(1970, 1, 1));
        days.as_secs()
    }

    /// First second after the month, since 1970.
    #[must_use]
    pub fn end(self) -> i64 {
        self.next().start()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::Month;

    #[test]
    fn months_run_backwards_over_a_new_year() {
        let months = Month::ending_at(1_769_904_000, 3).unwrap(); // 2026-02-01T00:00:00
        let names: Vec<String> = months.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["2025-12", "2026-01", "2026-02"]);
        assert_eq!(months[2].start(), 1_769_904_000);
        assert_eq!(months[1].end(), months[2].start());
        assert_eq!(months[2].end() - months[2].start(), 28 * 86_400);
    }
}
