//! Writing JSON that stays on one line.

/// Appends JSON text, raw line breaks replaced by blanks. They can only stand between tokens,
/// where any white space is as good; in a bulk request they would end the document.
#[inline]
pub(crate) fn push_clean(out: &mut Vec<u8>, text: &[u8]) {
    let from = out.len();
    out.extend_from_slice(text);
    let mut at = from;
    while let Some(next) = memchr::memchr2(b'\n', b'\r', &out[at..]) {
        at += next;
        out[at] = b' ';
    }
}

/// Appends a text as a JSON string.
pub(crate) fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
