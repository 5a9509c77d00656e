//! What is wrong with a recipe, where, and what to do about it.

use std::fmt;

use super::Script;

/// What is wrong with a recipe: one fault with its place, line and hint.
///
/// `Display` is one line; [`Error::render`] is the whole text for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    file: String,
    source_line: String,
    fault: Box<Fault>,
}

/// Kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text isn't YAML, or goes beyond the bounds set for recipes.
    Yaml,
    /// A key that the language doesn't have.
    UnknownKey,
    /// A key that is there twice.
    DuplicateKey,
    /// A key that must be there.
    MissingKey,
    /// A value of another type than expected.
    WrongType,
    /// A value of the right type that isn't possible.
    BadValue,
    /// An environment variable that isn't set.
    Environment,
    /// A regular expression.
    Regex,
    /// A capture or variable.
    Capture,
    /// A field that is written twice.
    DuplicateTarget,
    /// A path into a document.
    Path,
    /// A name that refers to no lookup.
    UnknownLookup,
    /// A script that can't be compiled.
    Script,
    /// A secret or credential written into the recipe.
    SecretInRecipe,
}

/// A place in a text: line and column from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    pub(super) fn of(location: &serde_saphyr::Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// A fault without the text it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) at: Place,
    pub(super) summary: String,
    pub(super) cause: Option<String>,
    pub(super) hint: Option<String>,
}

impl Fault {
    pub(super) fn new(kind: ErrorKind, at: Place, summary: impl Into<String>) -> Self {
        Self { kind, at, summary: summary.into(), cause: None, hint: None }
    }

    pub(super) fn yaml(at: Place, cause: String) -> Self {
        Self::new(ErrorKind::Yaml, at, "the recipe can't be read").cause(cause)
    }

    pub(super) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Hints at the nearest of the words that would have been right.
    pub(super) fn did_you_mean<'a>(
        self,
        word: &str,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        match nearest(word, known.clone()) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => {
                let words: Vec<&str> = known.into_iter().collect();
                if words.is_empty() {
                    self
                } else {
                    self.hint(format!("known: {}", words.join(", ")))
                }
            }
        }
    }

    pub(super) fn into_error(self, text: &str, file: &str) -> Error {
        let number = usize::try_from(self.at.line - 1).unwrap_or(usize::MAX);
        let (mut fault, mut line) = (self, text.lines().nth(number));
        // What is missed at the end of the text is shown after its last line.
        if line.is_none() {
            line = text.lines().last();
            fault.at.line = u64::try_from(text.lines().count()).unwrap_or(1).max(1);
            let width = line.map_or(0, |line| line.chars().count());
            fault.at.column = u64::try_from(width).unwrap_or(0) + 1;
        }
        let source_line = masked(line.unwrap_or_default());
        Error { file: file.to_owned(), source_line, fault: Box::new(fault) }
    }
}

impl Error {
    /// A fault in a script: its place in the script, and what is wrong there.
    #[must_use]
    pub fn in_script(
        text: &str,
        file: &str,
        script: &Script,
        place: (u64, u64),
        problem: &str,
    ) -> Self {
        let (line, column) = script.place_in(text, place.0, place.1);
        let at = Place { line: line.max(1), column: column.max(1) };
        Fault::new(ErrorKind::Script, at, "the script can't be compiled")
            .cause(problem)
            .into_error(text, file)
    }

    /// The recipe's file, as it was named.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.fault.at.line
    }

    /// Column, from 1, in characters.
    #[must_use]
    pub fn column(&self) -> u64 {
        self.fault.at.column
    }

    /// The line itself, with what looks like a secret masked.
    #[must_use]
    pub fn source_line(&self) -> &str {
        &self.source_line
    }

    /// Kind of fault.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.fault.kind
    }

    /// What is wrong, in one line without the place.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.fault.summary
    }

    /// Why, where the summary alone doesn't say it.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.fault.cause.as_deref()
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.fault.hint.as_deref()
    }

    /// The whole text for a person: summary, place, line with a mark, cause, hint.
    #[must_use]
    pub fn render(&self) -> String {
        let number = self.line().to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(usize::try_from(self.column() - 1).unwrap_or(0).min(500));
        let mut text = format!(
            "{}\n{margin}--> {}:{}:{}\n{margin} |\n{number} | {}\n{margin} | {indent}^\n",
            self.summary(),
            self.file,
            self.line(),
            self.column(),
            self.source_line,
        );
        for (label, line) in [("cause", self.cause()), ("hint", self.hint())] {
            if let Some(line) = line {
                text.push_str(&format!("{label}: {line}\n"));
            }
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line(), self.column(), self.summary())
    }
}

impl std::error::Error for Error {}

/// The nearest of the known words, if it is near enough to be a slip.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// What the names of secrets have in them.
const SECRET_WORDS: [&str; 5] = ["pas", "secret", "token", "api_key", "apikey"];

/// Whether a key looks like a secret's.
pub(super) fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// The line with the values of secret-looking keys and the credentials of addresses masked,
/// character for character so that columns stay right.
fn masked(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let mut hide = vec![false; line.len()];
    for word in SECRET_WORDS {
        for (at, _) in lower.match_indices(word) {
            if let Some((from, to)) = value_after(line, at + word.len()) {
                hide[from..to].fill(true);
            }
        }
    }
    for (at, _) in line.match_indices("://") {
        let from = at + 3;
        let end = line[from..].find(['/', ' ', '"', '\'']).map_or(line.len(), |n| from + n);
        if let Some(to) = line[from..end].rfind('@') {
            hide[from..from + to].fill(true);
        }
    }
    line.char_indices().map(|(at, c)| if hide[at] { '*' } else { c }).collect()
}

/// Where the scalar value after a key stands. A reference (`{env: …}`) is no secret.
fn value_after(line: &str, at: usize) -> Option<(usize, usize)> {
    let rest = &line[at..];
    let colon = rest.find(':')?;
    if rest[..colon].contains(|c: char| {
        !c.is_ascii_alphanumeric() && !matches!(c, '"' | '\'' | '_' | '-' | ' ')
    }) {
        return None;
    }
    let skipped = rest[colon + 1..].len() - rest[colon + 1..].trim_start().len();
    let from = at + colon + 1 + skipped;
    let value = &line[from..];
    if value.is_empty() || value.starts_with(['{', '[', '&', '*']) {
        return None;
    }
    Some((from, line.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["lookup", "copy", "set", "rename", "remove", "convert", "filter"];
        for (word, expected) in [
            ("lokup", Some("lookup")),
            ("coyp", Some("copy")),
            ("removes", Some("remove")),
            ("st", Some("set")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }

    #[test]
    fn secrets_are_masked_and_columns_kept() {
        for (line, expected) in [
            ("  password: hunter2", "  password: *******"),
            ("basic: {user: x, pasword: y}", "basic: {user: x, pasword: **"),
            ("{user: x, \"password\" : a b}", "{user: x, \"password\" : ****"),
            ("password: {env: X}", "password: {env: X}"),
            ("url: http://me:pä@host:9200/", "url: http://*****@host:9200/"),
            ("url: http://host/a@b", "url: http://host/a@b"),
        ] {
            assert_eq!(masked(line), expected);
            assert_eq!(masked(line).chars().count(), line.chars().count());
        }
    }
}
