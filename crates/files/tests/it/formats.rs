//! What is in a file is what comes out.

use proptest::prelude::*;
use segue_files::Shape;
use segue_model::recipe::{EmptyCell, FileFormat};

use super::{all, good};

#[test]
fn rows_become_objects() {
    let shape = Shape::new(FileFormat::Csv, None);
    let text = "\u{feff}a, b ,\"c\"\"d\"\r\n1,\"x,\ny\",z\r\n\r\n,\"\",\"q\"\"q\"\r\n";
    let got = all(text.as_bytes(), &shape).unwrap();
    let expected =
        [good(0, 2, r#"{"a":"1","b":"x,\ny","c\"d":"z"}"#), good(1, 5, r#"{"c\"d":"q\"q"}"#)];
    assert_eq!(got, expected);
}

#[test]
fn empty_cells_are_what_the_recipe_says() {
    for (empty, expected) in [
        (EmptyCell::Omit, r#"{"b":"x"}"#),
        (EmptyCell::Null, r#"{"a":null,"b":"x"}"#),
        (EmptyCell::Text, r#"{"a":"","b":"x"}"#),
    ] {
        let shape = Shape { empty, ..Shape::new(FileFormat::Csv, None) };
        assert_eq!(all(b"a,b\n,x\n", &shape).unwrap(), [good(0, 2, expected)]);
    }
}

#[test]
fn other_separators_are_taken_as_they_are_said() {
    let expected = [good(0, 2, r#"{"a":"1,2","b":"3"}"#)];
    let tabs = Shape::new(FileFormat::Tsv, None);
    assert_eq!(all(b"a\tb\n1,2\t3\n", &tabs).unwrap(), expected);
    let semicolons = Shape::new(FileFormat::Csv, Some(b';'));
    assert_eq!(all(b"a;b\n1,2;3", &semicolons).unwrap(), expected);
}

#[test]
fn an_empty_line_of_a_table_of_one_column_is_no_silence() {
    let shape = Shape::new(FileFormat::Csv, None);
    let got = all(b"a\n1\n\n3\n", &shape).unwrap();
    assert_eq!(got.len(), 3, "{got:?}");
    assert_eq!((got[1].0, got[1].1), (1, 3));
    assert!(got[1].2.is_err(), "{got:?}");
    assert_eq!(got[2], good(2, 4, r#"{"a":"3"}"#));
    // In another table it is nothing but an empty line.
    assert_eq!(all(b"a,b\n1,2\n\n3,4\n", &shape).unwrap().len(), 2);
}

#[test]
fn lines_keep_their_bytes() {
    let shape = Shape::new(FileFormat::Jsonl, None);
    let text = "\u{feff}{\"a\": 1.10, \"b\":12345678901234567890}\n\n  {\"a\":\"\\u00e9\"} \r\n{}";
    let expected = [
        good(0, 1, "{\"a\": 1.10, \"b\":12345678901234567890}"),
        good(1, 3, "{\"a\":\"\\u00e9\"}"),
        good(2, 4, "{}"),
    ];
    assert_eq!(all(text.as_bytes(), &shape).unwrap(), expected);
}

#[test]
fn arrays_and_objects_in_a_row_are_the_same() {
    let shape = Shape::new(FileFormat::Json, None);
    let array = "\n[\n{\"a\":1.10},\n  {\n\"b\":[{}]\n}\n ,{\"c\":\"]\"}]\n";
    let expected =
        [good(0, 3, "{\"a\":1.10}"), good(1, 4, "{\n\"b\":[{}]\n}"), good(2, 7, "{\"c\":\"]\"}")];
    assert_eq!(all(array.as_bytes(), &shape).unwrap(), expected);
    let rows = "\n\n{\"a\":1.10}\n{\n\"b\":[{}]\n}\n {\"c\":\"]\"}";
    assert_eq!(all(rows.as_bytes(), &shape).unwrap(), expected);
    for nothing in ["", " \n ", "[]", "[ ]\n"] {
        assert_eq!(all(nothing.as_bytes(), &shape).unwrap(), [], "{nothing:?}");
    }
}

#[test]
fn a_visitor_may_have_enough() {
    let folder = tempfile::tempdir().unwrap();
    for (format, text) in [
        (FileFormat::Csv, "a\n1\n2\n3\n"),
        (FileFormat::Jsonl, "{}\n{}\n{}\nbroken"),
        (FileFormat::Json, "[{},{},{},broken"),
        (FileFormat::Json, "{}{}{}broken"),
    ] {
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        let mut seen = 0;
        let done = segue_files::read(&path, &Shape::new(format, None), &mut |_| {
            seen += 1;
            if seen == 2 {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        });
        assert!(done.is_ok(), "{text}: {done:?}");
        assert_eq!(seen, 2, "{text}");
    }
}

proptest! {
    /// Whatever a table holds, its cells come out as they were.
    #[test]
    fn cells_come_out_as_they_went_in(
        rows in prop::collection::vec(prop::collection::vec("[ -~äß€\"\n\r,;]{1,12}", 3), 0..12)
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let got = all(&bytes, &Shape::new(FileFormat::Csv, None)).unwrap();
        prop_assert_eq!(got.len(), rows.len());
        for ((number, (at, _, document)), row) in got.iter().enumerate().zip(&rows) {
            prop_assert_eq!(*at, number as u64);
            let value: serde_json::Value = serde_json::from_str(document.as_ref().unwrap()).unwrap();
            for (name, cell) in ["a", "b", "c"].iter().zip(row) {
                prop_assert_eq!(value[*name].as_str().unwrap(), cell.as_str());
            }
        }
    }
}
