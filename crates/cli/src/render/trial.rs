//! A document before and after the pipeline: side by side, or one after the other.

use segue_engine::trial::{Key, Tried, Verdict};

/// The two documents and what would happen, as text. With a width they stand side by side.
pub fn render(tried: &Tried, width: Option<usize>) -> String {
    let before = lines(tried.before.as_deref().map_or("", |source| source.get()));
    let after = lines(tried.after.as_deref().map_or("", |source| source.get()));
    let mut out = format!("{} / {}", tried.part, shown(&tried.id));
    if let Some(Key { id, routing }) = &tried.key {
        out.push_str(&format!(" -> {}", shown(id)));
        if let Some(routing) = routing {
            out.push_str(&format!(" (routing {})", shown(routing)));
        }
    }
    out.push('\n');
    match width {
        Some(width) if tried.after.is_some() => beside(&mut out, &before, &after, width),
        _ => {
            below(&mut out, "before", &before);
            below(&mut out, "after", &after);
        }
    }
    out.push_str(match tried.outcome {
        Verdict::Written => "=> written",
        Verdict::Incomplete => "=> written, but incomplete",
        Verdict::Filtered => "=> filtered",
        Verdict::DeadLetter => "=> dead letter",
    });
    if let Some(reason) = &tried.reason {
        out.push_str(": ");
        out.push_str(&shown(reason));
    }
    out.push('\n');
    out
}

fn below(out: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        out.push_str(&format!("  {title}\n"));
        lines.iter().for_each(|line| out.push_str(&format!("    {line}\n")));
    }
}

