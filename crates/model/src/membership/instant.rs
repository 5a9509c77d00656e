//! Points in time, as documents spell them.

use std::fmt;

use crate::rollup::{Period, iso};

/// A point in time to the millisecond, with the spelling that is written: as it came, where that was in UTC
/// or without a zone, else in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    ms: i64,
    text: String,
}

/// How a zone was spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zone {
    None,
    Utc,
    /// Minutes to the east.
    Offset(i64),
}

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

impl Instant {
    /// Reads `2025-06-04`, `2025-06-04T10:00`, `2025-06-04T10:00:00.123456`, with `Z`, `+02:00` or nothing
    /// at the end, which means UTC. None for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let day = Period::Day.parse(date)?.0;
        if rest.is_empty() {
            return Some(Self { ms: day, text: text.to_owned() });
        }
        let (time, zone) = zone_of(rest.strip_prefix('T')?)?;
        let ms = day + time_of_day(time)?;
        match zone {
            Zone::None | Zone::Utc => Some(Self { ms, text: text.to_owned() }),
            Zone::Offset(minutes) => Some(Self::spelled(ms - minutes * MINUTE, true)),
        }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn ms(&self) -> i64 {
        self.ms
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same a second earlier, with a zone where this one has one.
    #[must_use]
    pub fn second_before(&self) -> Self {
        Self::spelled(self.ms - SECOND, self.text.contains(['Z', '+']))
    }

    /// Its year, month and day in UTC, as texts for the names of indices.
    #[must_use]
    pub fn names(&self) -> [(&'static str, String); 3] {
        Period::Day.of(self.ms).names()
    }

    /// Milliseconds since 1970, spelled in UTC without a zone.
    #[must_use]
    pub fn of_ms(ms: i64) -> Self {
        Self::spelled(ms, false)
    }

    fn spelled(ms: i64, zone: bool) -> Self {
        let mut text = iso(ms);
        match ms.rem_euclid(SECOND) {
            0 => {}
            rest => text.push_str(&format!(".{rest:03}")),
        }
        if zone {
            text.push_str("+00:00");
        }
        Self { ms, text }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Cuts the zone off.
fn zone_of(text: &str) -> Option<(&str, Zone)> {
    if let Some(time) = text.strip_suffix('Z') {
        return Some((time, Zone::Utc));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, Zone::None)) };
    let (time, zone) = text.split_at(at);
    let (sign, digits) = zone.split_at(1);
    let (hours, minutes) = match digits.split_once(':') {
        Some(pair) => pair,
        None => digits.split_at_checked(2)?,
    };
    let minutes = if minutes.is_empty() { 0 } else { number(minutes, 59)? };
    let offset = number(hours, 18)? * 60 + minutes;
    Some((
        time,
        match (offset, sign) {
            (0, _) => Zone::Utc,
            (offset, "+") => Zone::Offset(offset),
            (offset, _) => Zone::Offset(-offset),
        },
    ))
}

fn time_of_day(text: &str) -> Option<i64> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, milliseconds(fraction)?),
        None => (text, 0),
    };
    let pieces: Vec<_> = clock.split(':').collect();
    let (hour, minute, second) = match pieces.as_slice() {
        [hour] => (number(hour, 23)?, 0, 0),
        [hour, minute] => (number(hour, 23)?, number(minute, 59)?, 0),
        [hour, minute, second] => (number(hour, 23)?, number(minute, 59)?, number(second, 59)?),
        _ => return None,
    };
    Some(hour * HOUR + minute * MINUTE + second * SECOND + fraction)
}

/// The first three of up to nine digits after the point.
fn milliseconds(digits: &str) -> Option<i64> {
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| format!("{digits:0<3}")[..3].parse().ok()).flatten()
}

/// Two digits, up to `most`.
fn number(text: &str, most: i64) -> Option<i64> {
    let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().filter(|number| *number <= most)
}

