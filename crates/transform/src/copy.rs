//! Rendering a copied field from a row or the document.

use segue_model::recipe::{CopyField, CopyPath, Path, Root, Segment};

use crate::json::{Elements, Found, Members, find, name_is, push_clean, spread};

/// A copied field, ready to be rendered.
#[derive(Debug)]
pub(crate) struct CopyRule {
    /// Field to write.
    pub(crate) target: Path,
    sources: Vec<Place>,
    is_list: bool,
    pick: Vec<Pick>,
    nothing: Vec<u8>,
}

/// Where a value comes from.
#[derive(Debug)]
struct Place {
    from: From,
    /// Whether the root is a list to go into.
    into: bool,
    rest: Vec<Segment>,
    /// The recipe's spelling, for messages.
    spelling: Path,
}

/// What a path starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The document as it is at this step.
    Document,
    /// The row of this lookup, by its place in the pipeline.
    Lookup(usize),
}

/// A member to keep, with the members of it to keep; none means all of it.
#[derive(Debug)]
struct Pick {
    name: String,
    inner: Vec<Pick>,
}

impl CopyRule {
    /// Compiles a field. `lookup` gives a lookup's place; None if there is no such lookup.
    pub(crate) fn compile(
        field: &CopyField,
        lookup: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Self, crate::Error> {
        let is_list = field.is_list();
        let nothing = match &field.default {
            Some(default) => default.as_str().as_bytes().to_vec(),
            None if is_list => b"[]".to_vec(),
            None => b"null".to_vec(),
        };
        let sources = field.sources().iter().map(|source| Place::compile(source, lookup));
        Ok(Self {
            target: field.target.clone(),
            sources: sources.collect::<Result<_, _>>()?,
            is_list,
            pick: picks(field.pick.iter().map(Path::segments)),
            nothing,
        })
    }

    /// The one lookup that all values come from.
    pub(crate) fn only_lookup(&self) -> Option<usize> {
        let first = self.sources.first()?.from;
        match first {
            From::Lookup(lookup) if self.sources.iter().all(|source| source.from == first) => {
                Some(lookup)
            }
            _ => None,
        }
    }

    /// Whether any value comes from this lookup.
    pub(crate) fn reads(&self, lookup: usize) -> bool {
        self.sources.iter().any(|source| source.from == From::Lookup(lookup))
    }

    /// Appends the value. `root` gives what a path starts from: a JSON value, or None.
    ///
    /// # Errors
    /// Why the document must be refused.
    pub(crate) fn render<'a>(
        &self,
        root: &dyn Fn(From) -> Option<&'a [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        if self.is_list { self.render_list(root, out) } else { self.render_one(root, out) }
    }

    fn render_list<'a>(
        &self,
        root: &dyn Fn(From) -> Option<&'a [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let start = out.len();
        out.push(b'[');
        for source in &self.sources {
            let Some(value) = root(source.from) else { continue };
            let mut give = |value: &'a [u8]| {
                if out.len() > start + 1 {
                    out.push(b',');
                }
                push_picked(out, value, &self.pick);
            };
            spread(value, source.into, &source.rest, &mut give)
                .map_err(|depth| self.through_list(source, depth + 1))?;
        }
        if out.len() == start + 1 {
            out.truncate(start);
            out.extend_from_slice(&self.nothing);
        } else {
            out.push(b']');
        }
        Ok(())
    }

    fn render_one<'a>(
        &self,
        root: &dyn Fn(From) -> Option<&'a [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let Some(source) = self.sources.first() else { return Ok(()) };
        match root(source.from).map_or(Found::Nothing, |value| find(value, &source.rest)) {
            Found::Nothing => out.extend_from_slice(&self.nothing),
            Found::Value(value) => push_picked(out, value, &self.pick),
            Found::List(depth) => return Err(self.through_list(source, depth + 1)),
        }
        Ok(())
    }

    fn through_list(&self, source: &Place, depth: usize) -> String {
        let names: Vec<&str> =
            source.spelling.segments()[..depth].iter().map(|s| s.name.as_str()).collect();
        let (target, path, list) = (&self.target, &source.spelling, names.join("."));
        format!("copy of `{target}` from {path}: {list} is a list here (`[]` goes into it)")
    }
}

impl Place {
    fn compile(
        source: &CopyPath,
        lookup: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Self, crate::Error> {
        let from = match &source.root {
            Root::Document => From::Document,
            Root::Lookup(name) => {
                From::Lookup(lookup(name).ok_or_else(|| crate::Error::UnknownLookup(name.clone()))?)
            }
        };
        let segments = source.path.segments();
        Ok(Self {
            from,
            into: segments.first().is_some_and(|segment| segment.each),
            rest: segments.iter().skip(1).cloned().collect(),
            spelling: source.path.clone(),
        })
    }
}

/// The members to keep as a tree; a shorter path wins over a longer one inside it.
fn picks<'a>(paths: impl Iterator<Item = &'a [Segment]>) -> Vec<Pick> {
    let mut groups: Vec<(&str, Vec<&[Segment]>)> = Vec::new();
    for path in paths {
        let Some((first, rest)) = path.split_first() else { continue };
        match groups.iter_mut().find(|(name, _)| *name == first.name) {
            Some((_, inner)) => inner.push(rest),
            None => groups.push((&first.name, vec![rest])),
        }
    }
    let pick = |(name, inner): (&str, Vec<&[Segment]>)| {
        let whole = inner.iter().any(|rest| rest.is_empty());
        let inner = if whole { Vec::new() } else { picks(inner.into_iter()) };
        Pick { name: name.to_owned(), inner }
    };
    groups.into_iter().map(pick).collect()
}

/// Appends a value; of objects in it only the picked members, in their own order.
fn push_picked(out: &mut Vec<u8>, value: &[u8], picks: &[Pick]) {
    if picks.is_empty() {
        return push_clean(out, value);
    }
    if let Some(mut members) = Members::of(value) {
        let start = out.len();
        out.push(b'{');
        while let Ok(Some(member)) = members.advance() {
            let name = &value[member.name];
            let Some(pick) = picks.iter().find(|pick| name_is(name, &pick.name)) else { continue };
            if out.len() > start + 1 {
                out.push(b',');
            }
            out.push(b'"');
            out.extend_from_slice(name);
            out.extend_from_slice(b"\":");
            push_picked(out, &value[member.value], &pick.inner);
        }
        out.push(b'}');
    } else if let Some(mut elements) = Elements::of(value) {
        let start = out.len();
        out.push(b'[');
        while let Ok(Some(element)) = elements.advance() {
            if out.len() > start + 1 {
                out.push(b',');
            }
            push_picked(out, element, picks);
        }
        out.push(b']');
    } else {
        push_clean(out, value);
    }
}
