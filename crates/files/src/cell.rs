//! Cells: what a text is, and how it becomes JSON.

use std::str::FromStr;

use segue_model::recipe::{ColumnType, EmptyCell};

/// The type that a text has by itself. A number that would lose digits, or zeros in front, is a text.
pub(crate) fn type_of(text: &str) -> ColumnType {
    if text == "true" || text == "false" {
        ColumnType::Boolean
    } else if is_long(text) {
        ColumnType::Long
    } else if is_plain_decimal(text) {
        ColumnType::Double
    } else if is_date(text) {
        ColumnType::Date
    } else {
        ColumnType::String
    }
}

/// Appends `text` as JSON; fails with what it is not.
pub(crate) fn push(
    text: &str,
    column: ColumnType,
    empty: EmptyCell,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    if text.is_empty() {
        let stays = column == ColumnType::String && empty == EmptyCell::Text;
        out.extend_from_slice(if stays { b"\"\"" } else { b"null" });
        return Ok(());
    }
    let value = if column == ColumnType::String { text } else { text.trim_ascii() };
    match column {
        ColumnType::Long if is_long(value) => out.extend_from_slice(value.as_bytes()),
        ColumnType::Long => return Err("a whole number of 64 bits without zeros in front"),
        ColumnType::Double if is_json_number(value) => out.extend_from_slice(value.as_bytes()),
        ColumnType::Double => return Err("a decimal number"),
        ColumnType::Boolean => match value.to_ascii_lowercase().as_str() {
            "true" => out.extend_from_slice(b"true"),
            "false" => out.extend_from_slice(b"false"),
            _ => return Err("true or false"),
        },
        ColumnType::Date if !is_date(value) => return Err("a date as ISO 8601 writes it"),
        ColumnType::Date | ColumnType::String => push_text(value, out),
    }
    Ok(())
}

/// Appends a JSON text.
pub(crate) fn push_text(text: &str, out: &mut Vec<u8>) {
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn is_long(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits == "0" || (!digits.starts_with('0') && is_digits(digits));
    plain && text != "-0" && i64::from_str(text).is_ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The most digits that every decimal number of a double keeps.
pub(crate) const DOUBLE_DIGITS: usize = 15;

/// A decimal number as people write it, without an exponent, that a double keeps.
fn is_plain_decimal(text: &str) -> bool {
    let number = text.strip_prefix('-').unwrap_or(text);
    let Some((whole, fraction)) = number.split_once('.') else { return false };
    let starts_well = whole == "0" || (!whole.starts_with('0') && is_digits(whole));
    starts_well && is_digits(fraction) && whole.len() + fraction.len() <= DOUBLE_DIGITS
}

fn is_json_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// `2024-06-01`, or with a time: `2024-06-01T12:00:00.5Z`.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let dashed = bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-';
    if !dashed || !text.is_ascii() || text.contains('[') {
        return false;
    }
    match bytes.get(10) {
        None => jiff::civil::Date::from_str(text).is_ok(),
        Some(b'T') if text.ends_with('Z') || has_offset(text) => {
            jiff::Timestamp::from_str(text).is_ok()
        }
        Some(b'T') => jiff::civil::DateTime::from_str(text).is_ok(),
        Some(_) => false,
    }
}

fn has_offset(text: &str) -> bool {
    let time = &text[11..];
    time.rfind(['+', '-']).is_some_and(|at| at >= 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_for_a_number_only_if_nothing_is_lost() {
        use ColumnType as T;
        for (text, expected) in [
            ("0", T::Long),
            ("-17", T::Long),
            ("9223372036854775807", T::Long),
            ("9223372036854775808", T::String),
            ("12345678901234567890", T::String),
            ("00501", T::String),
            ("-0", T::String),
            ("+5", T::String),
            ("1.10", T::Double),
            ("-0.5", T::Double),
            ("1.", T::String),
            (".5", T::String),
            ("1e5", T::String),
            ("1.2.3.4", T::String),
            ("0.1234567890123456789", T::String),
            ("NaN", T::String),
            ("true", T::Boolean),
            ("True", T::String),
            ("2024-02-29", T::Date),
            ("2023-02-29", T::String),
            ("2024-06-01T12:00", T::Date),
            ("2024-06-01T12:00:00.123Z", T::Date),
            ("2024-06-01T12:00:00+02:00", T::Date),
            ("2024-06-01T12:00:00+02:00[Europe/Berlin]", T::String),
            ("2024-06-01 12:00:00", T::String),
            ("20240601", T::Long),
            (" 5", T::String),
        ] {
            assert_eq!(type_of(text), expected, "{text}");
        }
    }

    #[test]
    fn cells_become_json_or_say_what_they_are_not() {
        use ColumnType as T;
        let table: [(&str, T, Result<&str, &str>); 13] = [
            ("00501", T::String, Ok("\"00501\"")),
            ("a\"b\nc\\", T::String, Ok(r#""a\"b\nc\\""#)),
            ("00501", T::Long, Err("a whole number of 64 bits without zeros in front")),
            (" 42 ", T::Long, Ok("42")),
            ("1.10", T::Double, Ok("1.10")),
            ("1e5", T::Double, Ok("1e5")),
            ("1e999", T::Double, Err("a decimal number")),
            ("x", T::Double, Err("a decimal number")),
            ("TRUE", T::Boolean, Ok("true")),
            ("yes", T::Boolean, Err("true or false")),
            ("2024-01-01", T::Date, Ok("\"2024-01-01\"")),
            ("1.1.2024", T::Date, Err("a date as ISO 8601 writes it")),
            ("", T::Long, Ok("null")),
        ];
        for (text, column, expected) in table {
            let mut out = Vec::new();
            let got = push(text, column, EmptyCell::Null, &mut out);
            assert_eq!(got.map(|()| String::from_utf8(out).unwrap()), expected.map(str::to_owned));
        }
    }

    #[test]
    fn an_empty_text_stays_one_where_the_recipe_says_so() {
        for (column, expected) in [(ColumnType::String, "\"\""), (ColumnType::Long, "null")] {
            let mut out = Vec::new();
            push("", column, EmptyCell::Text, &mut out).unwrap();
            assert_eq!(out, expected.as_bytes());
        }
    }
}
