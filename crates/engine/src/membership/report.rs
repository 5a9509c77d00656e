//! What was done, and what was not.

use serde::Serialize;

use super::template::TemplateState;

/// How many refusals and bad lines are named.
const NAMED: usize = 20;

/// Something that was refused: a member that could not be read, or an event that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The member.
    pub member: String,
    /// The group, where an event was refused.
    pub group: Option<String>,
    /// Why.
    pub reason: String,
}

/// Everything that was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refusals {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Refused>,
}

impl Refusals {
    pub(super) fn add(&mut self, refused: Refused) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(refused);
        }
    }

    pub(super) fn extend(&mut self, other: Refusals) {
        let named = other.first.len() as u64;
        other.first.into_iter().for_each(|one| self.add(one));
        self.count += other.count - named;
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MembershipReport {
    /// The recipe.
    pub membership: String,
    /// Whether it only looked.
    pub dry_run: bool,
    /// Members that were looked at.
    pub processed: u64,
    /// Events that were written, or would be.
    pub new: u64,
    /// Events that were there.
    pub old: u64,
    /// What was refused.
    pub refused: Refusals,
    /// The index template.
    pub template: Option<TemplateState>,
    /// Requests that were sent.
    pub requests: u64,
}

/// A line that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// Where in it, from 1, in characters.
    pub column: usize,
    /// Why.
    pub why: String,
}

/// How many changes of each kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requested {
    /// Joining.
    pub add: u64,
    /// Leaving.
    pub remove: u64,
    /// Deleting.
    pub delete: u64,
    /// Restoring.
    pub restore: u64,
}

/// What became of a file of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApplyReport {
    /// The recipe.
    pub membership: String,
    /// Changes that were carried out, those that had nothing to change with them.
    pub changes: u64,
    /// By kind.
    pub requested: Requested,
    /// Events that were written.
    pub written: u64,
    /// Events whose deletion was written.
    pub updated: u64,
    /// Members that no document is known of; their events lack what it would have said.
    pub unknown: u64,
    /// What was refused.
    pub refused: Refusals,
    /// Lines that cannot be carried out; nothing after the first was.
    pub bad_lines: u64,
    /// The first of them.
    pub first_bad: Vec<BadLine>,
    /// Everything up to this line, with it, was carried out.
    pub done_to_line: u64,
    /// The index template.
    pub template: Option<TemplateState>,
    /// Requests that were sent.
    pub requests: u64,
}

impl ApplyReport {
    pub(super) fn bad(&mut self, bad: BadLine) {
        self.bad_lines += 1;
        if self.first_bad.len() < NAMED {
            self.first_bad.push(bad);
        }
    }
}
