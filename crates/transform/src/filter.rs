//! Deciding whether a document is left out.

use std::sync::Arc;

use segue_model::recipe::{Filter, FilterWhen, Json, Path, Predicate};

use crate::json::number::Decimal;
use crate::json::{decode, spread};

/// A filter, ready to run.
#[derive(Debug)]
pub(crate) struct FilterRule {
    /// The field it tests.
    pub(crate) field: Path,
    /// The reason documents are counted under.
    pub(crate) reason: Arc<str>,
    test: Test,
    drops_when: bool,
}

#[derive(Debug)]
enum Test {
    OneOf(Vec<Scalar>),
    Exists,
    Missing,
}

/// A scalar by what it says.
#[derive(Debug, PartialEq)]
enum Scalar {
    Bool(bool),
    Number(Decimal),
    Text(Vec<u8>),
}

impl FilterRule {
    pub(crate) fn compile(filter: &Filter) -> Self {
        let (predicate, drops_when) = match &filter.when {
            FilterWhen::Drop(predicate) => (predicate, true),
            FilterWhen::Keep(predicate) => (predicate, false),
        };
        let scalars = |values: &[Json]| {
            values.iter().filter_map(|value| Scalar::read(value.as_str().as_bytes())).collect()
        };
        let (field, test) = match predicate {
            Predicate::Equals(field, value) => {
                (field, Test::OneOf(scalars(std::slice::from_ref(value))))
            }
            Predicate::In(field, values) => (field, Test::OneOf(scalars(values))),
            Predicate::Exists(field) => (field, Test::Exists),
            Predicate::Missing(field) => (field, Test::Missing),
        };
        Self { field: field.clone(), reason: Arc::from(filter.reason.as_str()), test, drops_when }
    }

    /// Whether the document goes, given the member that the field's first name stands for.
    pub(crate) fn drops(&self, member: Option<&[u8]>) -> bool {
        self.holds(member) == self.drops_when
    }

    fn holds(&self, member: Option<&[u8]>) -> bool {
        let mut values = Vec::new();
        if let Some((value, (first, rest))) = member.zip(self.field.segments().split_first()) {
            // A list on the way that the path doesn't go into has no such field.
            let _ = spread(value, first.each, rest, &mut |value| values.push(value));
        }
        match &self.test {
            Test::Exists => !values.is_empty(),
            Test::Missing => values.is_empty(),
            Test::OneOf(wanted) => values.iter().any(|value| any_of(value, wanted)),
        }
    }
}

/// Whether the value, or one of a list's, is among those wanted.
fn any_of(value: &[u8], wanted: &[Scalar]) -> bool {
    let mut found = false;
    let _ = spread(value, true, &[], &mut |value| {
        found |= Scalar::read(value).is_some_and(|scalar| wanted.contains(&scalar));
    });
    found
}

impl Scalar {
    fn read(raw: &[u8]) -> Option<Self> {
        match raw.first()? {
            b't' => Some(Self::Bool(true)),
            b'f' => Some(Self::Bool(false)),
            b'"' => Some(Self::Text(decode(&raw[1..raw.len() - 1]).into_owned())),
            _ => Decimal::parse(raw).map(Self::Number),
        }
    }
}
