//! Numbers by their digits, never through a floating-point number.

/// A decimal number: `digits × 10^exponent`, digits without zeros at either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads a number as JSON spells it. None if the text isn't one.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if !rest.first()?.is_ascii_digit() || super::skip_document(text).is_err() {
            return None;
        }
        let (mantissa, power) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (&rest[..at], power(&rest[at + 1..])),
            None => (rest, 0),
        };
        let mut digits = Vec::with_capacity(mantissa.len());
        let mut exponent = power;
        let mut fraction = false;
        for &byte in mantissa {
            match byte {
                b'.' => fraction = true,
                b' ' | b'\t' | b'\n' | b'\r' => return None,
                digit => {
                    if !(digits.is_empty() && digit == b'0') {
                        digits.push(digit);
                    }
                    exponent = exponent.saturating_sub(i64::from(fraction));
                }
            }
        }
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent = exponent.saturating_add(1);
        }
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        Some(Self { negative, digits, exponent })
    }

    /// The whole number it is, if it is one of at most 38 digits.
    pub(crate) fn whole(&self) -> Option<i128> {
        let zeros = usize::try_from(self.exponent).ok()?;
        if self.digits.len().checked_add(zeros)? > 38 {
            return None;
        }
        let digits = self.digits.iter().copied().chain(std::iter::repeat_n(b'0', zeros));
        let value = digits.fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
        Some(if self.negative { -value } else { value })
    }

    /// Whether it has digits after the decimal point.
    pub(crate) fn has_fraction(&self) -> bool {
        self.exponent < 0
    }

    /// The number times ten to this power.
    pub(crate) fn scaled(mut self, power: i64) -> Self {
        if !self.digits.is_empty() {
            self.exponent = self.exponent.saturating_add(power);
        }
        self
    }

    /// Smaller, equal or larger.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        let sign = |n: &Self| match (n.digits.is_empty(), n.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let magnitude = self.magnitude().cmp(&other.magnitude());
            let size = magnitude.then_with(|| self.digits.cmp(&other.digits));
            if self.negative { size.reverse() } else { size }
        })
    }

    /// Where the first digit stands.
    fn magnitude(&self) -> i64 {
        self.exponent.saturating_add(i64::try_from(self.digits.len()).unwrap_or(i64::MAX))
    }
}

/// The power of ten; beyond any sensible size it stays at the edge.
fn power(text: &[u8]) -> i64 {
    let (negative, digits) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let size = digits.iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit.saturating_sub(b'0')))
    });
    if negative { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_equal_in_every_spelling() {
        let number = |text: &str| Decimal::parse(text.as_bytes()).unwrap();
        for (a, b) in
            [("1", "1.0"), ("1e3", "1000"), ("0", "-0.0"), ("12.50", "125e-1"), ("-1E+2", "-100")]
        {
            assert_eq!(number(a), number(b), "{a} {b}");
        }
        for (a, b) in
            [("9007199254740993", "9007199254740992"), ("1", "-1"), ("0.1", "0.10000000000000001")]
        {
            assert_ne!(number(a), number(b), "{a} {b}");
        }
    }

    #[test]
    fn whole_numbers_are_exact() {
        for (text, expected) in [
            ("9223372036854775807", Some(9_223_372_036_854_775_807)),
            ("-9223372036854775809", Some(-9_223_372_036_854_775_809)),
            ("1.5", None),
            ("1.50e1", Some(15)),
            ("0", Some(0)),
            ("1e999999999999999999999", None),
            ("1e38", None),
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()).unwrap().whole(), expected, "{text}");
        }
        for text in ["", "a", "01", "1.", "+1", " 1", "1 ", "0x1", "--1", "1,2"] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn order_is_by_value() {
        let sorted =
            ["-1e30", "-2", "-1.5", "-0.1", "0", "1e-30", "0.1", "9", "10", "10.5", "1e2", "1e300"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                let order = Decimal::parse(a.as_bytes())
                    .unwrap()
                    .order(&Decimal::parse(b.as_bytes()).unwrap());
                assert_eq!(order, i.cmp(&j), "{a} {b}");
            }
        }
    }
}
