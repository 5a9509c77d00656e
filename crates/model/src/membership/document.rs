//! Events as documents.

use serde_json::{Map, Value, json};

use super::{Deletion, Instant, Kind};
use crate::recipe::EventSpec;

/// The longest id that the engines take, bytes.
const LONGEST_ID: usize = 512;

/// An event as a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventOf<'a> {
    /// The member.
    pub member: &'a str,
    /// The group.
    pub group: &'a str,
    /// What it says.
    pub kind: Kind,
    /// When that was.
    pub at: &'a Instant,
    /// When it is written, milliseconds since 1970.
    pub written: i64,
    /// Since when the member has been there.
    pub since: Option<&'a Instant>,
    /// The first day of its publication.
    pub published: Option<&'a str>,
    /// Whether it was deleted.
    pub deletion: &'a Deletion,
}

/// An event's id would be longer than the engines take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ids of the member and the group are too long together: more than {LONGEST_ID} bytes with the date"
)]
pub struct TooLong;

/// The id of an event: the same for the same member, group, kind and instant, so that nobody writes it twice.
///
/// # Errors
/// [`TooLong`].
pub fn event_id(word: &str, at: &Instant, member: &str, group: &str) -> Result<String, TooLong> {
    // With the member's length, where one id ends and the other begins is never in doubt.
    let id = format!("{word}-{}-{}-{member}-{group}", at.ms(), member.len());
    if id.len() > LONGEST_ID { Err(TooLong) } else { Ok(id) }
}

impl EventOf<'_> {
    /// The document.
    #[must_use]
    pub fn document(&self, spec: &EventSpec) -> Value {
        let fields = &spec.fields;
        let mut document = Map::new();
        let mut put = |field: &str, value: Value| document.insert(field.to_owned(), value);
        put(&fields.member, json!(self.member));
        put(&fields.group, json!(self.group));
        put(&fields.kind, json!(spec.word(self.kind)));
        put(&fields.at, json!(self.at.as_str()));
        put(&fields.written, json!(Instant::of_ms(self.written).as_str()));
        if let Some(field) = &fields.updated {
            put(field, json!(Instant::of_ms(self.written).as_str()));
        }
        if let Some(field) = &fields.since {
            put(field, json!(self.since.map(Instant::as_str)));
        }
        if let Some(field) = &fields.published {
            put(field, json!(self.published));
        }
        self.deletion.mark(spec, &mut document);
        Value::Object(document)
    }
}

impl Deletion {
    /// Writes it into an event.
    pub fn mark(&self, spec: &EventSpec, document: &mut Map<String, Value>) {
        let (deleted, at) = match self {
            Self::Not => (false, None),
            Self::Deleted { at } => (true, at.as_ref()),
        };
        if let Some(field) = &spec.fields.deleted {
            document.insert(field.clone(), json!(deleted));
        }
        if let Some(field) = &spec.fields.deleted_at {
            document.insert(field.clone(), json!(at.map(Instant::as_str)));
        }
    }
}
