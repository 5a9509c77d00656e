//! Names of indices, aliases and files with holes in them.
//!
//! A [`NamePattern`] reads: it says whether an index belongs to the recipe and what its holes
//! hold. A [`NameTemplate`] writes: it makes a name from what a pattern found. Values of variables
//! are literal text in both; they are never read as part of a pattern.

use std::collections::BTreeMap;
use std::fmt;

use regex::{Regex, RegexBuilder};

/// What the holes of a matched name hold, by name.
pub type Captures = BTreeMap<String, String>;

/// The hole that stands for the source index's whole name.
pub(super) const SOURCE: &str = "source";

/// Longest name of an index or alias the engines accept, bytes.
const MAX_NAME_BYTES: usize = 255;

/// Ceiling on the memory of one compiled pattern, bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Why a name can't be read or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An opening brace without its partner.
    #[error("`{{` isn't closed")]
    Unclosed,
    /// A closing brace without its partner.
    #[error("`}}` without `{{`")]
    Unopened,
    /// A hole's name isn't `[a-z][a-z0-9_]*`.
    #[error("`{{{0}}}` isn't a name: letters, digits and `_`, starting with a letter")]
    BadHole(String),
    /// The same hole twice in a pattern.
    #[error("`{{{0}}}` is used twice")]
    Twice(String),
    /// Two holes touch, so the border between them is anybody's guess.
    #[error("nothing separates `{{{0}}}` from `{{{1}}}`")]
    Touching(String, String),
    /// A capture has no regular expression.
    #[error("`{{{0}}}` is neither a variable nor has it a `match`")]
    NoMatch(String),
    /// A regular expression that doesn't compile.
    #[error("the regular expression of `{name}` is wrong: {problem}")]
    BadRegex {
        /// The capture.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A hole that nothing fills.
    #[error("nothing fills `{{{0}}}`")]
    Unfilled(String),
    /// A character that no index name can have.
    #[error("`{name}` can't be the name of an index: {problem}")]
    Illegal {
        /// The name, or the literal part that is wrong.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A file path that leaves the recipe's folder.
    #[error("`{0}` leaves the recipe's folder")]
    Outside(String),
}

/// Which index names belong to the recipe.
#[derive(Clone, Debug)]
pub struct NamePattern {
    spelling: String,
    pieces: Vec<Piece>,
    captures: Vec<String>,
    regex: Regex,
}

/// How to make a name.
#[derive(Clone, PartialEq, Eq)]
pub struct NameTemplate {
    spelling: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Hole(String),
}

impl NamePattern {
    /// A pattern whose holes are captures; `matches` has the regular expression of each.
    ///
    /// # Errors
    /// [`NameError`] when the text or an expression is wrong, or a capture has no expression.
    pub fn new(text: &str, matches: &BTreeMap<String, String>) -> Result<Self, NameError> {
        Self::with_vars(text, matches, &BTreeMap::new())
    }

    /// As [`NamePattern::new`], with holes that are variables filled in first.
    pub(super) fn with_vars(
        text: &str,
        matches: &BTreeMap<String, String>,
        vars: &BTreeMap<String, String>,
    ) -> Result<Self, NameError> {
        let pieces = pieces(text, vars)?;
        check_literals(&pieces)?;
        let captures = captures(&pieces)?;
        let regex = compile(&pieces, matches)?;
        Ok(Self { spelling: text.to_owned(), pieces, captures, regex })
    }

    /// What the holes hold if the name belongs to the recipe. Each expression covers its whole
    /// hole; what is between holes is compared letter by letter.
    #[must_use]
    pub fn matches(&self, index_name: &str) -> Option<Captures> {
        let found = self.regex.captures(index_name)?;
        let value = |name: &String| {
            let text = found.name(name).map_or("", |m| m.as_str());
            (name.clone(), text.to_owned())
        };
        Some(self.captures.iter().map(value).collect())
    }

    /// The narrowest wildcard expression that covers every matching name, to ask a cluster with.
    #[must_use]
    pub fn wildcard(&self) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Hole(_) => "*".to_owned(),
        };
        self.pieces.iter().map(text).collect()
    }

    /// Names of the captures, in the order of the pattern.
    #[must_use]
    pub fn captures(&self) -> &[String] {
        &self.captures
    }

    /// The recipe's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.spelling
    }
}

