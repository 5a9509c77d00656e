//! Spellings of points in time: formats by letters, as the engines' mappings have them, and offsets.

use std::fmt;

/// A spelling of a point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DateFormat {
    /// `2025-06-01T12:30:00.5+02:00`, from the month on as much of it as is there.
    Iso,
    /// Milliseconds since 1970, a number.
    EpochMillis,
    /// Seconds since 1970, a number.
    EpochSecond,
    /// Pieces one after another.
    Pattern(Vec<DatePiece>),
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatePiece {
    /// This text.
    Text(String),
    /// Four digits.
    Year,
    /// The month: two digits, or as few as it has.
    Month(Digits),
    /// The month's English name: its first three letters, or all.
    MonthName(Letters),
    /// The day of the month.
    Day(Digits),
    /// The English name of the day of the week.
    Weekday(Letters),
    /// The hour, 0 to 23.
    Hour(Digits),
    /// The hour, 1 to 12.
    HalfDayHour(Digits),
    /// `AM` or `PM`.
    HalfDay,
    /// Two digits.
    Minute,
    /// Two digits.
    Second,
    /// So many digits after the point.
    Fraction(usize),
    /// `Z` or an offset: `+02:00` with a colon, `+0200` without one.
    Zone {
        /// Whether `+00:00` is written as `Z`.
        z: bool,
        /// Whether a colon is written.
        colon: bool,
    },
}

/// How many digits a number is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// As few as it has.
    Few,
    /// Two.
    Two,
}

/// How much of a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// The first three letters.
    Three,
    /// The whole name.
    All,
}

/// Why a text isn't a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// A letter that stands for nothing, or not so often.
    #[error("`{0}` stands for nothing here")]
    Unknown(String),
    /// A part of the date that stands twice.
    #[error("`{0}` names what another letter names already")]
    Twice(char),
    /// A quote without its partner.
    #[error("a quote isn't closed")]
    Unclosed,
    /// A pattern to read with that leaves the time open.
    #[error("{0}")]
    Incomplete(&'static str),
}

/// Letters that patterns know, for hints.
pub const LETTERS: &str = "yyyy MM M MMM MMMM dd d EEE EEEE HH H hh h a mm ss S (as many as there are digits) XXX \
     XX Z, other letters in single quotes; or iso, epoch_millis, epoch_second";

impl DateFormat {
    /// Reads a format.
    ///
    /// # Errors
    /// [`DateError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        match text {
            "iso" | "strict_date_optional_time" => Ok(Self::Iso),
            "epoch_millis" => Ok(Self::EpochMillis),
            "epoch_second" => Ok(Self::EpochSecond),
            pattern => pieces(pattern).map(Self::Pattern),
        }
    }

    /// Whether a text in this format names a point in time.
    ///
    /// # Errors
    /// [`DateError::Incomplete`] if it leaves open which.
    pub fn check_readable(&self) -> Result<(), DateError> {
        let Self::Pattern(pieces) = self else { return Ok(()) };
        let has = |test: fn(&DatePiece) -> bool| pieces.iter().any(test);
        let half_hour = has(|piece| matches!(piece, DatePiece::HalfDayHour(_)));
        if !has(|piece| matches!(piece, DatePiece::Year)) {
            return Err(DateError::Incomplete("a format to read needs the year, yyyy"));
        }
        if half_hour != has(|piece| matches!(piece, DatePiece::HalfDay)) {
            return Err(DateError::Incomplete("`hh` and `a` need each other"));
        }
        Ok(())
    }
}

fn pieces(pattern: &str) -> Result<Vec<DatePiece>, DateError> {
    let mut pieces: Vec<DatePiece> = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let piece = if first == '\'' {
            let (text, after) = quoted(&rest[1..])?;
            rest = after;
            DatePiece::Text(text)
        } else {
            let length: usize = rest.chars().take_while(|c| *c == first).map(char::len_utf8).sum();
            let (run, after) = rest.split_at(length);
            rest = after;
            piece(first, run)?
        };
        let numbered = !matches!(piece, DatePiece::Text(_));
        if numbered && pieces.iter().any(|other| same_part(other, &piece)) {
            return Err(DateError::Twice(first));
        }
        match (pieces.last_mut(), piece) {
            (Some(DatePiece::Text(before)), DatePiece::Text(more)) => before.push_str(&more),
            (_, piece) => pieces.push(piece),
        }
    }
    match pieces.iter().any(|piece| !matches!(piece, DatePiece::Text(_))) {
        true => Ok(pieces),
        false => Err(DateError::Unknown(pattern.to_owned())),
    }
}

fn same_part(a: &DatePiece, b: &DatePiece) -> bool {
    use DatePiece as P;
    let part = |piece: &DatePiece| match piece {
        P::MonthName(_) => std::mem::discriminant(&P::Month(Digits::Two)),
        P::HalfDayHour(_) => std::mem::discriminant(&P::Hour(Digits::Two)),
        other => std::mem::discriminant(other),
    };
    part(a) == part(b)
}

