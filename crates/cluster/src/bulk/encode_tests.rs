use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn lines(body: &mut BulkBody) -> (Vec<String>, usize) {
    let (bytes, items) = body.take();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    (text.lines().map(str::to_owned).collect(), items)
}

#[test]
fn one_of_each() {
    let mut body = BulkBody::with_capacity(0);
    body.index("1", None, 9_223_372_036_854_775_807, b"{\"a\":\r\n1.0}");
    body.begin_index("2", Some("r\"1"), 0).extend_from_slice(b"{}");
    body.finish();
    body.delete("3", Some("x"), 5);
    assert_eq!((body.len(), body.is_empty()), (3, false));
    let (lines, items) = lines(&mut body);
    assert_eq!(items, 3);
    assert_eq!(
        lines,
        [
            r#"{"index":{"_id":"1","version":9223372036854775807,"version_type":"external"}}"#,
            r#"{"a":  1.0}"#,
            r#"{"index":{"_id":"2","routing":"r\"1","version":0,"version_type":"external"}}"#,
            "{}",
            r#"{"delete":{"_id":"3","routing":"x","version":5,"version_type":"external"}}"#,
        ]
    );
    assert_eq!((body.len(), body.bytes()), (0, 0));
}

#[test]
fn a_cancelled_item_leaves_nothing() {
    let mut body = BulkBody::with_capacity(64);
    body.index("1", None, 1, b"{}");
    let before = body.bytes();
    body.begin_index("2", None, 2).extend_from_slice(b"{\"half\":");
    assert!(body.bytes() > before);
    body.cancel();
    assert_eq!((body.bytes(), body.len()), (before, 1));
    body.begin_index("3", None, 2).extend_from_slice(b"{\"half\":");
    body.delete("4", None, 3);
    body.begin_index("5", None, 2);
    body.finish();
    body.finish();
    body.cancel();
    body.begin_index("6", None, 2);
    let (lines, items) = lines(&mut body);
    assert_eq!(items, 3);
    assert!(!lines.concat().contains("half"));
    assert_eq!(lines.len(), 5);
    body.index("7", None, 1, b"{}");
    body.clear();
    assert_eq!((body.bytes(), body.len()), (0, 0));
}

#[test]
fn numbers_are_exact() {
    for number in [0, 1, 9, 10, 99, 100, 9_007_199_254_740_993, i64::MAX as u64, u64::MAX] {
        let mut out = Vec::new();
        push_number(&mut out, number);
        assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }
}

proptest! {
    #[test]
    fn every_id_comes_back(
        id in any::<String>(),
        routing in proptest::option::of(any::<String>()),
        version in 0..=i64::MAX as u64,
        delete in any::<bool>(),
    ) {
        let mut body = BulkBody::with_capacity(16);
        if delete {
            body.delete(&id, routing.as_deref(), version);
        } else {
            body.index(&id, routing.as_deref(), version, b"{}");
        }
        let (lines, items) = lines(&mut body);
        prop_assert_eq!(items, 1);
        prop_assert_eq!(lines.len(), if delete { 1 } else { 2 });
        let action: Value = serde_json::from_str(&lines[0]).unwrap();
        let mut expected = json!({ "_id": id, "version": version, "version_type": "external" });
        if let Some(routing) = routing {
            expected["routing"] = json!(routing);
        }
        prop_assert_eq!(&action[if delete { "delete" } else { "index" }], &expected);
    }

    #[test]
    fn line_ends_are_the_only_change(source in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut body = BulkBody::with_capacity(16);
        body.index("1", None, 1, &source);
        let (bytes, _) = body.take();
        let expected: Vec<u8> =
            source.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }).collect();
        let start = memchr::memchr(b'\n', &bytes).unwrap() + 1;
        prop_assert_eq!(&bytes[start..bytes.len() - 1], &expected[..]);
        prop_assert_eq!(bytes[bytes.len() - 1], b'\n');
    }
}

#[test]
fn conditional_writes_say_their_condition() {
    let state = DocVersion { seq_no: 12, primary_term: 3 };
    let mut body = BulkBody::default();
    body.begin_create("a", None);
    body.end_with(b"{\n}");
    body.begin_replace("b", Some("r"), state);
    body.end_with(b"{}");
    body.remove("c", None, state);
    body.delete_up_to("d", None, 9);
    let (bytes, items) = body.take();
    assert_eq!(items, 4);
    let expected = concat!(
        "{\"create\":{\"_id\":\"a\"}}\n{ }\n",
        "{\"index\":{\"_id\":\"b\",\"routing\":\"r\",\"if_seq_no\":12,\"if_primary_term\":3}}\n{}\n",
        "{\"delete\":{\"_id\":\"c\",\"if_seq_no\":12,\"if_primary_term\":3}}\n",
        "{\"delete\":{\"_id\":\"d\",\"version\":9,\"version_type\":\"external_gte\"}}\n",
    );
    assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
}