/// Lines that both have stand at the same height.
fn beside(out: &mut String, before: &[String], after: &[String], width: usize) {
    let column = (width - 3) / 2;
    for (left, right) in aligned(before, after) {
        let mark = match (left, right) {
            (Some(left), Some(right)) if left == right => ' ',
            (Some(_), Some(_)) => '|',
            (Some(_), None) => '<',
            (None, _) => '>',
        };
        let (left, right) = (cell(left, column), cell(right, column));
        let line = format!("{left}{} {mark} {right}", " ".repeat(column - left.chars().count()));
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn cell(line: Option<&String>, column: usize) -> String {
    let line = line.map_or("", String::as_str);
    if line.chars().count() <= column {
        return line.to_owned();
    }
    line.chars().take(column - 1).chain(['…']).collect()
}

type Row<'a> = (Option<&'a String>, Option<&'a String>);

/// More pairs of lines than this are not compared each with each.
const MOST_PAIRS: usize = 4_000_000;

/// The lines of both, those of the longest common sequence in one row, differing ones in pairs.
fn aligned<'a>(before: &'a [String], after: &'a [String]) -> Vec<Row<'a>> {
    let (rows, columns) = (before.len(), after.len());
    if rows.saturating_mul(columns) > MOST_PAIRS {
        return pairs(before, after);
    }
    // How many lines the ends from each place on have in common.
    let mut common = vec![vec![0_usize; columns + 1]; rows + 1];
    for (i, left) in before.iter().enumerate().rev() {
        for (j, right) in after.iter().enumerate().rev() {
            common[i][j] = match left == right {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    let (mut left_from, mut right_from) = (0, 0);
    while i < rows && j < columns {
        if before[i] == after[j] {
            out.extend(pairs(&before[left_from..i], &after[right_from..j]));
            out.push((Some(&before[i]), Some(&after[j])));
            (i, j) = (i + 1, j + 1);
            (left_from, right_from) = (i, j);
        } else if common[i + 1][j] >= common[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    out.extend(pairs(&before[left_from..], &after[right_from..]));
    out
}

fn pairs<'a>(before: &'a [String], after: &'a [String]) -> Vec<Row<'a>> {
    (0..before.len().max(after.len())).map(|at| (before.get(at), after.get(at))).collect()
}

/// JSON text with a line for each member and element; scalars as they are spelled.
fn lines(json: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut depth) = (String::new(), 0_usize);
    let mut chars = json.trim().chars().peekable();
    let mut end = |line: &mut String, depth: usize| {
        lines.push(shown(&std::mem::replace(line, "  ".repeat(depth))));
    };
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                line.push(c);
                while let Some(c) = chars.next() {
                    line.push(c);
                    match c {
                        '\\' => line.extend(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                line.push(c);
                while chars.next_if(|c| c.is_whitespace()).is_some() {}
                if let Some(close) = chars.next_if(|c| matches!(c, '}' | ']')) {
                    line.push(close);
                } else {
                    depth += 1;
                    end(&mut line, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                end(&mut line, depth);
                line.push(c);
            }
            ',' => {
                line.push(c);
                end(&mut line, depth);
            }
            ':' => line.push_str(": "),
            c if c.is_whitespace() => {}
            c => line.push(c),
        }
    }
    if !line.trim().is_empty() {
        end(&mut line, 0);
    }
    lines
}

/// Text that does nothing to a terminal but to stand on it.
fn shown(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use segue_model::id::IndexName;
    use serde_json::value::RawValue;

    use super::*;

    fn tried(before: &str, after: Option<&str>, outcome: Verdict, reason: Option<&str>) -> Tried {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        Tried {
            part: IndexName::new("a"),
            id: "d\u{1b}1".to_owned(),
            key: None,
            before: Some(raw(before)),
            after: after.map(raw),
            outcome,
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn side_by_side_equal_lines_stand_at_the_same_height() {
        let before = r#"{"a":1.10,"gone":[ ],"l":["x,{","\""],"z":1e3}"#;
        let after = r#"{"a":1.10,"l":["x,{","\""],"z":1000,"new":{"b":null}}"#;
        let document = tried(before, Some(after), Verdict::Written, None);
        let left = |text: &str| format!("{text:<48}");
        let expected = [
            "a / d\u{fffd}1".to_owned(),
            format!("{}   {{", left("{")),
            format!("{}     \"a\": 1.10,", left("  \"a\": 1.10,")),
            format!("{} <", left("  \"gone\": [],")),
            format!("{}     \"l\": [", left("  \"l\": [")),
            format!("{}       \"x,{{\",", left("    \"x,{\",")),
            format!("{}       \"\\\"\"", left("    \"\\\"\"")),
            format!("{}     ],", left("  ],")),
            format!("{} |   \"z\": 1000,", left("  \"z\": 1e3")),
            format!("{} >   \"new\": {{", left("")),
            format!("{} >     \"b\": null", left("")),
            format!("{} >   }}", left("")),
            format!("{}   }}", left("}")),
            "=> written\n".to_owned(),
        ];
        assert_eq!(render(&document, Some(100)), expected.join("\n"));
    }

    #[test]
    fn what_it_is_called_in_the_target_is_said() {
        let mut document = tried("{}", Some("{}"), Verdict::Written, None);
        let mut key = Key { id: "k\u{7}1".to_owned(), routing: None };
        document.key = Some(key.clone());
        assert!(render(&document, None).starts_with("a / d\u{fffd}1 -> k\u{fffd}1\n"));
        key.routing = Some("r".to_owned());
        document.key = Some(key);
        assert!(render(&document, None).starts_with("a / d\u{fffd}1 -> k\u{fffd}1 (routing r)\n"));
    }

    #[test]
    fn one_after_the_other_and_without_an_after() {
        let document = tried("{}", Some(r#"{"a":1}"#), Verdict::Incomplete, Some("why"));
        let expected = "a / d\u{fffd}1\n  before\n    {}\n  after\n    {\n      \"a\": 1\n    }\n\
                        => written, but incomplete: why\n";
        assert_eq!(render(&document, None), expected);
        let document = tried("{}", None, Verdict::Filtered, Some("ro\u{9b}bots"));
        let expected = "a / d\u{fffd}1\n  before\n    {}\n=> filtered: ro\u{fffd}bots\n";
        assert_eq!(render(&document, Some(120)), expected);
    }

    #[test]
    fn long_lines_are_cut_to_their_column() {
        let long = format!(r#"{{"a":"{}"}}"#, "é".repeat(200));
        let text = render(&tried(&long, Some("{}"), Verdict::Written, None), Some(101));
        assert!(text.lines().all(|line| line.chars().count() <= 101), "{text}");
        assert!(text.contains('…'), "{text}");
    }
}