/// What stands between quotes; two of them are one. An empty pair is a quote, too.
fn quoted(text: &str) -> Result<(String, &str), DateError> {
    let (mut out, mut rest) = (String::new(), text);
    loop {
        let end = rest.find('\'').ok_or(DateError::Unclosed)?;
        out.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                out.push('\'');
                rest = after;
            }
            None if out.is_empty() => return Ok(("'".to_owned(), rest)),
            None => return Ok((out, rest)),
        }
    }
}

fn piece(letter: char, run: &str) -> Result<DatePiece, DateError> {
    use DatePiece as P;
    Ok(match (letter, run.len()) {
        ('y' | 'u', 4) => P::Year,
        ('M', 1) => P::Month(Digits::Few),
        ('M', 2) => P::Month(Digits::Two),
        ('M', 3) => P::MonthName(Letters::Three),
        ('M', 4) => P::MonthName(Letters::All),
        ('d', 1) => P::Day(Digits::Few),
        ('d', 2) => P::Day(Digits::Two),
        ('E', 1..=3) => P::Weekday(Letters::Three),
        ('E', 4) => P::Weekday(Letters::All),
        ('H', 1) => P::Hour(Digits::Few),
        ('H', 2) => P::Hour(Digits::Two),
        ('h', 1) => P::HalfDayHour(Digits::Few),
        ('h', 2) => P::HalfDayHour(Digits::Two),
        ('a', 1) => P::HalfDay,
        ('m', 2) => P::Minute,
        ('s', 2) => P::Second,
        ('S', digits @ 1..=9) => P::Fraction(digits),
        ('X', 3) => P::Zone { z: true, colon: true },
        ('X', 2) => P::Zone { z: true, colon: false },
        ('x', 3) => P::Zone { z: false, colon: true },
        ('x', 2) | ('Z', 1..=3) => P::Zone { z: false, colon: false },
        (letter, _) if letter.is_ascii_alphabetic() => {
            return Err(DateError::Unknown(run.to_owned()));
        }
        _ => P::Text(run.to_owned()),
    })
}

/// A fixed distance from UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset {
    /// Minutes east of UTC.
    pub minutes: i32,
}

impl Offset {
    /// Reads `UTC`, `Z`, `+02:00`, `-0530` or `+02`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if matches!(text, "UTC" | "utc" | "Z" | "z") {
            return Some(Self::default());
        }
        let sign = match text.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let digits = text.get(1..)?;
        let (hours, minutes) = match (digits.len(), digits.split_once(':')) {
            (5, Some((hours, minutes))) => (hours, minutes),
            (4, None) => digits.split_at_checked(2)?,
            (2, None) => (digits, "00"),
            _ => return None,
        };
        let number = |text: &str| -> Option<i32> {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            if digits { text.parse().ok() } else { None }
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let total = hours * 60 + minutes;
        (minutes < 60 && total <= 18 * 60).then_some(Self { minutes: sign * total })
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minutes < 0 { '-' } else { '+' };
        let minutes = self.minutes.abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read() {
        use DatePiece as P;
        let text = |text: &str| P::Text(text.to_owned());
        let zone = P::Zone { z: true, colon: true };
        for (pattern, expected) in [
            ("yyyy-MM", vec![P::Year, text("-"), P::Month(Digits::Two)]),
            (
                "d.M.uuuu",
                vec![P::Day(Digits::Few), text("."), P::Month(Digits::Few), text("."), P::Year],
            ),
            ("yyyy'T'''HHXXX", vec![P::Year, text("T'"), P::Hour(Digits::Two), zone]),
            ("yyyyMMMM", vec![P::Year, P::MonthName(Letters::All)]),
            ("ss.SSS''", vec![P::Second, text("."), P::Fraction(3), text("'")]),
        ] {
            assert_eq!(DateFormat::parse(pattern), Ok(DateFormat::Pattern(expected)), "{pattern}");
        }
        for wrong in
            ["yy", "YYYY", "yyyy-MMMMM", "", "-", "'T'", "yyyyTHH", "yyyy'T", "yyyy yyyy", "MM MMM"]
        {
            assert!(DateFormat::parse(wrong).is_err(), "{wrong}");
        }
        for (pattern, readable) in [
            ("yyyy", true),
            ("MM-dd", false),
            ("yyyy hh", false),
            ("yyyy hh a", true),
            ("yyyy a", false),
        ] {
            let format = DateFormat::parse(pattern).unwrap();
            assert_eq!(format.check_readable().is_ok(), readable, "{pattern}");
        }
    }

    #[test]
    fn offsets_are_read_and_written() {
        for (text, expected) in [
            ("UTC", Some("+00:00")),
            ("Z", Some("+00:00")),
            ("+02:00", Some("+02:00")),
            ("-0530", Some("-05:30")),
            ("+02", Some("+02:00")),
            ("-00:30", Some("-00:30")),
            ("Europe/Berlin", None),
            ("2", None),
            ("+2:00", None),
            ("+02:60", None),
            ("+19:00", None),
            ("+é2", None),
            ("+1é3", None),
            ("+-1:00", None),
            ("", None),
        ] {
            let got = Offset::parse(text).map(|offset| offset.to_string());
            assert_eq!(got.as_deref(), expected, "{text}");
        }
    }
}
