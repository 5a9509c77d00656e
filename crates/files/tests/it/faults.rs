//! What is wrong is named, with its line, and costs no other record.

use segue_files::Shape;
use segue_model::recipe::FileFormat;

use super::{all, words};

#[test]
fn a_bad_record_costs_only_itself() {
    let csv = Shape::new(FileFormat::Csv, None);
    let lines = Shape::new(FileFormat::Jsonl, None);
    let json = Shape::new(FileFormat::Json, None);
    let stray =
        "after a closing quote stands something other than a separator: perhaps a quote is missing";
    let table: [(&Shape, &[u8], u64, &str); 10] = [
        (&csv, b"a,b\n1,2\n2,\"The \"Boss\" man\"\n4,5\n", 3, stray),
        (&csv, b"a,b\n1,2\n2,\"abc\n3,\"def\"\n4,5\n", 3, stray),
        (&csv, b"a,b\n1,2\n3\n4,5\n", 3, "the row has 1 cells, the header 2 columns"),
        (&csv, b"a,b\n1,2\n3,4,5\n4,5\n", 3, "the row has 3 cells, the header 2 columns"),
        (&csv, b"a,b\n1,2\n3,\xff\n4,5\n", 3, "column `b` is not UTF-8"),
        (&lines, b"{}\n{\"a\":\n{}\n", 2, "no JSON: EOF while parsing a value at character 5"),
        (&lines, b"{}\n{} {}\n{}\n", 2, "no JSON: trailing characters at character 4"),
        (&lines, b"{}\n7\n{}\n", 2, "a number, not an object"),
        (&lines, b"{}\n{\"a\":\"\xff\"}\n{}\n", 2, "byte 7 is not UTF-8"),
        (&json, b"[{},\nnull,\n{}]", 2, "null, not an object"),
    ];
    for (shape, bytes, line, reason) in table {
        let got = all(bytes, shape).unwrap();
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(got.len(), 3, "{text}");
        assert!(got[0].2.is_ok() && got[2].2.is_ok(), "{text}: {got:?}");
        assert_eq!(got[1], (1, line, Err(reason.to_owned())), "{text}");
    }
}

#[test]
fn where_nothing_more_can_be_read_is_said() {
    let csv = Shape::new(FileFormat::Csv, None);
    let json = Shape::new(FileFormat::Json, None);
    let table: [(&Shape, &[u8], usize, &str); 10] = [
        (
            &csv,
            b"a,b\n1,2\n2,\"open\n3,4\n",
            1,
            ":3:0: a quote is opened in this row and never closed",
        ),
        (&csv, b"", 0, ":1: the file is empty: a header is expected in its first line"),
        (&csv, b"a,,c\n", 0, ":1: column 2 has no name"),
        (&csv, b"a,b,a\n", 0, ":1: two columns are named `a`"),
        (&csv, b"a,\xff\n", 0, ":1: the name of column 2 is not UTF-8"),
        (
            &csv,
            b"\xff\xfea\0",
            0,
            ":1:1: the file is UTF-16, only UTF-8 can be read: convert it first",
        ),
        (&json, b"[{},\n{\"a\":}]", 1, ":2:6: no JSON: expected value"),
        (&json, b"\n[{}\n{}]", 1, ":3:1: no JSON: expected `,` or `]`"),
        (&json, b"[{}", 1, ":1:3: no JSON: EOF while parsing a list"),
        (&json, b"[{}] {}", 1, ":1:6: no JSON: trailing characters"),
    ];
    for (shape, bytes, before, expected) in table {
        let text = String::from_utf8_lossy(bytes);
        let (got, error) = all(bytes, shape).unwrap_err();
        assert_eq!(got.len(), before, "{text}");
        assert_eq!(words(&error), expected, "{text}");
    }
}

#[test]
fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
    let csv = Shape::new(FileFormat::Csv, None);
    let mut bytes = b"a\n\"".to_vec();
    bytes.resize(70 << 20, b'x');
    let (got, error) = all(&bytes, &csv).unwrap_err();
    assert!(got.is_empty());
    assert!(words(&error).contains("a record is longer than 64 MB"), "{error}");
    let lines = Shape::new(FileFormat::Jsonl, None);
    let (_, error) = all(&bytes[2..], &lines).unwrap_err();
    assert!(words(&error).contains("a record is longer than 64 MB"), "{error}");
}
