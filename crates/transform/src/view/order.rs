//! The order of a key's rows.

use std::cmp::Ordering;

use segue_model::recipe::{Multiple, Order};

use crate::json::number::Decimal;
use crate::json::{Found, decode, find};

/// What a row is sorted by: false, true, then numbers, then texts; rows without the field last.
/// Rows that are equal in it are in the order of their bytes, so that the order is always the same.
#[derive(Debug)]
pub(super) struct SortKey {
    value: Option<Value>,
    row: Vec<u8>,
}

#[derive(Debug)]
enum Value {
    Bool(bool),
    Number(Decimal),
    Text(Vec<u8>),
}

impl SortKey {
    pub(super) fn of(row: &[u8], multiple: &Multiple) -> Self {
        let value = match find(row, multiple.sort.segments()) {
            Found::Value(raw) => read(raw),
            Found::Nothing | Found::List(_) => None,
        };
        Self { value, row: row.to_vec() }
    }

    pub(super) fn compare(&self, other: &Self, order: Order) -> Ordering {
        let values = match (&self.value, &other.value) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => match order {
                Order::Asc => a.order(b),
                Order::Desc => b.order(a),
            },
        };
        values.then_with(|| self.row.cmp(&other.row))
    }
}

fn read(raw: &[u8]) -> Option<Value> {
    match raw.first()? {
        b't' => Some(Value::Bool(true)),
        b'f' => Some(Value::Bool(false)),
        b'"' => Some(Value::Text(decode(&raw[1..raw.len() - 1]).into_owned())),
        _ => Decimal::parse(raw).map(Value::Number),
    }
}

impl Value {
    fn order(&self, other: &Self) -> Ordering {
        let rank = |value: &Self| match value {
            Self::Bool(_) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        };
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.order(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}
