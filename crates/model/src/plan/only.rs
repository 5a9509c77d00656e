//! Cutting a plan down to the parts that were asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, PlannedPart, hash};
use crate::id::IndexName;

/// A filter of parts (`--only key=value`) that no part can match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchPart {
    /// No part has a capture of this name.
    #[error("the recipe's source has no capture {key:?}; it has {}", known.join(", "))]
    Key {
        /// What was asked for.
        key: String,
        /// The captures there are.
        known: Vec<String>,
    },
    /// No part has all of these values.
    #[error("no part has {asked}; there are {}", some(known))]
    Value {
        /// What was asked for.
        asked: String,
        /// The parts there are.
        known: Vec<String>,
    },
}

/// How many names are listed before the rest is only counted.
const LISTED: usize = 12;

fn some(known: &[String]) -> String {
    let listed = known.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match known.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

impl Plan {
    /// Keeps only the parts with the wanted captures: of one key any of its values, of several keys
    /// all. A value `a..b` stands for everything from `a` to `b`, both counted: whole numbers by value,
    /// anything else as text, which is right for days and months. Notes about other parts go with them; the hash becomes that of what is left.
    ///
    /// # Errors
    /// A key that is no capture, or values that no part has. A plan without any part is left alone:
    /// its notes say what is wrong with it.
    pub fn only(mut self, wanted: &[(String, String)]) -> Result<Plan, NoSuchPart> {
        if wanted.is_empty() || self.parts.is_empty() {
            return Ok(self);
        }
        let captures: BTreeSet<_> = self.parts.iter().flat_map(|p| p.captures.keys()).collect();
        if let Some((key, _)) = wanted.iter().find(|(key, _)| !captures.contains(key)) {
            let known = captures.into_iter().cloned().collect();
            return Err(NoSuchPart::Key { key: key.clone(), known });
        }
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (key, value) in wanted {
            values.entry(key).or_default().insert(value);
        }
        let known: Vec<_> = self.parts.iter().map(|part| part.source.to_string()).collect();
        self.parts.retain(|part| {
            values.iter().all(|(key, values)| {
                let value = part.captures.get(*key);
                value.is_some_and(|value| values.iter().any(|wanted| is_wanted(wanted, value)))
            })
        });
        if self.parts.is_empty() {
            let asked: Vec<_> =
                wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
            return Err(NoSuchPart::Value { asked: asked.join(" "), known });
        }
        let kept: BTreeSet<_> = self.parts.iter().flat_map(PlannedPart::indices).collect();
        self.notes.retain(|note| {
            note.part.as_ref().is_none_or(|part| kept.contains(&IndexName::new(part.as_str())))
        });
        self.hash = hash(&self.pipeline, &self.parts);
        Ok(self)
    }
}

/// Whether a capture is the wanted value, or in the wanted range.
fn is_wanted(wanted: &str, value: &str) -> bool {
    if wanted == value {
        return true;
    }
    let Some((from, to)) = wanted.split_once("..") else { return false };
    let numbers = (from.parse::<u64>(), value.parse::<u64>(), to.parse::<u64>());
    match numbers {
        (Ok(from), Ok(value), Ok(to)) => (from..=to).contains(&value),
        _ => (from..=to).contains(&value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_its_ends() {
        for (wanted, value, expected) in [
            ("2025-01", "2025-01", true),
            ("2025-01", "2025-02", false),
            ("2025-01..2025-06", "2025-01", true),
            ("2025-01..2025-06", "2025-06", true),
            ("2025-01..2025-06", "2025-07", false),
            ("2025-01..2025-06", "2024-12", false),
            ("9..11", "10", true),
            ("9..11", "100", false),
            ("2025-06..2025-01", "2025-03", false),
            ("a..b", "a..b", true),
        ] {
            assert_eq!(is_wanted(wanted, value), expected, "{wanted} {value}");
        }
    }
}
