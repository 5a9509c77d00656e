//! Reading points in time in one format and writing them in another.

use std::borrow::Cow;
use std::fmt::Write as _;

use segue_model::recipe::{DateFormat, DatePiece, DateRule, Digits, Letters, Offset};

use super::Rewritten;
use super::text::said;
use super::time::{Civil, Moment};
use crate::error::shown;
use crate::json::number::Decimal;
use crate::json::push_quoted;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A point in time in the rule's format.
pub(super) fn rewrite(raw: &[u8], rule: &DateRule) -> Rewritten<'static> {
    let text = match raw.first() {
        Some(b'"') => said(raw),
        Some(b'-' | b'0'..=b'9') => std::str::from_utf8(raw).ok().map(str::to_owned),
        _ => None,
    };
    let read = |text: String| rule.from.iter().find_map(|format| read(&text, format, rule.zone));
    let Some(moment) = text.and_then(read) else {
        return Err(format!("{} is no point in time in any of the formats", shown(raw)));
    };
    write(moment, &rule.to, rule.to_zone)
        .map(Cow::Owned)
        .ok_or_else(|| format!("{} can't be written in the other format", shown(raw)))
}

fn read(text: &str, format: &DateFormat, zone: Offset) -> Option<Moment> {
    match format {
        DateFormat::Iso => read_iso(text, zone),
        DateFormat::EpochMillis => epoch(text, 6),
        DateFormat::EpochSecond => epoch(text, 9),
        DateFormat::Pattern(pieces) => read_pattern(text, pieces, zone),
    }
}

/// A number of units since 1970, each `10^power` nanoseconds.
fn epoch(text: &str, power: i64) -> Option<Moment> {
    Moment::of_nanos(Decimal::parse(text.as_bytes())?.scaled(power).whole()?)
}

/// What is left of a text that is being read.
struct Rest<'t>(&'t str);

impl Rest<'_> {
    /// A number of `least` to `most` digits.
    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        digits.parse().ok()
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// Digits after the point, `least` to `most` of them, in nanoseconds.
    fn fraction(&mut self, least: usize, most: usize) -> Option<i64> {
        let before = self.0.len();
        let value = self.digits(least, most)?;
        let power = 9_usize.checked_sub(before - self.0.len())?;
        Some(value * 10_i64.pow(u32::try_from(power).ok()?))
    }

    /// `Z` or an offset.
    fn zone(&mut self) -> Option<Offset> {
        if self.take("Z").is_some() {
            return Some(Offset::default());
        }
        if !self.0.starts_with(['+', '-']) {
            return None;
        }
        let end = self.0[1..].find(|c: char| !c.is_ascii_digit() && c != ':');
        let (zone, rest) = self.0.split_at(end.map_or(self.0.len(), |end| end + 1));
        self.0 = rest;
        Offset::parse(zone)
    }

    /// One of the names, of which the first three letters or all are written. Its place.
    fn name(&mut self, names: &[&str], letters: Letters) -> Option<usize> {
        let spelled = |name: &str| match letters {
            Letters::Three => 3,
            Letters::All => name.len(),
        };
        let starts = |name: &&str| {
            self.0
                .get(..spelled(name))
                .is_some_and(|text| text.eq_ignore_ascii_case(&name[..spelled(name)]))
        };
        let at = names.iter().position(starts)?;
        self.0 = &self.0[spelled(names[at])..];
        Some(at)
    }
}

fn read_iso(text: &str, zone: Offset) -> Option<Moment> {
    let mut rest = Rest(text);
    let mut civil = Civil { year: rest.digits(4, 4)?, ..Civil::default() };
    if rest.take("-").is_some() {
        civil.month = rest.digits(2, 2)?;
        if rest.take("-").is_some() {
            civil.day = rest.digits(2, 2)?;
        }
    }
    let mut offset = zone;
    if rest.take("T").is_some() {
        civil.hour = rest.digits(2, 2)?;
        if rest.take(":").is_some() {
            civil.minute = rest.digits(2, 2)?;
            if rest.take(":").is_some() {
                civil.second = rest.digits(2, 2)?;
                if rest.take(".").is_some() || rest.take(",").is_some() {
                    civil.nanos = rest.fraction(1, 9)?;
                }
            }
        }
        if !rest.0.is_empty() {
            offset = rest.zone()?;
        }
    }
    if rest.0.is_empty() { civil.moment(offset) } else { None }
}

