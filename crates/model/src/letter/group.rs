//! The group of a reason: the reason without what differs from document to document.
//!
//! Names of fields and types stay, as they are the cause; ids, values, numbers and positions become
//! `…` or `N`. Engines put both into brackets and quotes; which is which is told by what stands before.

/// The longest group, in characters.
const LONGEST: usize = 300;

/// What stands before a bracket that holds a value, not a name.
const BEFORE_VALUES: [&str; 8] = [
    "date field ",
    "value ",
    "Value ",
    "value: ",
    "Current token ",
    "text: ",
    "version conflict, document ",
    "required seqNo ",
];

/// What stands before a value that goes on to the end of its clause, whatever is in it.
const PREVIEW: &str = "Preview of field's value: ";
/// As [`PREVIEW`], of terms that are too long.
const TERM: &str = "The prefix of the first immense term is: ";

/// The group of `reason`.
pub fn group(reason: &str) -> String {
    let reason = without_place(reason);
    let reason = without_preview(reason, PREVIEW, "': ");
    let reason = without_preview(&reason, TERM, "...', ");
    let mut out = Scanner { text: &reason, at: 0, out: String::new() }.run();
    if out.chars().count() > LONGEST {
        out = out.chars().take(LONGEST).collect();
        out.push('…');
    }
    out
}

/// Takes the place in a file off the beginning: `data/names.csv:17: …`.
fn without_place(reason: &str) -> &str {
    for (colon, _) in reason.match_indices(':') {
        let rest = &reason[colon + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && rest[digits..].starts_with(": ") {
            let path = &reason[..colon];
            let is_path = !path.is_empty() && !path.contains(['[', '\'', '"', '`']);
            return if is_path { &rest[digits + 2..] } else { reason };
        }
        // What follows the first colon of a sentence is not a file's name any more.
        if rest.starts_with(' ') {
            return reason;
        }
    }
    reason
}

/// Replaces what follows `mark` up to the last `end`, or to the text's end.
fn without_preview(text: &str, mark: &str, end: &str) -> String {
    let Some(at) = text.find(mark) else { return text.to_owned() };
    let (head, tail) = text.split_at(at + mark.len());
    let tail = tail.rfind(end).map_or("", |at| &tail[at + end.len() - 2..]);
    format!("{head}…{tail}")
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    out: String,
}

impl Scanner<'_> {
    fn run(mut self) -> String {
        while let Some(c) = self.text[self.at..].chars().next() {
            match c {
                '[' => self.bracket(),
                '\'' | '"' if self.opens() => self.quote(c),
                c if c.is_alphanumeric() || c == '_' => self.word(),
                c => {
                    self.out.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        self.out
    }

    fn before(&self) -> &str {
        &self.text[..self.at]
    }

    /// Whether a quote here begins something; else it is an apostrophe.
    fn opens(&self) -> bool {
        !self.before().ends_with(|c: char| c.is_alphanumeric())
    }

    fn bracket(&mut self) {
        let rest = &self.text[self.at + 1..];
        let Some(end) = closing(rest) else {
            self.out.push('[');
            self.at += 1;
            return;
        };
        let inner = &rest[..end];
        let value = BEFORE_VALUES.iter().any(|before| self.before().ends_with(before))
            // The id of a conflict stands at the beginning of its message.
            || rest[end + 1..].starts_with(": version conflict");
        let held = match inner {
            _ if value => "…".to_owned(),
            inner if inner.bytes().all(|b| b.is_ascii_digit() || b == b':') => numbers(inner),
            inner if is_name(inner) => numbers(inner),
            inner if is_format(inner) => inner.to_owned(),
            _ => "…".to_owned(),
        };
        self.out.push('[');
        self.out.push_str(&held);
        self.out.push(']');
        self.at += end + 2;
    }

    fn quote(&mut self, quote: char) {
        let rest = &self.text[self.at + 1..];
        let names = self.before().ends_with("field=") || self.before().ends_with("field ");
        let closes = |at: &usize| {
            !rest[at + 1..].starts_with(|c: char| c.is_alphanumeric())
                && !rest[..*at].ends_with('\\')
        };
        let end = rest.match_indices(quote).map(|(at, _)| at).find(closes);
        let inner = &rest[..end.unwrap_or(rest.len())];
        self.out.push(quote);
        let held = if names && is_name(inner) { inner } else { "…" };
        self.out.push_str(held);
        self.out.push(quote);
        self.at += 1 + inner.len() + usize::from(end.is_some());
    }

    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        if number && word.bytes().all(|b| b.is_ascii_digit()) {
            self.out.push('N');
        } else if number || digits > 0 && word.len() >= 16 {
            self.out.push('…');
        } else {
            self.out.push_str(word);
        }
        self.at += end;
    }
}

/// Where the bracket closes, brackets within it counted.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return Some(at),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether this can be the name of a field, a type or a parameter.
fn is_name(text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@' | '*');
    text.len() <= 128
        && text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '@')
        && text.chars().all(inside)
}

/// Whether this is the format of a date, such as `strict_date_optional_time||epoch_millis`.
fn is_format(text: &str) -> bool {
    text.contains("||") && text.split("||").all(is_name)
}

/// Numbers in it as `N`.
fn numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