/// The first day of what a date of publication covers: `2010` is the 1st of January of that year, `2020-10`
/// the 1st of October; of a range (`2020-2021`, `2020-05/2020-07`) the first day of its beginning. None where
/// no year can be read.
#[must_use]
pub fn day_of_publication(text: &str) -> Option<String> {
    let first = text.split('/').next()?.trim().trim_end_matches(['?', '~', '%']);
    let pieces: Vec<_> = first.split('T').next()?.split('-').collect();
    let year = pieces.first().filter(|year| year.len() == 4)?;
    let day = |text: &str| Period::Day.parse(text).map(|_| text.to_owned());
    let whole = match pieces.as_slice() {
        [_, month, dom] => day(&format!("{year}-{month}-{dom}")),
        _ => None,
    };
    let of_month = match pieces.as_slice() {
        [_, month] | [_, month, _] => day(&format!("{year}-{month}-01")),
        _ => None,
    };
    whole.or(of_month).or_else(|| day(&format!("{year}-01-01")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_every_spelling() {
        for (text, expected, spelled) in [
            ("2024-01-01T10:00:00", 1_704_103_200_000, "2024-01-01T10:00:00"),
            ("2024-01-01T10:00:00Z", 1_704_103_200_000, "2024-01-01T10:00:00Z"),
            ("2024-01-01T10:00:00.25", 1_704_103_200_250, "2024-01-01T10:00:00.25"),
            (
                "2024-01-01T10:00:00.123456+00:00",
                1_704_103_200_123,
                "2024-01-01T10:00:00.123456+00:00",
            ),
            ("2024-01-01T12:30:00+02:30", 1_704_103_200_000, "2024-01-01T10:00:00+00:00"),
            ("2023-12-31T22:00:00.5-1200", 1_704_103_200_500, "2024-01-01T10:00:00.500+00:00"),
            ("2024-01-01T10:00", 1_704_103_200_000, "2024-01-01T10:00"),
            ("2024-01-01T10", 1_704_103_200_000, "2024-01-01T10"),
            ("2024-01-01", 1_704_067_200_000, "2024-01-01"),
        ] {
            let at = Instant::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((at.ms(), at.as_str()), (expected, spelled), "{text}");
        }
        for wrong in [
            "",
            "2024",
            "2024-01",
            "2024-02-30",
            "2024-01-01 10:00",
            "2024-01-01T25",
            "2024-01-01T",
            "2024-01-01T10:60",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00:00x",
            "x024-01-01",
            "2024-01-0é",
            "2024-01-01T10:00:00+2",
            "2024-01-01T10:00:00+19:00",
        ] {
            assert_eq!(Instant::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_second_before_may_be_in_another_year() {
        for (text, before, year) in [
            ("2024-01-01", "2023-12-31T23:59:59", "2023"),
            ("2024-01-01T11:00:00+00:00", "2024-01-01T10:59:59+00:00", "2024"),
            ("2024-01-01T11:00:00.5Z", "2024-01-01T10:59:59.500+00:00", "2024"),
        ] {
            let at = Instant::parse(text).unwrap().second_before();
            assert_eq!((at.as_str(), at.names()[0].1.as_str()), (before, year));
        }
    }

    #[test]
    fn publications_begin_somewhere() {
        for (text, expected) in [
            ("2010", Some("2010-01-01")),
            ("2020-10", Some("2020-10-01")),
            ("2020-10-05", Some("2020-10-05")),
            ("2020-2021", Some("2020-01-01")),
            ("2020-05/2020-07", Some("2020-05-01")),
            ("1987/1989", Some("1987-01-01")),
            ("2020-13", Some("2020-01-01")),
            ("2021-02-30", Some("2021-02-01")),
            ("2004-06~", Some("2004-06-01")),
            ("2020-10-05T12:00:00", Some("2020-10-05")),
            ("unknown", None),
            ("", None),
            ("20", None),
        ] {
            assert_eq!(day_of_publication(text).as_deref(), expected, "{text}");
        }
    }
}