fn read_pattern(text: &str, pieces: &[DatePiece], zone: Offset) -> Option<Moment> {
    let mut rest = Rest(text);
    let mut civil = Civil::default();
    let (mut offset, mut weekday, mut half_day) = (zone, None, None);
    let least = |digits: Digits| if digits == Digits::Two { 2 } else { 1 };
    for piece in pieces {
        match piece {
            DatePiece::Text(text) => rest.take(text)?,
            DatePiece::Year => civil.year = rest.digits(4, 4)?,
            DatePiece::Month(digits) => civil.month = rest.digits(least(*digits), 2)?,
            DatePiece::MonthName(letters) => {
                civil.month = i64::try_from(rest.name(&MONTHS, *letters)?).ok()? + 1;
            }
            DatePiece::Day(digits) => civil.day = rest.digits(least(*digits), 2)?,
            DatePiece::Weekday(letters) => weekday = Some(rest.name(&WEEKDAYS, *letters)?),
            DatePiece::Hour(digits) => civil.hour = rest.digits(least(*digits), 2)?,
            DatePiece::HalfDayHour(digits) => {
                let hour = rest.digits(least(*digits), 2)?;
                civil.hour = (1..=12).contains(&hour).then_some(hour % 12)?;
            }
            DatePiece::HalfDay => {
                half_day = Some(12 * i64::try_from(rest.name(&["AM", "PM"], Letters::All)?).ok()?);
            }
            DatePiece::Minute => civil.minute = rest.digits(2, 2)?,
            DatePiece::Second => civil.second = rest.digits(2, 2)?,
            DatePiece::Fraction(digits) => civil.nanos = rest.fraction(*digits, *digits)?,
            DatePiece::Zone { .. } => offset = rest.zone()?,
        }
    }
    civil.hour += half_day.unwrap_or(0);
    let moment = civil.moment(offset)?;
    let right_day = weekday.is_none_or(|weekday| weekday == civil.weekday());
    (rest.0.is_empty() && right_day).then_some(moment)
}

/// The moment as JSON. None if the format can't hold it: the year is beyond it at this offset, or it
/// lies between two whole units.
fn write(moment: Moment, format: &DateFormat, zone: Offset) -> Option<Vec<u8>> {
    let text = match format {
        DateFormat::EpochMillis => return whole(moment.nanos(), 1_000_000),
        DateFormat::EpochSecond => return whole(moment.nanos(), 1_000_000_000),
        DateFormat::Iso => iso(&moment.at(zone)?, zone),
        DateFormat::Pattern(pieces) => pattern(&moment.at(zone)?, pieces, zone),
    };
    let mut out = Vec::with_capacity(text.len() + 2);
    push_quoted(&mut out, text.as_bytes());
    Some(out)
}

fn whole(nanos: i128, unit: i128) -> Option<Vec<u8>> {
    (nanos % unit == 0).then(|| (nanos / unit).to_string().into_bytes())
}

fn zone_text(zone: Offset, z: bool, colon: bool) -> String {
    match (zone.minutes, colon) {
        (0, _) if z => "Z".to_owned(),
        (_, true) => zone.to_string(),
        (_, false) => zone.to_string().replace(':', ""),
    }
}

/// With milliseconds, and further digits only where there are any.
fn iso(civil: &Civil, zone: Offset) -> String {
    let Civil { year, month, day, hour, minute, second, nanos } = civil;
    let fraction = match nanos {
        nanos if nanos % 1_000_000 == 0 => format!("{:03}", nanos / 1_000_000),
        nanos if nanos % 1_000 == 0 => format!("{:06}", nanos / 1_000),
        nanos => format!("{nanos:09}"),
    };
    let zone = zone_text(zone, true, true);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}{zone}")
}

fn pattern(civil: &Civil, pieces: &[DatePiece], zone: Offset) -> String {
    let mut out = String::new();
    let number = |out: &mut String, value: i64, digits: Digits| {
        let _ = match digits {
            Digits::Two => write!(out, "{value:02}"),
            Digits::Few => write!(out, "{value}"),
        };
    };
    let name = |names: &[&'static str], at: usize, letters: Letters| {
        let name = names.get(at).copied().unwrap_or_default();
        if letters == Letters::Three { &name[..3] } else { name }
    };
    let month = usize::try_from(civil.month - 1).unwrap_or(0);
    for piece in pieces {
        match piece {
            DatePiece::Text(text) => out.push_str(text),
            DatePiece::Year => {
                let _ = write!(out, "{:04}", civil.year);
            }
            DatePiece::Month(digits) => number(&mut out, civil.month, *digits),
            DatePiece::MonthName(letters) => out.push_str(name(&MONTHS, month, *letters)),
            DatePiece::Day(digits) => number(&mut out, civil.day, *digits),
            DatePiece::Weekday(letters) => {
                out.push_str(name(&WEEKDAYS, civil.weekday(), *letters));
            }
            DatePiece::Hour(digits) => number(&mut out, civil.hour, *digits),
            DatePiece::HalfDayHour(digits) => {
                number(&mut out, (civil.hour + 11) % 12 + 1, *digits);
            }
            DatePiece::HalfDay => out.push_str(if civil.hour < 12 { "AM" } else { "PM" }),
            DatePiece::Minute => number(&mut out, civil.minute, Digits::Two),
            DatePiece::Second => number(&mut out, civil.second, Digits::Two),
            DatePiece::Fraction(digits) => {
                let all = format!("{:09}", civil.nanos);
                out.push_str(&all[..(*digits).min(9)]);
            }
            DatePiece::Zone { z, colon } => out.push_str(&zone_text(zone, *z, *colon)),
        }
    }
    out
}
