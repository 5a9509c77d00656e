//! Changing the type of a value, exactly or not at all.

use std::borrow::Cow;

use segue_model::recipe::ConvertKind;

use crate::error::shown;
use crate::json::number::Decimal;
use crate::json::{Elements, push_quoted, scalar_text};

/// The value as another type. Null stays null, of a list every element is converted.
///
/// # Errors
/// Why it can't be, naming the value but not the field.
pub(crate) fn convert(raw: &[u8], kind: ConvertKind) -> Result<Cow<'_, [u8]>, String> {
    match raw.first() {
        Some(b'n') => Ok(Cow::Borrowed(raw)),
        Some(b'{') => Err(format!("an object can't become {}", kind.name())),
        Some(b'[') => list(raw, kind).map(Cow::Owned),
        _ => scalar(raw, kind),
    }
}

fn list(raw: &[u8], kind: ConvertKind) -> Result<Vec<u8>, String> {
    let mut out = vec![b'['];
    if let Some(mut elements) = Elements::of(raw) {
        while let Ok(Some(element)) = elements.advance() {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&convert(element, kind)?);
        }
    }
    out.push(b']');
    Ok(out)
}

fn scalar(raw: &[u8], kind: ConvertKind) -> Result<Cow<'_, [u8]>, String> {
    match kind {
        ConvertKind::Byte => whole(raw, kind, i8::MIN.into(), i8::MAX.into()),
        ConvertKind::Short => whole(raw, kind, i16::MIN.into(), i16::MAX.into()),
        ConvertKind::Integer => whole(raw, kind, i32::MIN.into(), i32::MAX.into()),
        ConvertKind::Long => whole(raw, kind, i64::MIN.into(), i64::MAX.into()),
        ConvertKind::UnsignedLong => whole(raw, kind, 0, u64::MAX.into()),
        ConvertKind::Float => floating(raw, kind, f64::from(f32::MAX)),
        ConvertKind::Double => floating(raw, kind, f64::MAX),
        ConvertKind::Boolean => boolean(raw),
        ConvertKind::String => Ok(string(raw)),
    }
}

fn refused<T>(raw: &[u8], kind: ConvertKind, why: &str) -> Result<T, String> {
    Err(format!("{} can't become {}: {why}", shown(raw), kind.name()))
}

/// The spelling of a number, in a text or not. None if the value isn't one.
fn number(raw: &[u8]) -> Option<(Cow<'_, [u8]>, Decimal)> {
    let text = scalar_text(raw)?;
    let decimal = Decimal::parse(&text)?;
    Some((text, decimal))
}

fn whole(raw: &[u8], kind: ConvertKind, min: i128, max: i128) -> Result<Cow<'_, [u8]>, String> {
    let Some((text, decimal)) = number(raw) else { return refused(raw, kind, "not a number") };
    if decimal.has_fraction() {
        return refused(raw, kind, "it has a fraction");
    }
    match decimal.whole() {
        Some(value) if (min..=max).contains(&value) => {
            let digits = value.to_string().into_bytes();
            Ok(if *text == *digits { text } else { Cow::Owned(digits) })
        }
        _ => refused(raw, kind, "out of range"),
    }
}

fn floating(raw: &[u8], kind: ConvertKind, max: f64) -> Result<Cow<'_, [u8]>, String> {
    let Some((text, _)) = number(raw) else { return refused(raw, kind, "not a number") };
    let value: Option<f64> = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    match value {
        // The digits stay as they are: the engine rounds them when it indexes.
        Some(value) if value.abs() <= max => Ok(text),
        _ => refused(raw, kind, "out of range"),
    }
}

fn boolean(raw: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match raw {
        b"true" | b"\"true\"" => Ok(Cow::Borrowed(b"true")),
        b"false" | b"\"false\"" => Ok(Cow::Borrowed(b"false")),
        _ => refused(raw, ConvertKind::Boolean, "neither true nor false"),
    }
}

fn string(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.first() == Some(&b'"') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len() + 2);
    push_quoted(&mut out, raw);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_converted_exactly_or_refused() {
        use ConvertKind as K;
        for (raw, kind, expected) in [
            ("\"123\"", K::Long, Some("123")),
            ("123", K::Long, Some("123")),
            ("1984949.0", K::Long, Some("1984949")),
            ("1e3", K::Long, Some("1000")),
            ("-0", K::Long, Some("0")),
            ("9007199254740993", K::Long, Some("9007199254740993")),
            ("\"9223372036854775807\"", K::Long, Some("9223372036854775807")),
            ("9223372036854775808", K::Long, None),
            ("-9223372036854775808", K::Long, Some("-9223372036854775808")),
            ("18446744073709551615", K::UnsignedLong, Some("18446744073709551615")),
            ("-1", K::UnsignedLong, None),
            ("1.5", K::Long, None),
            ("1e400", K::Long, None),
            ("\"\"", K::Long, None),
            ("\" 1\"", K::Long, None),
            ("true", K::Long, None),
            ("2147483648", K::Integer, None),
            ("-32768", K::Short, Some("-32768")),
            ("128", K::Byte, None),
            ("\"1.50\"", K::Double, Some("1.50")),
            ("0.1234567890123456789", K::Double, Some("0.1234567890123456789")),
            ("1e999", K::Double, None),
            ("\"NaN\"", K::Double, None),
            ("1e39", K::Float, None),
            ("\"true\"", K::Boolean, Some("true")),
            ("false", K::Boolean, Some("false")),
            ("0", K::Boolean, None),
            ("1.0", K::String, Some("\"1.0\"")),
            ("\"x\\u00e9\"", K::String, Some("\"x\\u00e9\"")),
            ("true", K::String, Some("\"true\"")),
            ("null", K::Long, Some("null")),
            ("[\"1\", 2.0 ,null]", K::Long, Some("[1,2,null]")),
            ("[]", K::Long, Some("[]")),
            ("[1,\"x\"]", K::Long, None),
            ("{}", K::String, None),
        ] {
            let got = convert(raw.as_bytes(), kind).ok();
            let got = got.as_ref().map(|bytes| std::str::from_utf8(bytes).unwrap());
            assert_eq!(got, expected, "{raw} {}", kind.name());
        }
    }

    #[test]
    fn a_refusal_names_the_value_cut_short() {
        let long = format!("\"{}\"", "é".repeat(500));
        let reason = convert(long.as_bytes(), ConvertKind::Long).unwrap_err();
        assert!(reason.ends_with("… can't become long: not a number"), "{reason}");
        assert!(reason.chars().count() < 130, "{reason}");
    }
}
