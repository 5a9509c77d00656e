//! What texts and scalars in JSON say, as opposed to how they are spelled.

use std::borrow::Cow;

/// Whether a value is null.
pub(crate) fn is_null(raw: &[u8]) -> bool {
    raw == b"null"
}

/// Whether a name as it stands between quotes is this one.
#[inline]
pub(crate) fn name_is(raw: &[u8], name: &str) -> bool {
    if raw.len() == name.len() {
        // A name of equal length can't have escapes unless it is another name: escapes only
        // make a spelling longer. A backslash in the wanted name itself is always escaped.
        return raw == name.as_bytes() && !name.as_bytes().contains(&b'\\');
    }
    raw.len() > name.len() && raw.contains(&b'\\') && decode(raw).as_ref() == name.as_bytes()
}

/// What stands between quotes, escapes resolved. A lone surrogate, which no text can hold, keeps
/// its escape, so that different spellings never become equal by accident.
pub(crate) fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let escape = raw.get(at + 1).copied().unwrap_or(b'\\');
        if escape == b'u' {
            at += unicode(&raw[at..], &mut out);
            continue;
        }
        out.push(match escape {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            other => other,
        });
        at += 2;
    }
    Cow::Owned(out)
}

/// Appends what `\uXXXX`, or a pair of them, stands for; returns its length.
fn unicode(raw: &[u8], out: &mut Vec<u8>) -> usize {
    let unit = |at: usize| {
        let digits = raw.get(at + 2..at + 6).filter(|_| raw[at..].starts_with(b"\\u"))?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let Some(first) = unit(0) else {
        out.extend_from_slice(&raw[..2.min(raw.len())]);
        return 2;
    };
    let second = if raw.len() >= 12 { unit(6) } else { None };
    let (code, length) = match (first, second) {
        (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
            (0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12)
        }
        _ => (first, 6),
    };
    match char::from_u32(code) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&raw[..6]),
    }
    length
}

/// The text of a scalar: what a text says, the spelling of a number or of true and false. None for
/// null, lists and objects.
pub(crate) fn scalar_text(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    match raw.first()? {
        b'"' => Some(decode(&raw[1..raw.len() - 1])),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded() {
        for (raw, expected) in [
            (r"plain é", "plain é"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\u0041\u00e9\u20ac", "Aé€"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\ud83d", r"\ud83d"),
            (r"\ud83dx", r"\ud83dx"),
            (r"\ude00\ud83d", r"\ude00\ud83d"),
            (r"\ud83d\u0041", r"\ud83dA"),
        ] {
            assert_eq!(String::from_utf8_lossy(&decode(raw.as_bytes())), expected, "{raw}");
        }
    }

    #[test]
    fn names_are_compared_by_what_they_say() {
        for (raw, name, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            (r"\u0061", "a", true),
            (r"\u0061b", "ab", true),
            (r"a\\", "a\\", true),
            (r"\n", "\\n", false),
            ("ab", "a", false),
            ("", "", true),
        ] {
            assert_eq!(name_is(raw.as_bytes(), name), expected, "{raw} {name}");
        }
    }
}
