//! A recipe for membership: whose groups are looked at, and what the events of joining and leaving look
//! like.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ClusterRef, Error, Json, NameTemplate, Path, read_membership};
use crate::membership::Kind;

/// A checked recipe of membership, language version 1.
#[derive(Clone, Debug)]
pub struct MembershipRecipe {
    /// The recipe's name.
    pub name: String,
    /// Where the cluster is and how to sign in.
    pub cluster: ClusterRef,
    /// Whose membership is kept, and where.
    pub membership: MembershipSpec,
    /// How much may be used.
    pub limits: MembershipLimits,
}

/// Whose membership is kept, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipSpec {
    /// The documents that are members of groups.
    pub members: MemberSource,
    /// The events.
    pub events: EventSpec,
    /// What changes are called in files.
    pub changes: ChangeKeys,
}

/// Documents that are members of groups.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSource {
    /// The index, alias or pattern.
    pub index: String,
    /// A query that they must match.
    pub query: Option<Json>,
    /// The field by which they are known; a keyword.
    pub id: Path,
    /// The field with the groups they are in now.
    pub groups: Path,
    /// A group that everyone is in.
    pub all: Option<String>,
    /// The field that says since when they have been there; a date.
    pub since: Path,
    /// The field that says when they were published.
    pub published: Option<Path>,
    /// The field that says whether they were deleted.
    pub deleted: Option<Path>,
    /// The field that says when.
    pub deleted_at: Option<Path>,
}

/// Where events are, and what they look like.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSpec {
    /// The index's name, made of `{year}`, `{month}` and `{day}` of the event.
    pub index: NameTemplate,
    /// A name for all of them.
    pub alias: Option<String>,
    /// The index template.
    pub template: Option<TemplateSpec>,
    /// The names of their fields.
    pub fields: EventFields,
    /// What joining is called.
    pub added: String,
    /// What leaving is called.
    pub removed: String,
}

impl EventSpec {
    /// What a kind of event is called.
    #[must_use]
    pub fn word(&self, kind: Kind) -> &str {
        match kind {
            Kind::Added => &self.added,
            Kind::Removed => &self.removed,
        }
    }

    /// The kind of event that is called so.
    #[must_use]
    pub fn kind(&self, word: &str) -> Option<Kind> {
        [Kind::Added, Kind::Removed].into_iter().find(|kind| self.word(*kind) == word)
    }
}

/// An index template that is kept installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateSpec {
    /// Its name in the cluster.
    pub name: String,
    /// File with `settings` and `mappings`, relative to the recipe.
    pub file: String,
    /// Its priority among templates for the same names.
    pub priority: u32,
}

/// The names of an event's fields. What has no name is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFields {
    /// The member's id.
    pub member: String,
    /// The group.
    pub group: String,
    /// Joining or leaving.
    pub kind: String,
    /// When that was.
    pub at: String,
    /// When the event was written.
    pub written: String,
    /// When it was changed last.
    pub updated: Option<String>,
    /// Since when the member has been there.
    pub since: Option<String>,
    /// When it was published.
    pub published: Option<String>,
    /// Whether it was deleted.
    pub deleted: Option<String>,
    /// When.
    pub deleted_at: Option<String>,
}

/// What a change's member and group are called in files of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeKeys {
    /// The member's id.
    pub member: String,
    /// The group.
    pub group: String,
}

impl Default for ChangeKeys {
    fn default() -> Self {
        Self { member: "member".to_owned(), group: "group".to_owned() }
    }
}

/// How much may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipLimits {
    /// Members of one request; changes that are made together.
    pub page_docs: u32,
    /// How often a write is tried again.
    pub retries: u32,
    /// How long is waited before that.
    pub retry_delay: Duration,
}

impl Default for MembershipLimits {
    fn default() -> Self {
        Self { page_docs: 1_000, retries: 5, retry_delay: Duration::from_secs(2) }
    }
}

impl MembershipRecipe {
    /// Reads and checks a recipe of membership. The arguments are those of [`super::Recipe::parse`].
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column.
    pub fn parse(
        text: &str,
        file: &str,
        set: &BTreeMap<String, String>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        read_membership::recipe(text, set, env).map_err(|fault| fault.into_error(text, file))
    }

    /// Whether the text is a recipe of membership, right or wrong.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        read_membership::is_membership(text)
    }
}
