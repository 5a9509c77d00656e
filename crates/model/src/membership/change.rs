//! Changes of membership, one a line of JSON.

use serde_json::{Map, Value};

use super::Instant;
use crate::recipe::{ChangeKeys, nearest};

/// One line of a file of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The member.
    pub member: String,
    /// What happened to it.
    pub action: Action,
}

/// What happened to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It joined a group, or left it.
    Belong {
        /// The group.
        group: String,
        /// Whether it joined.
        joins: bool,
        /// When.
        at: Instant,
        /// Since when the member has been there, where the line says so.
        since: Option<Instant>,
        /// When it was published, where the line says so.
        published: Option<String>,
        /// Whether it was deleted, where the line says so.
        deletion: Option<Deletion>,
    },
    /// It was deleted, or restored.
    Delete(Deletion),
}

/// Whether a member was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Deletion {
    /// It was not.
    #[default]
    Not,
    /// It was.
    Deleted {
        /// When, where that is known.
        at: Option<Instant>,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct LineFault {
    /// Where in the line, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

const ACTIONS: [&str; 4] = ["add", "remove", "delete", "restore"];
const KEYS: [&str; 6] = ["action", "at", "since", "published", "deleted", "deleted_at"];

impl Change {
    /// Reads a line.
    ///
    /// # Errors
    /// [`LineFault`], with the column.
    pub fn read(line: &str, keys: &ChangeKeys) -> Result<Self, LineFault> {
        let value: Value = serde_json::from_str(line).map_err(|error| {
            let text = error.to_string();
            let why = text.split(" at line ").next().unwrap_or_default();
            let before = line.as_bytes().get(..error.column().saturating_sub(1));
            let before = before.map_or(0, |bytes| String::from_utf8_lossy(bytes).chars().count());
            LineFault { column: before + 1, why: format!("not JSON: {why}") }
        })?;
        let Value::Object(members) = value else {
            return Err(LineFault { column: 1, why: "not an object".to_owned() });
        };
        Line { text: line, members: &members, keys }.read()
    }
}

struct Line<'l> {
    text: &'l str,
    members: &'l Map<String, Value>,
    keys: &'l ChangeKeys,
}

impl Line<'_> {
    fn read(&self) -> Result<Change, LineFault> {
        let own = [self.keys.member.as_str(), self.keys.group.as_str()];
        let known = || own.into_iter().chain(KEYS);
        for key in self.members.keys() {
            if !known().any(|one| one == key) {
                let near = nearest(key, known());
                let hint =
                    near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
                return Err(self.fault(key, format!("`{key}` means nothing here{hint}")));
            }
        }
        let member = self.need(&self.keys.member)?;
        let action = self.need("action")?;
        let action = match action.as_str() {
            "add" | "remove" => self.belong(action == "add")?,
            "delete" => {
                self.alone("delete")?;
                Action::Delete(Deletion::Deleted { at: Some(self.needed_date("at")?) })
            }
            "restore" => {
                self.alone("restore")?;
                self.date("at")?;
                Action::Delete(Deletion::Not)
            }
            other => {
                let near = nearest(other, ACTIONS);
                let near =
                    near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
                let why = format!("`{other}` is no action: add, remove, delete or restore{near}");
                return Err(self.fault("action", why));
            }
        };
        Ok(Change { member, action })
    }

    fn belong(&self, joins: bool) -> Result<Action, LineFault> {
        Ok(Action::Belong {
            group: self.need(&self.keys.group)?,
            joins,
            at: self.needed_date("at")?,
            since: self.date("since")?,
            published: match self.text("published")? {
                None => None,
                Some(text) => match super::day_of_publication(&text) {
                    Some(day) => Some(day),
                    None => return Err(self.fault("published", format!("`{text}` is no date"))),
                },
            },
            deletion: self.deletion()?,
        })
    }

    fn deletion(&self) -> Result<Option<Deletion>, LineFault> {
        let at = self.date("deleted_at")?;
        match (self.members.get("deleted"), at) {
            (None | Some(Value::Null), None) => Ok(None),
            (Some(Value::Bool(false)), None) => Ok(Some(Deletion::Not)),
            (Some(Value::Bool(true)), at) => Ok(Some(Deletion::Deleted { at })),
            (None | Some(Value::Null | Value::Bool(false)), Some(_)) => {
                Err(self.fault("deleted_at", "`deleted_at` needs `deleted: true`".to_owned()))
            }
            _ => Err(self.fault("deleted", "`deleted` must be true or false".to_owned())),
        }
    }

    /// Deleted is a member as a whole.
    fn alone(&self, action: &str) -> Result<(), LineFault> {
        let group = self.keys.group.as_str();
        for key in [group, "since", "published", "deleted", "deleted_at"] {
            if self.members.contains_key(key) {
                return Err(self
                    .fault(key, format!("`{action}` has no `{key}`: it is of the whole member")));
            }
        }
        Ok(())
    }

    fn needed_date(&self, key: &str) -> Result<Instant, LineFault> {
        self.need(key)?;
        self.date(key)?.ok_or_else(|| self.fault(key, format!("`{key}` is missing")))
    }

    fn date(&self, key: &str) -> Result<Option<Instant>, LineFault> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let date = Instant::parse(&text).ok_or_else(|| {
            self.fault(key, format!("`{text}` is no time such as 2025-06-04T10:00:00"))
        })?;
        Ok(Some(date))
    }

    fn need(&self, key: &str) -> Result<String, LineFault> {
        self.text(key)?.ok_or_else(|| LineFault { column: 1, why: format!("`{key}` is missing") })
    }

    fn text(&self, key: &str) -> Result<Option<String>, LineFault> {
        match self.members.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(Value::String(_)) => Err(self.fault(key, format!("`{key}` is empty"))),
            Some(_) => Err(self.fault(key, format!("`{key}` must be a text"))),
        }
    }

    fn fault(&self, key: &str, why: String) -> LineFault {
        let at = self.text.find(&format!("\"{key}\"")).unwrap_or(0);
        LineFault { column: self.text[..at].chars().count() + 1, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> ChangeKeys {
        ChangeKeys { member: "record".to_owned(), group: "community".to_owned() }
    }

    #[test]
    fn lines_are_read() {
        let line = r#"{"record":"r","community":"c","action":"add","at":"2024-01-01T10:00:00"}"#;
        let change = Change::read(line, &keys()).unwrap();
        let at = Instant::parse("2024-01-01T10:00:00").unwrap();
        let expected = Action::Belong {
            group: "c".to_owned(),
            joins: true,
            at: at.clone(),
            since: None,
            published: None,
            deletion: None,
        };
        assert_eq!(change, Change { member: "r".to_owned(), action: expected });
        let line = r#"{"record":"r","action":"delete","at":"2024-01-01T10:00:00"}"#;
        let deleted = Action::Delete(Deletion::Deleted { at: Some(at) });
        assert_eq!(Change::read(line, &keys()).unwrap().action, deleted);
        let line = r#"{"record":"r","action":"restore"}"#;
        assert_eq!(Change::read(line, &keys()).unwrap().action, Action::Delete(Deletion::Not));
    }

    #[test]
    fn wrong_lines_say_where_and_why() {
        for (line, column, why) in [
            ("{\"record\": \"é\", oops}", 17, "not JSON: key must be a string"),
            ("", 1, "not JSON: EOF while parsing a value"),
            ("[]", 1, "not an object"),
            (r#"{"action":"add"}"#, 1, "`record` is missing"),
            (
                r#"{"record":"r","comunity":"c"}"#,
                15,
                "`comunity` means nothing here, did you mean `community`?",
            ),
            (
                r#"{"record":"r","action":"ad"}"#,
                15,
                "`ad` is no action: add, remove, delete or restore, did you mean `add`?",
            ),
            (r#"{"record":7,"action":"add"}"#, 2, "`record` must be a text"),
            (r#"{"record":"r","action":"add","community":""}"#, 30, "`community` is empty"),
            (
                r#"{"record":"r","action":"remove","community":"c","at":"noon"}"#,
                49,
                "`noon` is no time such as 2025-06-04T10:00:00",
            ),
            (
                r#"{"record":"r","action":"delete","community":"c","at":"2024-01-01"}"#,
                33,
                "`delete` has no `community`: it is of the whole member",
            ),
            (r#"{"record":"r","action":"delete"}"#, 1, "`at` is missing"),
        ] {
            let fault = Change::read(line, &keys()).unwrap_err();
            assert_eq!((fault.column, fault.why.as_str()), (column, why), "{line}");
        }
    }
}