impl NameTemplate {
    /// A template whose holes are captures or `{source}`.
    ///
    /// # Errors
    /// [`NameError`] when the text is wrong.
    pub fn new(text: &str) -> Result<Self, NameError> {
        Self::with_vars(text, &BTreeMap::new())
    }

    /// As [`NameTemplate::new`], with holes that are variables filled in first.
    pub(super) fn with_vars(
        text: &str,
        vars: &BTreeMap<String, String>,
    ) -> Result<Self, NameError> {
        Ok(Self { spelling: text.to_owned(), pieces: pieces(text, vars)? })
    }

    /// The name of an index or alias for one source index.
    ///
    /// # Errors
    /// [`NameError::Unfilled`] if a capture is missing, [`NameError::Illegal`] if the engines
    /// would refuse the name.
    pub fn render(&self, captures: &Captures, source: &str) -> Result<String, NameError> {
        let name = self.fill(captures, source)?;
        match illegal(&name).or_else(|| illegal_start(&name)) {
            Some(problem) => Err(NameError::Illegal { name, problem }),
            None => Ok(name),
        }
    }

    /// The path of a file for one source index, relative to the recipe.
    ///
    /// # Errors
    /// [`NameError::Unfilled`] if a capture is missing, [`NameError::Outside`] if a value leads
    /// out of the recipe's folder.
    pub fn render_path(&self, captures: &Captures, source: &str) -> Result<String, NameError> {
        let path = self.fill(captures, source)?;
        if leaves_folder(&path) { Err(NameError::Outside(path)) } else { Ok(path) }
    }

    /// The whole name, if it has no holes left.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The narrowest wildcard expression that covers every name it makes.
    #[must_use]
    pub fn wildcard(&self) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Hole(_) => "*".to_owned(),
        };
        self.pieces.iter().map(text).collect()
    }

    /// The narrowest wildcard expression that covers every name it makes for one source.
    #[must_use]
    pub fn wildcard_for(&self, source: &str) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Hole(name) if name == SOURCE => source.to_owned(),
            Piece::Hole(_) => "*".to_owned(),
        };
        self.pieces.iter().map(text).collect()
    }

    /// What the hole of a template that has only one holds in `name`, if it made that name.
    #[must_use]
    pub fn read_back<'n>(&self, name: &'n str) -> Option<&'n str> {
        let mut rest = name;
        let mut pieces = self.pieces.iter();
        for piece in pieces.by_ref() {
            match piece {
                Piece::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Piece::Hole(_) => break,
            }
        }
        for piece in pieces.rev() {
            match piece {
                Piece::Literal(text) => rest = rest.strip_suffix(text.as_str())?,
                Piece::Hole(_) => return None,
            }
        }
        Some(rest)
    }

    /// Names of the holes that are left, `source` included.
    pub fn holes(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Hole(name) => Some(name.as_str()),
        })
    }

    /// The first literal part that no index name can have.
    pub(super) fn check_literals(&self) -> Result<(), NameError> {
        check_literals(&self.pieces)
    }

    fn fill(&self, captures: &Captures, source: &str) -> Result<String, NameError> {
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => name.push_str(text),
                Piece::Hole(hole) if hole == SOURCE => name.push_str(source),
                Piece::Hole(hole) => {
                    let value = captures.get(hole);
                    name.push_str(value.ok_or_else(|| NameError::Unfilled(hole.clone()))?);
                }
            }
        }
        Ok(name)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelling)
    }
}

impl fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelling)
    }
}

/// The pieces, not the spelling: two spellings of one name are the same template.
impl fmt::Debug for NameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NameTemplate").field(&self.pieces).finish()
    }
}

/// Whether a relative path leads out of its folder.
pub(super) fn leaves_folder(path: &str) -> bool {
    path.starts_with('/') || path.split('/').any(|part| part == "..")
}

