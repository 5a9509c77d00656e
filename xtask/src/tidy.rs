//! `cargo xtask tidy`: what no other tool looks at.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// A file is split before it gets longer.
const LONGEST: usize = 600;

/// Files that are looked at.
const ENDINGS: [&str; 9] = ["rs", "java", "md", "toml", "yaml", "yml", "json", "html", "js"];

/// Marks of unfinished work. In pieces, so that this file has none.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];

/// Paths of one machine.
const PATHS: [&str; 3] = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// What is wrong in a file.
#[derive(Debug, PartialEq, Eq)]
enum Untidy {
    Long { lines: usize },
    Mark { line: usize, mark: &'static str },
    MachinePath { line: usize, path: &'static str },
}

impl fmt::Display for Untidy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long { lines } => write!(f, " {lines} lines, more than {LONGEST}: split it"),
            Self::Mark { line, mark } => write!(f, "{line}: {mark}: do it or drop it"),
            Self::MachinePath { line, path } => {
                write!(f, "{line}: {path} is a path of one machine")
            }
        }
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    // A file that was removed but is still tracked has nothing to tidy.
    let files: Vec<(String, String)> = files()?
        .into_iter()
        .filter_map(|file| std::fs::read_to_string(&file).ok().map(|text| (file, text)))
        .collect();
    let mut count = 0;
    for (file, text) in &files {
        for untidy in look(file, text) {
            count += 1;
            eprintln!("{file}:{untidy}");
        }
    }
    for broken in crate::docs::look(&files) {
        count += 1;
        eprintln!("{broken}");
    }
    if count > 0 {
        bail!("{count} untidy places");
    }
    eprintln!("{} files are tidy", files.len());
    Ok(())
}

/// The project's own texts: what git tracks or would track.
fn files() -> anyhow::Result<Vec<String>> {
    let answer = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("cannot run git")?;
    if !answer.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    let names = String::from_utf8(answer.stdout).context("a file's name is no text")?;
    let looked_at = |name: &&str| {
        let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ENDINGS.contains(&ending))
    };
    Ok(names.split('\0').filter(looked_at).map(str::to_owned).collect())
}

fn look(file: &str, text: &str) -> Vec<Untidy> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    // Prose and recorded material have no such limit.
    if lines > LONGEST && (file.ends_with(".rs") || file.ends_with(".java")) {
        found.push(Untidy::Long { lines });
    }
    for (content, line) in text.lines().zip(1..) {
        let mark = MARKS.into_iter().find(|mark| content.contains(mark));
        found.extend(mark.map(|mark| Untidy::Mark { line, mark }));
        let path = PATHS.into_iter().find(|path| names_machine_path(content, path));
        found.extend(path.map(|path| Untidy::MachinePath { line, path }));
    }
    found
}

/// Is `path` there as an absolute path, and not as the middle of a relative one or of an address?
fn names_machine_path(content: &str, path: &str) -> bool {
    content.match_indices(path).any(|(at, _)| {
        let before = content[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '}' | '~'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untidy_places_are_named() {
        let long = "x\n".repeat(LONGEST + 1);
        assert_eq!(look("a.rs", &long), [Untidy::Long { lines: LONGEST + 1 }]);
        assert_eq!(look("a.md", &long), []);
        assert_eq!(look("a.rs", "fine\nalso fine\n"), []);
        let mark = format!("fn f() {{}}\n// {} later", MARKS[0]);
        assert_eq!(look("a.rs", &mark), [Untidy::Mark { line: 2, mark: MARKS[0] }]);
    }

    #[test]
    fn only_absolute_paths_are_a_machines() {
        for (before, found) in [("see ", true), ("\"", true), ("bench", false), ("~", false)] {
            let text = format!("{before}{}x", PATHS[1]);
            assert_eq!(!look("a.md", &text).is_empty(), found, "{text}");
        }
    }
}
