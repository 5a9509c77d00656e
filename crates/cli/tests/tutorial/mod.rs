//! A page of Markdown that is lived through: its commands are run, its edits made.
//!
//! - A block ```` ```console ````: lines `$ command`, each followed by its output, an empty line, or the next
//!   command. A last line `exit code N` stands for a code other than 0. `segue` and other commands are run by
//!   a shell; `curl` is not, so that nothing needs to be installed: the request is made by the test.
//! - A block ```` ```diff ````: the first line `--- FILE`, then lines that stay (` `), go (`-`) and come (`+`);
//!   `@@` separates places. The lines that stay and go have to stand in the file, once.
//!
//! All names of the page begin with `shop`; in the engine they have the test's prefix in front.

pub mod normal;
pub mod shop;
pub mod stage;

pub use stage::Stage;

/// A page: text, with commands and edits in between.
pub struct Page {
    pieces: Vec<Piece>,
}

enum Piece {
    /// Lines as they are, fences included.
    Words(String),
    /// A command, and what the page shows of its output.
    Command { line: String, shown: String },
    /// An edit, as the block's lines.
    Edit(String),
}

/// A page and what happened.
pub struct Lived {
    pieces: Vec<(Piece, Option<String>)>,
}

impl Page {
    /// Takes a page apart.
    pub fn parse(text: &str) -> Page {
        let mut pieces = Vec::new();
        let mut fence: Option<&str> = None;
        for line in text.lines() {
            match (fence, line.strip_prefix("```")) {
                (None, kind) => {
                    fence = kind;
                    words(&mut pieces, line);
                    if kind == Some("diff") {
                        pieces.push(Piece::Edit(String::new()));
                    }
                }
                (Some(_), Some(_)) => {
                    fence = None;
                    words(&mut pieces, line);
                }
                (Some("console"), None) => match (line.strip_prefix("$ "), pieces.last_mut()) {
                    (Some(command), _) => {
                        let (line, shown) = (command.to_owned(), String::new());
                        pieces.push(Piece::Command { line, shown });
                    }
                    (None, Some(Piece::Command { shown, .. })) => add(shown, line),
                    (None, _) => panic!("an output without a command: {line}"),
                },
                (Some("diff"), None) => match pieces.last_mut() {
                    Some(Piece::Edit(lines)) => add(lines, line),
                    _ => panic!("an edit that does not begin: {line}"),
                },
                (Some(_), None) => words(&mut pieces, line),
            }
        }
        Page { pieces }
    }

    /// Does what the page says, in its order.
    pub fn live(self, stage: &Stage) -> Lived {
        let lived = self.pieces.into_iter().map(|piece| {
            let happened = match &piece {
                Piece::Words(_) => None,
                Piece::Command { line, .. } => Some(stage.command(line)),
                Piece::Edit(lines) => {
                    stage.edit(lines);
                    None
                }
            };
            (piece, happened)
        });
        Lived { pieces: lived.collect() }
    }
}

fn words(pieces: &mut Vec<Piece>, line: &str) {
    match pieces.last_mut() {
        Some(Piece::Words(words)) => add(words, line),
        _ => pieces.push(Piece::Words(format!("{line}\n"))),
    }
}

fn add(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

impl Lived {
    /// The page with what happened. Where that differs only in what is never twice the same, the page keeps
    /// what it has.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (piece, happened) in &self.pieces {
            match (piece, happened) {
                (Piece::Words(words), _) => text.push_str(words),
                (Piece::Edit(lines), _) => text.push_str(lines),
                (Piece::Command { line, shown }, happened) => {
                    let happened = happened.as_deref().unwrap_or_default();
                    let same = normal::of(shown) == normal::of(happened);
                    let now = if same { shown } else { happened };
                    text.push_str(&format!("$ {line}\n{now}"));
                }
            }
        }
        text
    }

    /// Commands whose output is not what the page shows.
    pub fn differences(&self) -> Vec<String> {
        let commands = self.pieces.iter().filter_map(|(piece, happened)| match piece {
            Piece::Command { line, shown } => Some((line, shown, happened.as_deref()?)),
            _ => None,
        });
        let other = commands.filter(|(_, shown, now)| normal::of(shown) != normal::of(now));
        let told = other.map(|(line, shown, now)| {
            let (shown, now) = (normal::of(shown), normal::of(now));
            let first = shown.lines().zip(now.lines()).find(|(one, other)| one != other);
            let (page, here) = first.unwrap_or(("(ends)", "(other length)"));
            format!("$ {line}\n  page: {page}\n  now:  {here}\n-- all of it now\n{now}")
        });
        told.collect()
    }
}
