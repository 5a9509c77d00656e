use super::*;

fn copy(primary: bool, node: &str, gcp: i64) -> Value {
    json!({
        "routing": { "state": "STARTED", "primary": primary, "node": node, "relocating_node": null },
        "docs": { "count": 5, "deleted": 2 },
        "store": { "size_in_bytes": 4096, "reserved_in_bytes": 0 },
        "indexing": { "index_total": 7 },
        "commit": { "id": "x", "generation": 3, "num_docs": 5,
            "user_data": { "history_uuid": "h", "translog_uuid": "t", "max_seq_no": "9" } },
        "seq_no": { "max_seq_no": 9, "local_checkpoint": 9, "global_checkpoint": gcp },
        "retention_leases": {},
    })
}

fn parse(shards: &Value) -> Result<IndexShards, Error> {
    let body = json!({
        "_shards": { "total": 4, "successful": 3, "failed": 0 },
        "_all": {},
        "indices": { "a": { "uuid": "u", "primaries": {}, "total": {}, "shards": shards } },
    });
    let stats: Stats = serde_json::from_value(body).unwrap();
    joined("a", stats.indices, &call())
}

fn call() -> Call {
    Call { method: "GET".into(), path: "/a/_stats".into() }
}

#[test]
fn the_shards_of_a_list_are_numbered_through_in_its_order() {
    let indices = || {
        let entry = |uuid: &str, shards: Value| json!({ "uuid": uuid, "shards": shards });
        let body = json!({
            "a": entry("ua", json!({ "0": [copy(true, "n", 1)] })),
            "b": entry("ub", json!({ "0": [copy(true, "n", 2), copy(false, "n", 0)], "1": [copy(true, "n", 3)] })),
        });
        serde_json::from_value::<BTreeMap<String, IndexEntry>>(body).unwrap()
    };
    let shards = joined("b,a", indices(), &call()).unwrap();
    assert_eq!((shards.uuid.as_str(), shards.active_copies), ("ub,ua", 4));
    let seen: Vec<_> = shards
        .primaries
        .iter()
        .map(|p| (p.shard, p.index.as_str(), p.in_index, p.global_checkpoint))
        .collect();
    assert_eq!(seen, [(0, "b", 0, 2), (1, "b", 1, 3), (2, "a", 0, 1)]);
    // One is missing or stands for another, or there are more.
    for names in ["a,c", "a", "b,c", "a,b,c", "a,a,b"] {
        assert!(joined(names, indices(), &call()).is_err(), "{names}");
    }
}

#[test]
fn the_primary_is_believed() {
    let shards = json!({
        "0": [copy(false, "n2", 3), copy(true, "n1", 4)],
        "1": [copy(true, "n2", -1)],
        "10": [copy(false, "n2", 1)],
    });
    let parsed = parse(&shards).unwrap();
    assert_eq!((parsed.uuid.as_str(), parsed.active_copies), ("u", 4));
    let seen: Vec<_> = parsed
        .primaries
        .iter()
        .map(|p| (p.shard, p.node.as_str(), p.global_checkpoint, p.history_uuid.as_str()))
        .collect();
    assert_eq!(seen, [(0, "n1", 4, "h"), (1, "n2", -1, "h")]);
    let first = &parsed.primaries[0];
    assert_eq!((first.docs, first.deleted, first.bytes, first.max_seq_no), (5, 2, 4096, 9));
}

#[test]
fn failed_and_missing_shards_are_errors() {
    let call = || Box::new(Call { method: "POST".into(), path: "/a/_count".into() });
    let counts =
        |total, successful, failed| Counted { total, successful, failed, failures: vec![] };
    assert!(counts(2, 2, 0).all_answered(call()).is_ok());
    assert!(counts(2, 1, 0).all_answered(call()).is_err());
    assert!(counts(2, 1, 0).none_failed(call()).is_ok());
    assert!(counts(2, 1, 1).none_failed(call()).is_err());
}