/// Whether a text can name a variable or a capture.
pub(super) fn is_hole_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn pieces(text: &str, vars: &BTreeMap<String, String>) -> Result<Vec<Piece>, NameError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        if rest.as_bytes()[at] == b'}' {
            return Err(NameError::Unopened);
        }
        let end = rest[at..].find('}').ok_or(NameError::Unclosed)? + at;
        let name = &rest[at + 1..end];
        if !is_hole_name(name) {
            return Err(NameError::BadHole(name.to_owned()));
        }
        if let Some(value) = vars.get(name) {
            literal.push_str(value);
        } else {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Hole(name.to_owned()));
        }
        rest = &rest[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn captures(pieces: &[Piece]) -> Result<Vec<String>, NameError> {
    let mut names: Vec<String> = Vec::new();
    for piece in pieces {
        if let Piece::Hole(name) = piece {
            if names.contains(name) {
                return Err(NameError::Twice(name.clone()));
            }
            names.push(name.clone());
        }
    }
    for pair in pieces.windows(2) {
        if let [Piece::Hole(a), Piece::Hole(b)] = pair {
            return Err(NameError::Touching(a.clone(), b.clone()));
        }
    }
    Ok(names)
}

fn compile(pieces: &[Piece], matches: &BTreeMap<String, String>) -> Result<Regex, NameError> {
    let mut pattern = String::from(r"\A");
    for piece in pieces {
        match piece {
            Piece::Literal(text) => pattern.push_str(&regex::escape(text)),
            Piece::Hole(name) => {
                let expression =
                    matches.get(name).ok_or_else(|| NameError::NoMatch(name.clone()))?;
                check_regex(name, expression)?;
                pattern.push_str(&format!("(?P<{name}>(?:{expression}))"));
            }
        }
    }
    pattern.push_str(r"\z");
    build(&pattern).map_err(|problem| NameError::BadRegex { name: "index".to_owned(), problem })
}

/// Checks one capture's expression by itself, so that a fault is blamed on the right one.
pub(super) fn check_regex(name: &str, expression: &str) -> Result<(), NameError> {
    let bad = |problem: String| NameError::BadRegex { name: name.to_owned(), problem };
    let regex = build(expression).map_err(bad)?;
    if regex.capture_names().flatten().next().is_some() {
        return Err(bad("named groups aren't allowed".to_owned()));
    }
    build(&format!("(?:{expression})")).map(|_| ()).map_err(bad)
}

fn build(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).build().map_err(|error| match error {
        regex::Error::Syntax(text) => {
            let last = text.lines().last().unwrap_or_default().trim();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
        regex::Error::CompiledTooBig(_) => "it is too big".to_owned(),
        other => other.to_string(),
    })
}

fn check_literals(pieces: &[Piece]) -> Result<(), NameError> {
    for (at, piece) in pieces.iter().enumerate() {
        if let Piece::Literal(text) = piece {
            let start = if at == 0 { illegal_start(text) } else { None };
            if let Some(problem) = illegal(text).or(start) {
                return Err(NameError::Illegal { name: text.clone(), problem });
            }
        }
    }
    Ok(())
}

/// What no part of a name may have, by the engines' own rules for names of indices.
fn illegal(name: &str) -> Option<&'static str> {
    let forbidden = |c: char| {
        matches!(c, '\\' | '/' | '*' | '?' | '"' | '<' | '>' | '|' | ' ' | ',' | '#' | ':')
    };
    if name.chars().any(char::is_uppercase) {
        Some("it has capital letters")
    } else if name.contains(forbidden) {
        Some(r#"it has one of \ / * ? " < > | , # : or a blank"#)
    } else if name.len() > MAX_NAME_BYTES {
        Some("it has more than 255 bytes")
    } else {
        None
    }
}

fn illegal_start(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("it is empty"),
        "." | ".." => Some("it is `.` or `..`"),
        name if name.starts_with(['-', '_', '+']) => Some("it starts with `-`, `_` or `+`"),
        _ => None,
    }
}
