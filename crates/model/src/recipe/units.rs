//! Durations and byte sizes as a recipe spells them.

use std::time::Duration;

/// Reads `250ms`, `5s`, `10m`, `2h`, `7d`. At most ten years.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let millis: u64 = number.checked_mul(millis)?;
    (millis <= 3650 * 86_400_000).then(|| Duration::from_millis(millis))
}

/// Reads `512b`, `64kb`, `5mb`, `1gb`; a step is 1024, as in the engines' own sizes.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("250ms", Some(250)),
            ("5s", Some(5_000)),
            ("10m", Some(600_000)),
            ("2h", Some(7_200_000)),
            ("7d", Some(604_800_000)),
            ("0s", Some(0)),
            ("5", None),
            ("s", None),
            ("5 s", None),
            ("-5s", None),
            ("1.5s", None),
            ("5min", None),
            ("99999999999999999999s", None),
            ("4000d", None),
        ] {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("512b", Some(512)),
            ("64kb", Some(65_536)),
            ("5mb", Some(5_242_880)),
            ("5MB", Some(5_242_880)),
            ("1g", Some(1 << 30)),
            ("5", None),
            ("5tb", None),
            ("18446744073709551615kb", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
