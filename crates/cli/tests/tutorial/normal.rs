//! What is never twice the same in an output.

/// The text with everything volatile replaced: numbers in front of a unit of time or size, or of `batches`
/// and `writes a second`, which depend on the machine; hashes and unique ids; dates; the engine's release.
/// Runs of white space count as one space, as columns follow what stands in them; empty lines at the end
/// do not count, nor do lines that are there only where something takes long.
pub fn of(text: &str) -> String {
    let kept = text.lines().filter(|line| !is_of_the_moment(line));
    let mut lines: Vec<String> = kept.map(line).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n")
}

/// Said every few seconds, if something takes so long, or only if it took long enough.
fn is_of_the_moment(line: &str) -> bool {
    line.contains(" docs/s, ")
        || line.starts_with("waiting on ")
        || line.trim_start().starts_with("at this speed ")
}

/// Units whose numbers are volatile, and what stands for them: how large a number is may change the unit.
const UNITS: [(&str, &str); 12] = [
    ("ms", "TIME"),
    ("s", "TIME"),
    ("B", "SIZE"),
    ("kB", "SIZE"),
    ("MB", "SIZE"),
    ("GB", "SIZE"),
    ("KiB", "SIZE"),
    ("MiB", "SIZE"),
    ("docs/s", "RATE"),
    ("writes", "writes"),
    ("batches", "batches"),
    ("batch", "batches"),
];

fn line(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let words: Vec<_> = line.split_whitespace().map(word).collect();
    let pause = words.first().is_some_and(|word| word == "pause");
    let mut out = " ".repeat(indent);
    for (at, word) in words.iter().enumerate() {
        let number = is_number(word);
        let after_number = at > 0 && is_number(&words[at - 1]);
        let told = match (unit(word), words.get(at + 1).and_then(|next| unit(next))) {
            (Some(stands), _) if after_number => in_place_of(word, stands),
            (_, Some(_)) if number => in_place_of(word, "N"),
            _ if pause && number => in_place_of(word, "N"),
            _ => word.clone(),
        };
        if at > 0 {
            out.push(' ');
        }
        out.push_str(&told);
    }
    out
}

/// What stands for a unit.
fn unit(word: &str) -> Option<&'static str> {
    let (_, stands) = UNITS.iter().find(|(unit, _)| *unit == core(word))?;
    Some(stands)
}

fn word(word: &str) -> String {
    let core = core(word);
    if is_hash(core) {
        return in_place_of(word, "HASH");
    }
    if is_date(core) {
        return in_place_of(word, "DATE");
    }
    if is_release(core) {
        return in_place_of(word, "RELEASE");
    }
    word.to_owned()
}

fn core(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

fn in_place_of(word: &str, name: &str) -> String {
    word.replacen(core(word), name, 1)
}

fn is_number(word: &str) -> bool {
    let core = core(word);
    core.starts_with(|c: char| c.is_ascii_digit())
        && core.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','))
}

/// At least 12 hexadecimal digits, some of them numbers; or an engine's id of 20 to 22 characters.
fn is_hash(core: &str) -> bool {
    let digits = core.bytes().filter(u8::is_ascii_digit).count();
    let hex = core.len() >= 12 && core.bytes().all(|b| b.is_ascii_hexdigit());
    let of_ids = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let mixed = core.bytes().any(|b| b.is_ascii_uppercase()) && digits > 0;
    (hex && digits > 0) || ((20..=22).contains(&core.len()) && core.bytes().all(of_ids) && mixed)
}

fn is_date(core: &str) -> bool {
    let shape: String =
        core.chars().take(10).map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
    shape == "dddd-dd-dd"
}

/// Three numbers with dots, as the engine's release.
fn is_release(core: &str) -> bool {
    let parts: Vec<_> = core.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.parse::<u16>().is_ok())
}

#[test]
fn only_what_is_volatile_is_replaced() {
    let table = [
        ("copied in 1.7 s, 3,000 documents", "copied in N TIME, 3,000 documents"),
        ("  hash 0f3a9c01d2b4e5f6", "  hash HASH"),
        ("on OpenSearch 3.8.0", "on OpenSearch RELEASE"),
        ("copy 230 ms, verify 12 s (3 kB)", "copy N TIME, verify N TIME (N SIZE)"),
        (
            "  pause   about 240 ms: block 48, clone (100)",
            "  pause about N TIME: block N, clone (N)",
        ),
        ("From 4711 docs/s when shop was copied", "From N RATE when shop was copied"),
        ("created 2026-01-02 is 7", "created DATE is 7"),
        ("shards 2, replicas 0, 37 fields mapped\n\n", "shards 2, replicas 0, 37 fields mapped"),
        ("a\nshop: 7 of 9 documents, 3 docs/s, 1 kB/s\nb", "a\nb"),
        ("the fields added and decade", "the fields added and decade"),
    ];
    for (text, wanted) in table {
        assert_eq!(of(text), wanted);
    }
}
