//! The plan as text.

use std::fmt;

use serde_json::Value;

use super::{Action, Plan, PlannedPart};
use crate::id::IndexName;
use crate::lint::{Note, Severity};
use crate::observe::mapping::leaves;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan {} for migration {} on {}", self.hash, self.migration, self.engine)?;
        for part in &self.parts {
            write!(f, "\n{part}")?;
        }
        if !self.lookups.is_empty() {
            writeln!(f)?;
        }
        for lookup in &self.lookups {
            let docs = lookup.docs.map_or_else(
                || "not found".to_owned(),
                |docs| format!("{} documents", Thousands(docs)),
            );
            writeln!(f, "lookup {}: {}, {docs}", lookup.name, lookup.index)?;
        }
        self.summary(f)?;
        for alike in self.notes_alike() {
            writeln!(f, "\n{alike}")?;
        }
        Ok(())
    }
}

/// A note, and every part that has the same one.
struct Alike<'a> {
    note: &'a Note,
    parts: Vec<&'a str>,
}

impl fmt::Display for Alike<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts.as_slice() {
            [first, .., last] => {
                let part = Some(format!("{} parts, {first} to {last}", self.parts.len()));
                Note { part, ..self.note.clone() }.fmt(f)
            }
            _ => self.note.fmt(f),
        }
    }
}

impl Plan {
    /// The notes, worst first; what many parts have in common stands once.
    fn notes_alike(&self) -> Vec<Alike<'_>> {
        let mut all: Vec<Alike<'_>> = Vec::new();
        for note in &self.notes {
            let same = |other: &Note| {
                other.code == note.code && other.what == note.what && other.hint == note.hint
            };
            match all.iter_mut().find(|alike| !alike.parts.is_empty() && same(alike.note)) {
                Some(alike) if note.part.is_some() => alike.parts.extend(note.part.as_deref()),
                _ => all.push(Alike { note, parts: note.part.as_deref().into_iter().collect() }),
            }
        }
        all.sort_by_key(|alike| alike.note.severity);
        all
    }

    fn summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let docs: u64 = self.active().map(|part| part.docs).sum();
        let bytes: u64 = self.active().map(|part| part.bytes).sum();
        let active = self.active().count();
        writeln!(
            f,
            "\n{}: {active} to do ({}, {}), {} done",
            Counted(self.parts.len() as u64, "part"),
            Counted(docs, "document"),
            Size(bytes),
            self.parts.len() - active
        )?;
        if let Some(estimate) = &self.estimate {
            write!(f, "{estimate}")?;
        }
        if self.active().any(|part| part.files.is_none()) {
            writeln!(
                f,
                "At each switch writers are refused (403) while the last changes are carried; for \
                 some tens\nto hundreds of milliseconds the old name is unknown (reads 503, writes \
                 404)."
            )?;
        }
        let count = |severity| self.notes.iter().filter(|n| n.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        if errors + warnings > 0 {
            let (errors, warnings) =
                (Counted(errors as u64, "error"), Counted(warnings as u64, "warning"));
            writeln!(f, "{errors}, {warnings}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PlannedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, target) = (&self.source, &self.target);
        match &self.action {
            Action::Skip { reason } => {
                return writeln!(f, "= {source}\n    nothing to do: {reason}");
            }
            Action::Migrate if self.files.is_some() => writeln!(f, "+ {target}")?,
            Action::Resume { phase } if self.files.is_some() => {
                writeln!(f, "~ {target}\n    goes on: it is {phase}")?;
            }
            Action::Migrate => writeln!(f, "+ {} -> {target}", Listed(&self.indices()))?,
            Action::Resume { phase } => {
                let sources = self.indices();
                writeln!(f, "~ {} -> {target}\n    goes on: it is {phase}", Listed(&sources))?;
            }
        }
        if let Some(files) = &self.files {
            self.made(f)?;
            self.cost(f)?;
            return files.fmt(f);
        }
        writeln!(
            f,
            "    copy    {}, {}, {}",
            Counted(self.docs, "document"),
            Size(self.bytes),
            Counted(self.shards.into(), "partition")
        )?;
        self.made(f)?;
        self.cost(f)?;
        self.difference.fmt(f)?;
        for alias in &self.aliases {
            let how = if alias.on_source || !alias.also_on.is_empty() { "move" } else { "add" };
            let kind = if alias.spanning { ", shared with other indices" } else { "" };
            writeln!(f, "    {how:<7} alias {}{}{kind}", alias.alias, Props(&alias.props))?;
        }
        for (source, keep) in self.indices().iter().zip(self.keeps()) {
            writeln!(f, "    switch  {source} becomes an alias of {target}")?;
            writeln!(f, "    keep    the old index as {keep}, write-blocked")?;
        }
        if let Some(pause) = &self.pause {
            writeln!(f, "    pause   {pause}")?;
            writeln!(f, "            from {}", pause.basis)?;
            if pause.redirected_ms.is_some() {
                for refused in &pause.refuses {
                    writeln!(f, "            refuses {refused}")?;
                }
            }
        }
        for reason in &self.reasons {
            writeln!(f, "    because {reason}")?;
        }
        Ok(())
    }
}

impl PlannedPart {
    fn cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.estimate.as_ref().map_or(Ok(()), |estimate| writeln!(f, "    cost    {estimate}"))
    }

    fn made(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a target that is there already only the rest of its settings is planned.
        if !self.target_body.mappings.is_object() {
            return Ok(());
        }
        let fields = leaves(&self.target_body.mappings).len();
        let setting = |name: &str| match self.target_body.settings.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => "default".to_owned(),
        };
        writeln!(
            f,
            "    make    {}: shards {}, replicas {}, {} mapped",
            self.target,
            setting("index.number_of_shards"),
            setting("index.number_of_replicas"),
            Counted(fields as u64, "field"),
        )
    }
}

/// Names, one after the other.
struct Listed<'a>(&'a [IndexName]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if at == 0 { "" } else { " + " })?;
        }
        Ok(())
    }
}

/// What an alias adds, where it adds anything.
struct Props<'a>(&'a crate::observe::AliasProps);

impl fmt::Display for Props<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let props = self.0;
        let all = [
            (props.filter.is_some(), "filter"),
            (props.index_routing.is_some() || props.search_routing.is_some(), "routing"),
            (props.is_write_index == Some(true), "write index"),
            (props.is_write_index == Some(false), "not for writes"),
            (props.is_hidden == Some(true), "hidden"),
        ];
        let words: Vec<_> = all.iter().filter(|(has, _)| *has).map(|(_, word)| *word).collect();
        if words.is_empty() { Ok(()) } else { write!(f, " ({})", words.join(", ")) }
    }
}

/// A number with its thousands set apart.
struct Thousands(u64);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// So many of something.
pub(crate) struct Counted(pub(crate) u64, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted(number, noun) = self;
        write!(f, "{} {noun}{}", Thousands(*number), if *number == 1 { "" } else { "s" })
    }
}

/// Bytes, for people.
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1_000_000 => write!(f, "{} kB", bytes.div_ceil(1000)),
            bytes @ 1_000_000..1_000_000_000 => write!(f, "{} MB", bytes / 1_000_000),
            bytes => write!(f, "{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(Thousands(number).to_string(), text);
        }
        assert_eq!(Counted(1, "part").to_string(), "1 part");
        assert_eq!(Counted(0, "part").to_string(), "0 parts");
        assert_eq!(Size(4_200_000_000).to_string(), "4.2 GB");
        assert_eq!(Size(1_500).to_string(), "2 kB");
    }
}
