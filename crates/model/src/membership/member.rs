//! What a document says of a member.

use serde_json::Value;

use super::{Deletion, Instant, day_of_publication};
use crate::recipe::{MemberSource, Path};
use crate::value::{self, values};

/// What a document says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// The groups it is in, each once, that of everyone first.
    pub groups: Vec<String>,
    /// Since when it has been there.
    pub since: Instant,
    /// The first day of its publication.
    pub published: Option<String>,
    /// Whether it was deleted.
    pub deletion: Deletion,
}

/// Why a document is no member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberFault {
    /// It lacks a field, or the field isn't one text.
    #[error("`{0}` is not one text")]
    NoText(String),
    /// Its date cannot be read.
    #[error("`{field}` is no date: {text}")]
    NoDate {
        /// The field.
        field: String,
        /// What stands there.
        text: String,
    },
}

impl Member {
    /// Reads a document.
    ///
    /// # Errors
    /// [`MemberFault`] where it has no id or no date.
    pub fn read(source: &MemberSource, document: &Value) -> Result<Self, MemberFault> {
        let id = one(document, &source.id)?;
        let text = one(document, &source.since)?;
        let since = Instant::parse(&text)
            .ok_or_else(|| MemberFault::NoDate { field: source.since.dotted(), text })?;
        let mut groups: Vec<String> = source.all.iter().cloned().collect();
        for group in values(document, &source.groups).into_iter().filter_map(value::text) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        let first = |path: &Option<Path>| {
            let path = path.as_ref()?;
            values(document, path).into_iter().find_map(value::text)
        };
        let published = first(&source.published).and_then(|text| day_of_publication(&text));
        let deleted = first(&source.deleted).is_some_and(|flag| flag == "true");
        let deletion = match deleted {
            true => Deletion::Deleted {
                at: first(&source.deleted_at).and_then(|at| Instant::parse(&at)),
            },
            false => Deletion::Not,
        };
        Ok(Self { id, groups, since, published, deletion })
    }
}

fn one(document: &Value, path: &Path) -> Result<String, MemberFault> {
    match values(document, path).as_slice() {
        [one] => value::text(one).filter(|text| !text.is_empty()),
        _ => None,
    }
    .ok_or_else(|| MemberFault::NoText(path.dotted()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source() -> MemberSource {
        let path = |text: &str| Path::parse(text).unwrap();
        MemberSource {
            index: "members".to_owned(),
            query: None,
            id: path("id"),
            groups: path("in.ids[]"),
            all: Some("everyone".to_owned()),
            since: path("created"),
            published: Some(path("m.date")),
            deleted: Some(path("gone.yes")),
            deleted_at: Some(path("gone.at")),
        }
    }

    #[test]
    fn a_member_is_read() {
        let document = json!({
            "id": "a", "created": "2025-06-01T00:00:00+00:00", "in": { "ids": ["x", "y", "x"] },
            "m": { "date": "2020-10" }, "gone": { "yes": true, "at": "2026-01-01T00:00:00" }
        });
        let member = Member::read(&source(), &document).unwrap();
        assert_eq!(member.groups, ["everyone", "x", "y"]);
        assert_eq!(member.since.as_str(), "2025-06-01T00:00:00+00:00");
        assert_eq!(member.published.as_deref(), Some("2020-10-01"));
        let at = Instant::parse("2026-01-01T00:00:00");
        assert_eq!(member.deletion, Deletion::Deleted { at });
        let least = json!({ "id": 7, "created": "2025-06-01" });
        let member = Member::read(&source(), &least).unwrap();
        assert_eq!((member.id.as_str(), member.groups.len()), ("7", 1));
        assert_eq!((member.published, member.deletion), (None, Deletion::Not));
    }

    #[test]
    fn what_is_no_member_says_why() {
        for (document, why) in [
            (json!({ "created": "2025-06-01" }), "`id` is not one text"),
            (json!({ "id": "a" }), "`created` is not one text"),
            (json!({ "id": ["a", "b"], "created": "2025-06-01" }), "`id` is not one text"),
            (json!({ "id": "a", "created": "soon" }), "`created` is no date: soon"),
        ] {
            let error = Member::read(&source(), &document).unwrap_err();
            assert_eq!(error.to_string(), why);
        }
    }
}
