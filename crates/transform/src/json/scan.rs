//! One pass over JSON text that checks its grammar and finds where values stand.

use std::ops::Range;

/// Deepest nesting that is read; the engines' own parser stops there, too.
const MAX_DEPTH: u32 = 1000;

/// Why a text isn't JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed json at byte {at}: {what}")]
pub(crate) struct Malformed {
    /// Offset from the start.
    pub(crate) at: usize,
    /// What was wrong there.
    pub(crate) what: &'static str,
}

/// One member of an object, as offsets. The parts between `start` and `end` add up to the text
/// between two commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// After the brace or comma before it.
    pub(crate) start: usize,
    /// The name, without quotes.
    pub(crate) name: Range<usize>,
    /// The value, without white space around it.
    pub(crate) value: Range<usize>,
    /// Before the comma or brace after it.
    pub(crate) end: usize,
}

fn fail<T>(at: usize, what: &'static str) -> Result<T, Malformed> {
    Err(Malformed { at, what })
}

/// Whether the text is one JSON value and nothing else.
pub(crate) fn skip_document(text: &[u8]) -> Result<(), Malformed> {
    let end = skip_space(text, skip_value(text, skip_space(text, 0), 0)?);
    if end == text.len() { Ok(()) } else { fail(end, "something after the value") }
}

/// The text without white space around it.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
    let start = text.iter().position(|b| !space(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !space(b)).map_or(start, |at| at + 1);
    &text[start..end]
}

#[inline]
pub(crate) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// The offset after the value that starts at `at`.
#[inline]
fn skip_value(text: &[u8], at: usize, depth: u32) -> Result<usize, Malformed> {
    match text.get(at) {
        Some(b'"') => skip_string(text, at + 1),
        Some(b'{') => skip_object(text, at, depth),
        Some(b'[') => skip_array(text, at, depth),
        Some(b't') => skip_word(text, at, b"true"),
        Some(b'f') => skip_word(text, at, b"false"),
        Some(b'n') => skip_word(text, at, b"null"),
        Some(b'-' | b'0'..=b'9') => skip_number(text, at),
        Some(_) => fail(at, "not a value"),
        None => fail(at, "the text ends where a value should be"),
    }
}

fn skip_word(text: &[u8], at: usize, word: &'static [u8]) -> Result<usize, Malformed> {
    let end = at + word.len();
    if text.get(at..end) == Some(word) { Ok(end) } else { fail(at, "not a value") }
}

fn skip_digits(text: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let start = at;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at == start { fail(at, "a digit is missing") } else { Ok(at) }
}

fn skip_number(text: &[u8], mut at: usize) -> Result<usize, Malformed> {
    if text[at] == b'-' {
        at += 1;
    }
    at = if text.get(at) == Some(&b'0') { at + 1 } else { skip_digits(text, at)? };
    if text.get(at) == Some(&b'.') {
        at = skip_digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = skip_digits(text, at)?;
    }
    Ok(at)
}

/// The offset after the closing quote; `at` is after the opening one.
#[inline]
fn skip_string(text: &[u8], mut at: usize) -> Result<usize, Malformed> {
    loop {
        // Eight bytes at a time for as long as none of them is special.
        while let Some(chunk) = text.get(at..at + 8) {
            let special = specials(word(chunk));
            if special != 0 {
                at += special.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = skip_escape(text, at + 1)?,
            Some(0..=0x1f) => return fail(at, "a control character inside text"),
            Some(_) => at += 1,
            None => return fail(at, "a text isn't closed"),
        }
    }
}

fn word(chunk: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(chunk);
    u64::from_le_bytes(bytes)
}

/// A set high bit for each byte that is a quote, a backslash or a control character. Only the
/// lowest set bit is exact; borrows can set bits above it.
#[inline]
fn specials(word: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |v: u64| v.wrapping_sub(LOW) & !v;
    let quote = zero(word ^ (LOW * 0x22));
    let backslash = zero(word ^ (LOW * 0x5c));
    let control = word.wrapping_sub(LOW * 0x20) & !word;
    (quote | backslash | control) & HIGH
}

fn skip_escape(text: &[u8], at: usize) -> Result<usize, Malformed> {
    match text.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => match text.get(at + 1..at + 5) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 5),
            _ => fail(at, "`\\u` without four digits"),
        },
        _ => fail(at, "not an escape"),
    }
}

fn deeper(at: usize, depth: u32) -> Result<u32, Malformed> {
    if depth == MAX_DEPTH { fail(at, "nested too deeply") } else { Ok(depth + 1) }
}

fn skip_object(text: &[u8], at: usize, depth: u32) -> Result<usize, Malformed> {
    let mut members = Members::inside(text, at, deeper(at, depth)?);
    while members.advance()?.is_some() {}
    Ok(members.at)
}

fn skip_array(text: &[u8], at: usize, depth: u32) -> Result<usize, Malformed> {
    let mut elements = Elements::inside(text, at, deeper(at, depth)?);
    while elements.advance()?.is_some() {}
    Ok(elements.at)
}

/// The members of an object, one after another.
pub(crate) struct Members<'a> {
    text: &'a [u8],
    /// After the last member's comma; after the closing brace once that is found.
    at: usize,
    depth: u32,
    first: bool,
    done: bool,
}

