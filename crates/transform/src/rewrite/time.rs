//! A point in time, exact to the nanosecond, and the calendar it is written in.

use segue_model::recipe::Offset;

/// Nanoseconds since 1970 in UTC, from the year 0 to the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(i128);

/// Calendar and clock at some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanos: i64,
}

impl Default for Civil {
    /// What a text leaves out: the first month, the first day, midnight.
    fn default() -> Self {
        Self { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, nanos: 0 }
    }
}

const DAY: i64 = 86_400;
const NANOS: i128 = 1_000_000_000;

impl Moment {
    /// From nanoseconds; None outside the calendar's years.
    pub(super) fn of_nanos(nanos: i128) -> Option<Self> {
        let first = i128::from(days(0, 1, 1) * DAY) * NANOS;
        let end = i128::from(days(10_000, 1, 1) * DAY) * NANOS;
        (first..end).contains(&nanos).then_some(Self(nanos))
    }

    pub(super) fn nanos(self) -> i128 {
        self.0
    }

    /// Calendar and clock at an offset. None if that is outside the calendar's years.
    pub(super) fn at(self, offset: Offset) -> Option<Civil> {
        let local = Self::of_nanos(self.0 + i128::from(offset.minutes) * 60 * NANOS)?.0;
        let seconds = i64::try_from(local.div_euclid(NANOS)).ok()?;
        let nanos = i64::try_from(local.rem_euclid(NANOS)).ok()?;
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let clock = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        Some(Civil { year, month, day, hour, minute, second, nanos })
    }
}

impl Civil {
    /// The point in time, if the calendar has such a day and the clock such a time.
    pub(super) fn moment(&self, offset: Offset) -> Option<Moment> {
        let real = (0..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=month_days(self.year, self.month)).contains(&self.day)
            && (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second);
        if !real {
            return None;
        }
        let clock = self.hour * 3600 + self.minute * 60 + self.second;
        let seconds = days(self.year, self.month, self.day) * DAY + clock;
        let utc = i128::from(seconds - i64::from(offset.minutes) * 60);
        Moment::of_nanos(utc * NANOS + i128::from(self.nanos))
    }

    /// The day of the week, Monday = 0.
    pub(super) fn weekday(&self) -> usize {
        // 1970 began on a Thursday.
        let day = (days(self.year, self.month, self.day) + 3).rem_euclid(7);
        usize::try_from(day).unwrap_or(0)
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970. Years are counted from March, so that the leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between March of the year 0 and 1970.
    year * 365 + leap_days + day_of_year - 719_468
}

/// Year, month and day of a day since 1970.
fn date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_calendar_is_everybodys(seconds in -62_135_596_800_i64..253_402_207_000, nanos in 0..1_000_000_000_i64) {
            let moment = Moment::of_nanos(i128::from(seconds) * NANOS + i128::from(nanos)).unwrap();
            let civil = moment.at(Offset::default()).unwrap();
            let theirs = jiff::Timestamp::new(seconds, i32::try_from(nanos).unwrap()).unwrap();
            let theirs = theirs.to_zoned(jiff::tz::TimeZone::UTC).datetime();
            let ours = (civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second, civil.nanos);
            prop_assert_eq!(ours, (
                theirs.year().into(), theirs.month().into(), theirs.day().into(), theirs.hour().into(),
                theirs.minute().into(), theirs.second().into(), theirs.subsec_nanosecond().into()
            ));
            prop_assert_eq!(civil.weekday(), usize::try_from(theirs.weekday().to_monday_zero_offset()).unwrap());
            prop_assert_eq!(civil.moment(Offset::default()), Some(moment));
        }

        #[test]
        fn days_that_no_calendar_has_are_none(year in 0..=9999_i64, month in 0..=13_i64, day in 0..=32_i64) {
            let civil = Civil { year, month, day, ..Civil::default() };
            let theirs = i8::try_from(month).ok().zip(i8::try_from(day).ok()).and_then(|(m, d)| {
                jiff::civil::Date::new(i16::try_from(year).unwrap(), m, d).ok()
            });
            prop_assert_eq!(civil.moment(Offset::default()).is_some(), theirs.is_some());
        }
    }
}
