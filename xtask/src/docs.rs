//! What the texts promise: a page for every error code, and links that lead somewhere.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// Where the pages of the codes are.
const PAGES: &str = "docs/errors";

/// What every code begins with.
const CODE: &str = "SEG-";

/// What is wrong with the texts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// A code of the program without its page.
    Pageless { code: String },
    /// A page of a code that the program does not have.
    Codeless { code: String },
    /// A link to a file that is not there.
    DeadLink { page: String, link: String },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pageless { code } => write!(f, "{code} has no page: write {PAGES}/{code}.md"),
            Self::Codeless { code } => write!(f, "{PAGES}/{code}.md: no such code in the program"),
            Self::DeadLink { page, link } => write!(f, "{page}: {link} leads nowhere"),
        }
    }
}

/// Looks at `files`, each with its path and text.
pub(crate) fn look(files: &[(String, String)]) -> BTreeSet<Broken> {
    let known: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let mut broken = BTreeSet::new();
    let mut of_program = BTreeSet::new();
    for (path, text) in files {
        if path.starts_with("crates/") && path.contains("/src/") {
            of_program.extend(codes(text));
        }
        if path.ends_with(".md") {
            let dead = links(text).filter(|link| leads_nowhere(path, link, &known));
            broken.extend(
                dead.map(|link| Broken::DeadLink { page: path.clone(), link: link.to_owned() }),
            );
        }
    }
    let of_pages: BTreeSet<String> = known
        .iter()
        .filter_map(|path| path.strip_prefix(PAGES)?.strip_prefix('/')?.strip_suffix(".md"))
        .filter(|name| name.starts_with(CODE))
        .map(str::to_owned)
        .collect();
    broken.extend(of_program.difference(&of_pages).cloned().map(|code| Broken::Pageless { code }));
    broken.extend(of_pages.difference(&of_program).cloned().map(|code| Broken::Codeless { code }));
    broken
}

/// The codes in a text: a letter and three digits after the beginning.
fn codes(text: &str) -> impl Iterator<Item = String> {
    text.match_indices(CODE).filter_map(|(at, _)| {
        let code = text.get(at..at + CODE.len() + 4)?;
        let (letter, digits) = code[CODE.len()..].split_at_checked(1)?;
        let letter = letter.chars().all(|c| c.is_ascii_uppercase());
        (letter && digits.chars().all(|c| c.is_ascii_digit())).then(|| code.to_owned())
    })
}

/// What Markdown links of a text point to, without anchors.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("](").filter_map(|(at, open)| {
        let rest = text.get(at + open.len()..)?;
        let target = rest.split(')').next()?;
        let file = target.split('#').next()?;
        let outside = file.is_empty() || file.contains("://") || file.contains(char::is_whitespace);
        (!outside).then_some(file)
    })
}

/// Whether no file, and no folder with files in it, is where the link points.
fn leads_nowhere(page: &str, link: &str, known: &BTreeSet<&str>) -> bool {
    let mut at = PathBuf::from(page);
    at.pop();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => {
                at.pop();
            }
            Component::Normal(name) => at.push(name),
            _ => {}
        }
    }
    let at = at.to_string_lossy();
    let folder = format!("{at}/");
    // Files of other kinds are not among those that were read.
    let is_file = known.contains(at.as_ref()) || Path::new(at.as_ref()).is_file();
    !is_file && !known.iter().any(|path| path.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<Broken> {
        let files: Vec<_> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        look(&files).into_iter().collect()
    }

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let source = ("crates/a/src/b.rs", "\"SEG-E101\" SEG-…, SEG-E1 and SEG-P110 to P129");
        let one = ("docs/errors/SEG-E101.md", "");
        let other = ("docs/errors/SEG-P110.md", "");
        assert_eq!(found(&[source, one, other]), []);
        let missing = Broken::Pageless { code: "SEG-P110".to_owned() };
        assert_eq!(found(&[source, one]), [missing]);
        let stale = Broken::Codeless { code: "SEG-P110".to_owned() };
        assert_eq!(found(&[("crates/a/src/b.rs", "SEG-E101"), one, other]), [stale]);
        assert_eq!(found(&[("crates/a/tests/b.rs", "SEG-E999")]), []);
    }

    #[test]
    fn links_lead_somewhere() {
        let page = |text| ("docs/how-to/a.md", text);
        let other = ("docs/reference/b.md", "");
        for (text, fine) in [
            ("[b](../reference/b.md)", true),
            ("[b](../reference/b.md#part)", true),
            ("[here](#part) and [there](https://example.org/x)", true),
            ("[folder](../reference/)", true),
            ("[c](../reference/c.md)", false),
            ("[b](b.md)", false),
        ] {
            assert_eq!(found(&[page(text), other]).is_empty(), fine, "{text}");
        }
    }
}
