//! Prints how long the hot codecs take per document. Run it in release mode:
//! `cargo run --release -p segue-cluster --example codec_speed`.

use std::hint::black_box;
use std::time::Instant;

use segue_cluster::{BulkBody, Page, PageRequest};

const DOCUMENTS: usize = 2000;
const ROUNDS: u32 = 200;

fn source() -> String {
    let filler = "0123456789abcdef ".repeat(22);
    format!(
        r#"{{"recid":"abcde-12345","timestamp":"2025-06-01T12:00:00.000Z","is_robot":false,"country":"CH","n":12.0,"tags":["a","b","c"],"unique_session_id":"{filler}"}}"#
    )
}

fn answer(source: &str) -> String {
    let hits: Vec<String> = (0..DOCUMENTS)
        .map(|n| {
            format!(
                r#"{{"_index":"events-stats-record-view-2025-06","_id":"2025-06-01T12:00:00-{n:040}","_version":3,"_seq_no":{n},"_primary_term":1,"_score":null,"_source":{source},"sort":[{n}]}}"#
            )
        })
        .collect();
    format!(
        r#"{{"took":1,"timed_out":false,"_shards":{{"total":1,"successful":1,"skipped":0,"failed":0}},"hits":{{"max_score":null,"hits":[{}]}}}}"#,
        hits.join(",")
    )
}

/// The best of all rounds: what the machine can do when nothing else runs.
fn best(mut round: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        round();
        begin.elapsed().as_secs_f64()
    });
    times.fold(f64::MAX, f64::min) * 1e9 / DOCUMENTS as f64
}

fn main() {
    let source = source();
    let answer = bytes::Bytes::from(answer(&source));
    let request = PageRequest::new("i", 0, -1, i64::MAX);
    println!("source {} bytes, hit {} bytes", source.len(), answer.len() / DOCUMENTS);

    let parse = best(|| match Page::parse(answer.clone(), &request) {
        Ok(page) => {
            black_box(page.hits().map(|hit| hit.source.len() + hit.id.len()).sum::<usize>());
        }
        Err(fault) => panic!("{fault}"),
    });
    println!("parse    {parse:6.0} ns/hit");

    let mut body = BulkBody::with_capacity(DOCUMENTS * (source.len() + 200));
    let encode = best(|| {
        body.clear();
        for n in 0..DOCUMENTS as u64 {
            body.index("2025-06-01T12:00:00-0123456789", None, n << 20, source.as_bytes());
        }
        black_box(body.bytes());
    });
    println!("encode   {encode:6.0} ns/document");

    let item = r#"{"index":{"_index":"t-v2.0.0","_id":"2025-06-01T12:00:00-0123456789","_version":7,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,"status":201}}"#;
    let clean =
        format!(r#"{{"took":3,"errors":false,"items":[{}]}}"#, vec![item; DOCUMENTS].join(","));
    let mixed = clean.replace("\"errors\":false", "\"errors\":true");
    for (name, text) in [("clean", &clean), ("mixed", &mixed)] {
        let outcome = best(|| {
            let answer = segue_cluster::BulkAnswer::parse(text.as_bytes(), DOCUMENTS);
            assert!(black_box(answer).is_ok());
        });
        println!("{name}    {outcome:6.0} ns/outcome");
    }
}