impl<'a> Members<'a> {
    /// Of a text that is one object, perhaps with white space around it. None if it is none.
    pub(crate) fn of(text: &'a [u8]) -> Option<Self> {
        let at = skip_space(text, 0);
        (text.get(at) == Some(&b'{')).then(|| Self::inside(text, at, 0))
    }

    fn inside(text: &'a [u8], brace: usize, depth: u32) -> Self {
        Self { text, at: brace + 1, depth, first: true, done: false }
    }

    /// Where the next member starts, or the object has ended.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The next member; None after the closing brace.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<Option<Member>, Malformed> {
        if self.done {
            return Ok(None);
        }
        let (text, start) = (self.text, self.at);
        let quote = skip_space(text, start);
        match text.get(quote) {
            Some(b'"') => {}
            Some(b'}') if self.first => {
                self.at = quote + 1;
                self.done = true;
                return Ok(None);
            }
            _ => return fail(quote, "a name is missing"),
        }
        self.first = false;
        let after = skip_string(text, quote + 1)?;
        let colon = skip_space(text, after);
        if text.get(colon) != Some(&b':') {
            return fail(colon, "`:` is missing");
        }
        let from = skip_space(text, colon + 1);
        let to = skip_value(text, from, self.depth)?;
        let end = skip_space(text, to);
        match text.get(end) {
            Some(b',') => {}
            Some(b'}') => self.done = true,
            _ => return fail(end, "`,` or `}` is missing"),
        }
        self.at = end + 1;
        Ok(Some(Member { start, name: quote + 1..after - 1, value: from..to, end }))
    }
}

/// The elements of an array, one after another.
pub(crate) struct Elements<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
    first: bool,
    done: bool,
}

impl<'a> Elements<'a> {
    /// Of a text that is one array, perhaps with white space around it. None if it is none.
    pub(crate) fn of(text: &'a [u8]) -> Option<Self> {
        let at = skip_space(text, 0);
        (text.get(at) == Some(&b'[')).then(|| Self::inside(text, at, 0))
    }

    fn inside(text: &'a [u8], bracket: usize, depth: u32) -> Self {
        Self { text, at: bracket + 1, depth, first: true, done: false }
    }

    /// The next element; None after the closing bracket.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        if self.done {
            return Ok(None);
        }
        let text = self.text;
        let from = skip_space(text, self.at);
        if self.first && text.get(from) == Some(&b']') {
            self.at = from + 1;
            self.done = true;
            return Ok(None);
        }
        self.first = false;
        let to = skip_value(text, from, self.depth)?;
        let end = skip_space(text, to);
        match text.get(end) {
            Some(b',') => {}
            Some(b']') => self.done = true,
            _ => return fail(end, "`,` or `]` is missing"),
        }
        self.at = end + 1;
        Ok(Some(&text[from..to]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_another_parser_on_what_is_json() {
        for text in [
            "{}",
            "[]",
            " {} ",
            "{\"a\":1}",
            "[1,2 , 3]",
            "\"x\\u00e9\\n\"",
            "0",
            "-0",
            "1.0",
            "1e3",
            "-1.5E+10",
            "true",
            "null",
            "\"\\ud800\"",
            "{\"a\":{\"b\":[{}]}}",
            "[[[[]]]]",
            "",
            " ",
            "{",
            "}",
            "{]",
            "[}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "[1,]",
            "[,1]",
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "+1",
            "tru",
            "True",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"a\nb\"",
            "\"\u{1}\"",
            "{}{}",
            "1 2",
            "{a:1}",
            "'a'",
            "[1 2]",
            "{\"a\" 1}",
            "NaN",
            "\u{feff}{}",
            "\"12345678\"",
            "\"1234567\\\"\"",
            "\"é8bytes…\"",
            "\"\\\\\"",
            "\"aaaaaaaaaaaaaaaa\tb\"",
        ] {
            let other = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            assert_eq!(skip_document(text.as_bytes()).is_ok(), other, "{text:?}");
        }
    }

    #[test]
    fn a_special_byte_is_found_at_every_place() {
        for length in 0..40 {
            for at in 0..length {
                for special in [b'"', b'\\', 0x1f, 0, b'\n'] {
                    let mut text = vec![0x80 | b'a'; length];
                    text[at] = special;
                    let expected = match special {
                        b'"' => Ok(at + 1),
                        b'\\' => fail(at + 1, "not an escape"),
                        _ => fail(at, "a control character inside text"),
                    };
                    assert_eq!(skip_string(&text, 0), expected, "{length} {at} {special}");
                }
            }
        }
        // Neighbours of the special values in every position.
        let text = [0x21, 0x23, 0x5b, 0x5d, 0x20, 0x7f, 0xff, 0xa2, 0xdc, 0x9f, 0x22];
        assert_eq!(skip_string(&text, 0), Ok(11));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(skip_document(nested(1000).as_bytes()).is_ok());
        assert!(skip_document(nested(1001).as_bytes()).is_err());
        assert!(skip_document("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn members_add_up_to_the_text() {
        let text = b"  { \"a\" : 1 ,\"b\":[ 2 ]\t} ";
        let mut members = Members::of(text).unwrap();
        let mut parts = Vec::new();
        while let Some(member) = members.advance().unwrap() {
            parts.push(&text[member.start..member.end]);
            assert!(matches!(&text[member.name], b"a" | b"b"));
        }
        assert_eq!(parts.join(&b','), b" \"a\" : 1 ,\"b\":[ 2 ]\t");
        assert_eq!(&text[members.offset() - 1..], b"} ");
    }
}
