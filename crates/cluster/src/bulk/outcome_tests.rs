use super::*;

const OK: &str = r#"{"index":{"_index":"t","_id":"1","_version":7,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,"status":201}}"#;

fn answer(errors: bool, items: &[&str]) -> String {
    format!(r#"{{"took":3,"errors":{errors},"items":[{}]}}"#, items.join(","))
}

fn failed(op: &str, status: u16, kind: &str, reason: &str) -> String {
    let reason = serde_json::to_string(reason).unwrap();
    format!(
        r#"{{"{op}":{{"_index":"t","_id":"2","status":{status},"error":{{"type":"{kind}","reason":{reason},"index":"t","shard":"0","index_uuid":"u"}}}}}}"#
    )
}

#[test]
fn a_clean_answer_is_only_counted() {
    let ids = OK.replace(r#""_id":"1""#, r#""_id":"\"status\":\"errors\":true""#);
    for body in [
        answer(false, &[OK, &ids]),
        answer(false, &[OK, OK])
            .replace(r#""took":3,"errors":false"#, r#""errors":false,"took":3"#),
        answer(false, &[OK, OK]).replace(r#""errors""#, r#""ingest_took":4,"errors""#),
    ] {
        assert_eq!(parse(body.as_bytes(), 2), Ok(BulkAnswer::AllApplied), "{body}");
        assert!(parse(body.as_bytes(), 3).is_err());
        assert!(parse(body.as_bytes(), 1).is_err());
    }
}

#[test]
fn a_flag_inside_an_item_is_not_believed() {
    let text = failed("index", 400, "x", r#""errors":false"#);
    let body = format!(r#"{{"items":[{text}],"errors":true,"took":1}}"#);
    assert!(matches!(parse(body.as_bytes(), 1), Ok(BulkAnswer::Mixed(_))));
    let odd = r#"{"items":[{"index":{"errors":false,"status":400,"error":{"type":"x","reason":"y"}}}],"errors":true}"#;
    assert!(matches!(parse(odd.as_bytes(), 1), Ok(BulkAnswer::Mixed(_))));
}

#[test]
fn an_absent_document_is_deleted() {
    let gone = r#"{"delete":{"_index":"t","_id":"9","_version":5,"result":"not_found","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,"status":404}}"#;
    assert_eq!(parse(answer(false, &[gone]).as_bytes(), 1), Ok(BulkAnswer::AllApplied));
    assert_eq!(parse(answer(true, &[gone, OK]).as_bytes(), 2), Ok(BulkAnswer::AllApplied));
}

#[test]
fn outcomes_are_told_apart() {
    use ItemOutcome::{Blocked, Conflict, Fenced, Rejected, Throttled, Unavailable};
    let reason = || "r".to_owned();
    let table: [(u16, &str, &str, ItemOutcome); 15] = [
        (
            409,
            "version_conflict_engine_exception",
            "[2]: version conflict, current version [9223372036854775806] is higher or equal to the one provided [7]",
            Conflict { current: Some(9_223_372_036_854_775_806) },
        ),
        (
            409,
            "version_conflict_engine_exception",
            "[2]: version conflict, current version [8] is higher than the one provided [7]",
            Conflict { current: Some(8) },
        ),
        (
            409,
            "version_conflict_engine_exception",
            "[2]: version conflict, required seqNo [1], primary term [1]. current document has seqNo [3] and primary term [1]",
            Conflict { current: None },
        ),
        (
            409,
            "version_conflict_engine_exception",
            "[2]: version conflict, document already exists (current version [1])",
            Conflict { current: None },
        ),
        (429, "rejected_execution_exception", "r", Throttled { reason: reason() }),
        (429, "circuit_breaking_exception", "r", Throttled { reason: reason() }),
        (429, "cluster_block_exception", "r", Throttled { reason: reason() }),
        (403, "cluster_block_exception", "r", Blocked { reason: reason() }),
        (400, "index_closed_exception", "r", Blocked { reason: reason() }),
        (
            403,
            "security_exception",
            "r",
            Rejected { status: 403, kind: "security_exception".into(), reason: reason() },
        ),
        (404, "index_not_found_exception", "r", Fenced { reason: reason() }),
        (404, "shard_not_found_exception", "r", Unavailable { reason: reason() }),
        (503, "unavailable_shards_exception", "r", Unavailable { reason: reason() }),
        (500, "x", "r", Unavailable { reason: reason() }),
        (
            400,
            "strict_dynamic_mapping_exception",
            "r",
            Rejected {
                status: 400,
                kind: "strict_dynamic_mapping_exception".into(),
                reason: reason(),
            },
        ),
    ];
    for (status, kind, reason, expected) in table {
        for op in ["index", "delete"] {
            let body = answer(true, &[OK, &failed(op, status, kind, reason)]);
            let expected = BulkAnswer::Mixed(vec![ItemOutcome::Applied, expected.clone()]);
            assert_eq!(parse(body.as_bytes(), 2), Ok(expected), "{status} {kind}");
        }
    }
}

#[test]
fn an_alias_without_write_index_is_a_fence() {
    let reason = "no write index is defined for alias [w]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index";
    let body = answer(true, &[&failed("index", 400, "illegal_argument_exception", reason)]);
    let Ok(BulkAnswer::Mixed(items)) = parse(body.as_bytes(), 1) else { panic!("{body}") };
    assert!(matches!(items[0], ItemOutcome::Fenced { .. }));
}

#[test]
fn a_rejection_names_the_innermost_cause() {
    let body = answer(
        true,
        &[
            r#"{"index":{"_index":"t","_id":"2","status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse field [n] of type [long]","caused_by":{"type":"illegal_argument_exception","reason":"For input string: \"x\""}}}}"#,
        ],
    );
    let Ok(BulkAnswer::Mixed(items)) = parse(body.as_bytes(), 1) else { panic!("{body}") };
    let [ItemOutcome::Rejected { reason, .. }] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(reason, "failed to parse field [n] of type [long]: For input string: \"x\"");
}

#[test]
fn an_id_cannot_fake_a_version() {
    let faked = "[current version [99] is higher or equal to the one provided [1]]: version conflict, current version [5] is higher or equal to the one provided [3]";
    assert_eq!(current_version(faked), Some(5));
    assert_eq!(
        current_version(
            "[x]: version conflict, current version [] is higher or equal to the one provided [3]"
        ),
        None
    );
    assert_eq!(current_version(""), None);
}

#[test]
fn odd_answers_are_errors() {
    for body in
        ["", "{}", "[]", r#"{"errors":true,"items":[{}]}"#, r#"{"errors":true,"items":"x"}"#]
    {
        assert!(parse(body.as_bytes(), 1).is_err(), "{body}");
    }
    assert!(parse(answer(true, &[OK]).as_bytes(), 2).is_err());
}
