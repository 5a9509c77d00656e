//! What a dry run found.

use std::collections::BTreeMap;

use segue_model::balance::Balance;
use segue_model::estimate::Span;
use segue_model::id::{IndexName, MigrationName};
use segue_model::letter::group;
use serde::Serialize;

use crate::pass::DeadLetter;
use crate::report::PartError;

/// How many documents are named for each group, and how many that lack a field.
const NAMED: usize = 5;
/// How many groups are kept apart; those that come later are one.
const GROUPS: usize = 200;
/// How much of a reason is kept, in characters.
const REASON: usize = 500;

/// What a dry run found.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    /// The migration.
    pub migration: MigrationName,
    /// The plan whose parts were tried.
    pub plan: String,
    /// How many documents of each part were to be tried; none = all.
    pub sample: Option<u64>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Each part that is left to be copied, by source.
    pub parts: Vec<DryPart>,
}

impl DryRun {
    /// Whether every document that was tried would be carried over, and would pass verification.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.parts.iter().all(|part| part.refused == 0 && part.incomplete == 0)
    }
}

/// What was found of one part.
#[derive(Clone, Debug, Serialize)]
pub struct DryPart {
    /// The source.
    pub source: IndexName,
    /// The target.
    pub target: IndexName,
    /// Live Lucene documents of the source; none where it is files.
    pub documents: Option<u64>,
    /// Documents that were read.
    pub read: u64,
    /// Documents that would be written; of several with one id each counts.
    pub written: u64,
    /// Documents that would be left out, by the recipe's reason.
    pub filtered: BTreeMap<String, u64>,
    /// Documents that would be dead letters.
    pub refused: u64,
    /// The same by cause, the most frequent first.
    pub groups: Vec<DryGroup>,
    /// Documents that would be written without a field that `verify.required` names.
    pub incomplete: u64,
    /// Some of them.
    pub incomplete_documents: Vec<String>,
    /// Index templates that apply to the target and not to the scratch index.
    pub templates: Vec<String>,
    /// How long copying all of it takes at the speed of the trial; none where it was too short to tell.
    pub seconds: Option<Span>,
    /// Why it was not tried to the end.
    pub error: Option<PartError>,
}

/// Refused documents of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DryGroup {
    /// The kind of refusal: the engine's error type, or ours.
    pub kind: String,
    /// The reason without what differs from document to document.
    pub group: String,
    /// How many.
    pub count: u64,
    /// Some of them.
    pub documents: Vec<String>,
    /// Why the first of them is refused.
    pub reason: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub balance: Balance,
    pub incomplete: u64,
    pub incomplete_documents: Vec<String>,
    groups: BTreeMap<(String, String), DryGroup>,
}

impl Found {
    pub(super) fn refuse(&mut self, letter: &DeadLetter) {
        let mut key = (letter.kind.clone(), group(&letter.reason));
        if self.groups.len() >= GROUPS && !self.groups.contains_key(&key) {
            key = ("other".to_owned(), "other causes".to_owned());
        }
        let (kind, text) = key.clone();
        let entry = self.groups.entry(key).or_insert_with(|| DryGroup {
            kind,
            group: text,
            count: 0,
            documents: Vec::new(),
            reason: letter.reason.chars().take(REASON).collect(),
        });
        entry.count += 1;
        if entry.documents.len() < NAMED {
            entry.documents.push(letter.document.clone());
        }
    }

    pub(super) fn lacks(&mut self, id: &str) {
        self.incomplete += 1;
        if self.incomplete_documents.len() < NAMED {
            self.incomplete_documents.push(id.to_owned());
        }
    }

    pub(super) fn add(&mut self, other: Found) {
        self.balance.add(&other.balance);
        self.incomplete += other.incomplete;
        self.incomplete_documents.extend(other.incomplete_documents);
        self.incomplete_documents.truncate(NAMED);
        for (key, group) in other.groups {
            match self.groups.get_mut(&key) {
                Some(there) => {
                    there.count += group.count;
                    there.documents.extend(group.documents);
                    there.documents.truncate(NAMED);
                }
                None => drop(self.groups.insert(key, group)),
            }
        }
    }

    /// Puts what was found into the report.
    pub(super) fn tell(self, part: &mut DryPart) {
        part.read = self.balance.read;
        part.written = self.balance.written + self.balance.already_there;
        part.refused = self.balance.dead_lettered();
        part.filtered = self.balance.filtered;
        part.incomplete = self.incomplete;
        part.incomplete_documents = self.incomplete_documents;
        part.groups = self.groups.into_values().collect();
        part.groups.sort_by(|a, b| (b.count, &a.kind, &a.group).cmp(&(a.count, &b.kind, &b.group)));
    }
}

#[cfg(test)]
mod tests {
    use segue_model::id::{SeqNo, Shard};

    use super::*;

    fn letter(id: &str, kind: &str, reason: &str) -> DeadLetter {
        DeadLetter::new((id, None), (Shard(0), SeqNo(1)), kind, reason)
    }

    #[test]
    fn one_cause_is_one_group_and_their_number_is_bounded() {
        let (mut one, mut other) = (Found::default(), Found::default());
        for n in 0..7 {
            let reason =
                format!("failed to parse field [v] of type [long] in document with id 'd{n}'");
            one.refuse(&letter(&format!("d{n}"), "parsing", &reason));
        }
        other.refuse(&letter(
            "e",
            "parsing",
            "failed to parse field [v] of type [long] in document with id 'e'",
        ));
        other.refuse(&letter("f", "strict", "not allowed"));
        other.lacks("g");
        one.add(other);
        assert_eq!(one.groups.len(), 2);
        let group = one.groups.values().find(|group| group.kind == "parsing").unwrap();
        assert_eq!((group.count, group.documents.len()), (8, NAMED));
        assert_eq!((one.incomplete, one.incomplete_documents.len()), (1, 1));
        for n in 0..2 * GROUPS {
            let name: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
            one.refuse(&letter("x", &name, "r"));
        }
        assert_eq!(one.groups.len(), GROUPS + 1);
    }
}
