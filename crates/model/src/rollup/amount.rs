//! Exact amounts: sums that do not depend on the order in which they are added up.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde_json::Value;

/// Millionths in one.
const ONE: i128 = 1_000_000;
/// The largest value that is added up, in whole units: beyond it a floating-point number has lost units.
const MOST: f64 = 9_007_199_254_740_992.0;

/// A count or a sum, in millionths. Whole numbers are exact, and so is adding up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// So many.
    #[must_use]
    pub fn count(number: u64) -> Amount {
        Amount(i128::from(number) * ONE)
    }

    /// A number of a document, rounded to millionths. `None` if it is none, or one that cannot be kept
    /// exactly.
    #[must_use]
    pub fn of(value: &Value) -> Option<Amount> {
        let number = value.as_number()?;
        if let Some(whole) = number.as_i128() {
            return whole.checked_mul(ONE).map(Amount);
        }
        let number = number.as_f64().filter(|number| number.abs() <= MOST)?;
        Some(Amount((number * 1e6).round() as i128))
    }

    /// As a JSON number: whole where it is whole.
    #[must_use]
    pub fn to_json(self) -> Value {
        let whole = i64::try_from(self.0 / ONE).ok().filter(|_| self.0 % ONE == 0);
        whole.map_or_else(|| Value::from(self.0 as f64 / 1e6), Value::from)
    }
}

impl Add for Amount {
    type Output = Amount;

    fn add(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }
}

impl Sub for Amount {
    type Output = Amount;

    fn sub(self, other: Amount) -> Amount {
        Amount(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        *self = *self + other;
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Amount {
        amounts.fold(Amount::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (value, written) in [
            (json!(5), Some(json!(5))),
            (json!(-5), Some(json!(-5))),
            (json!(1_984_949.0), Some(json!(1_984_949))),
            (json!(0.1), Some(json!(0.1))),
            (json!(u64::MAX), Some(json!(u64::MAX as f64))),
            (json!(1e300), None),
            (json!("5"), None),
            (json!(null), None),
        ] {
            assert_eq!(Amount::of(&value).map(Amount::to_json), written, "{value}");
        }
    }

    #[test]
    fn tenths_add_up_to_one() {
        let sum: Amount = (0..10).filter_map(|_| Amount::of(&json!(0.1))).sum();
        assert_eq!(sum, Amount::count(1));
    }
}
