//! A difference as text: a line for each piece, so many at most.

use std::fmt;

use serde_json::Value;

use super::{Added, Changed, Difference, Effect, Lost, SettingChange, Then};
use crate::plan::Counted;

/// How many lines are shown before the rest is only counted.
const SHOWN: usize = 20;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.templates {
            let what = "applies to the target by its name; what it adds is not in this plan";
            writeln!(f, "    change  the index template {name} {what}")?;
        }
        if self.is_empty() {
            return Ok(());
        }
        let fields = (self.lost.len(), self.changed.len(), self.added.len());
        write!(
            f,
            "    change  fields: {} lost, {} changed, {} added",
            fields.0, fields.1, fields.2
        )?;
        let settings = self.settings.len() as u64;
        writeln!(f, "; {}", Counted(settings, "setting"))?;
        let grave = |effect: Effect| effect.narrows();
        let lines: Vec<String> = (self.lost.iter().filter(|lost| lost.then != Then::Removed))
            .map(ToString::to_string)
            .chain(self.changed.iter().filter(|c| grave(c.effect)).map(ToString::to_string))
            .chain(self.settings.iter().filter(|s| grave(s.effect)).map(ToString::to_string))
            .chain(self.changed.iter().filter(|c| !grave(c.effect)).map(ToString::to_string))
            .chain(self.settings.iter().filter(|s| !grave(s.effect)).map(ToString::to_string))
            .chain(self.added.iter().map(ToString::to_string))
            .chain(self.lost.iter().filter(|l| l.then == Then::Removed).map(ToString::to_string))
            .collect();
        for line in lines.iter().take(SHOWN) {
            writeln!(f, "            {line}")?;
        }
        match lines.len().saturating_sub(SHOWN) {
            0 => {}
            more => writeln!(f, "            {more} more; --json shows all")?,
        }
        if self.scripted {
            writeln!(f, "            what the script does to fields is not taken into account")?;
        }
        Ok(())
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = match self.then {
            Then::Refused => "documents that have it are refused",
            Then::NotSearchable => "not found by any more",
            Then::Guessed => "mapped anew, by the first value that comes",
            Then::Removed => "removed by the pipeline",
        };
        write!(f, "- {}: {}; {then}", Name(&self.field, self.becomes.as_ref()), self.kind)
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~ {}", self.brief())?;
        if self.why.is_empty() { Ok(()) } else { write!(f, "; {}", self.why) }
    }
}

impl Changed {
    /// What changes, in a few words.
    pub(super) fn brief(&self) -> String {
        let (name, what) = (Name(&self.field, self.becomes.as_ref()), &self.what);
        let change = format!("{} -> {}", Shown(&self.from), Shown(&self.to));
        match (what.as_str(), self.field.is_empty()) {
            ("name", _) => name.to_string(),
            ("type", _) => format!("{name}: {change}"),
            (_, true) => format!("mapping {what}: {change}"),
            _ => format!("{name} {what}: {change}"),
        }
    }
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = if self.written { "; written by the pipeline" } else { "" };
        write!(f, "+ {}: {}{written}", self.field, self.kind)
    }
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match (&self.from, &self.to) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        write!(f, "{mark} {}", self.brief())?;
        if self.why.is_empty() { Ok(()) } else { write!(f, "; {}", self.why) }
    }
}

impl SettingChange {
    /// What changes, in a few words.
    pub(super) fn brief(&self) -> String {
        let text = |value: &Option<String>| cut(value.as_deref().unwrap_or(UNSET));
        match (&self.from, &self.to) {
            (None, to) => format!("{} = {}", self.setting, text(to)),
            (from, to) => format!("{}: {} -> {}", self.setting, text(from), text(to)),
        }
    }
}

const UNSET: &str = "unset";
/// The longest value that is shown whole, in characters.
const LONGEST: usize = 60;

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// A field's name, and the one it gets.
struct Name<'a>(&'a str, Option<&'a String>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            None => f.write_str(self.0),
            Some(becomes) => write!(f, "{} => {becomes}", self.0),
        }
    }
}

struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str(UNSET),
            Value::String(text) => f.write_str(&cut(text)),
            other => f.write_str(&cut(&other.to_string())),
        }
    }
}
