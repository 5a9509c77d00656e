//! Sandboxes of real nodes: started, stopped, injured, started again.
//!
//! `SEGUE_ENGINE` chooses the engine; unset, it is the newest this machine's Java can run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use segue_sandbox::{Engine, Error, Heap, NodeState, Options, Running, Status};
use tempfile::TempDir;

/// A sandbox of its own in a temporary folder, removed at the end whatever happens.
struct Bench {
    options: Options,
    _folder: TempDir,
}

impl Bench {
    /// Nothing where this machine has no Java at all: `cargo xtask test` gets one first.
    fn new(name: &str, nodes: usize) -> Option<Self> {
        if segue_sandbox::find_jdks().is_empty() {
            eprintln!("skipped: no JDK on this machine");
            return None;
        }
        let folder = tempfile::tempdir().expect("temp folder");
        let mut options = Options::named(name).expect("a fine name");
        options.home = folder.path().join("home");
        options.nodes = Some(nodes);
        options.heap = Heap::from_mebibytes(384);
        options.max_life = Duration::from_secs(600);
        let engine = std::env::var("SEGUE_ENGINE").ok();
        options.engine = engine.map(|name| name.parse().expect("SEGUE_ENGINE"));
        Some(Self { options, _folder: folder })
    }

    fn up(&self) -> Running {
        segue_sandbox::up(&self.options, &mut talk).expect("the sandbox starts")
    }

    fn states(&self) -> Vec<NodeState> {
        match segue_sandbox::status(&self.options).expect("status") {
            Status::Absent { .. } => Vec::new(),
            Status::Present { states, .. } => states,
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = segue_sandbox::remove(&self.options, &mut talk) {
            eprintln!("not removed: {error}");
        }
    }
}

fn talk(line: &str) {
    eprintln!("{line}");
}

/// One request; the whole answer as text.
fn ask(url: &str, method: &str, path: &str, body: &str) -> String {
    let host = url.strip_prefix("http://").expect("an http address");
    let mut stream = TcpStream::connect(host).expect("the node listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("timeout");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the node answers");
    answer
}

fn has_document(url: &str) -> bool {
    ask(url, "GET", "/kept/_doc/1", "").contains(r#""found":true"#)
}

#[test]
fn data_outlives_stops_and_crashes_and_ends_with_a_fresh_start() {
    let Some(mut bench) = Bench::new("test-life", 1) else { return };
    let first = bench.up();
    assert!(first.started);
    assert!(first.url.starts_with("http://127.0.0.1:"), "{}", first.url);
    assert!(ask(&first.url, "GET", "/", "").contains(first.version));
    let put = ask(&first.url, "PUT", "/kept/_doc/1?refresh=true", r#"{"a":1}"#);
    assert!(put.contains(r#""result":"created""#), "{put}");

    let again = bench.up();
    assert!(!again.started, "what runs is returned");
    assert_eq!(again.nodes, first.nodes);

    let stopped = segue_sandbox::down(&bench.options, &mut talk).expect("down");
    assert_eq!(stopped.stopped, first.nodes.iter().filter_map(|n| n.pid).collect::<Vec<_>>());
    assert_eq!(bench.states(), [NodeState::Down]);

    let since = Instant::now();
    let mut second = bench.up();
    assert!(since.elapsed() < Duration::from_secs(20), "second start took {:?}", since.elapsed());
    assert!(second.started && has_document(&second.url), "data is kept over a stop");

    // The process id that is written down is now a dead process's.
    second.kill_node(1).expect("killed");
    let third = bench.up();
    assert!(third.started && has_document(&third.url), "data is kept over a crash");

    let other = match third.engine {
        Engine::OpenSearch3 => Engine::OpenSearch2,
        Engine::OpenSearch2 => Engine::OpenSearch3,
    };
    let wrong = Options { engine: Some(other), ..bench.options.clone() };
    let refused = segue_sandbox::up(&wrong, &mut talk);
    assert!(matches!(refused, Err(Error::OtherShape { .. })), "{refused:?}");

    bench.options.fresh = true;
    let fresh = bench.up();
    assert!(fresh.started && !has_document(&fresh.url), "a fresh start has no data");
}

#[test]
fn a_node_is_killed_and_comes_back() {
    let Some(bench) = Bench::new("test-nodes", 3) else { return };
    let mut running = bench.up();
    assert_eq!(bench.states(), [NodeState::Answers; 3]);
    let body = r#"{"settings":{"number_of_shards":1,"number_of_replicas":2}}"#;
    ask(&running.url, "PUT", "/kept?wait_for_active_shards=all", body);
    ask(&running.url, "PUT", "/kept/_doc/1", r#"{"a":1}"#);

    running.kill_node(2).expect("killed");
    assert_eq!(running.nodes[1].pid, None);
    assert_eq!(bench.states(), [NodeState::Answers, NodeState::Down, NodeState::Answers]);
    assert!(has_document(&running.nodes[2].url), "the others go on");
    assert!(matches!(running.kill_node(2), Err(Error::NoSuchNode(2))));

    running.start_node(2, &mut talk).expect("started again");
    assert_eq!(bench.states(), [NodeState::Answers; 3]);
    assert!(has_document(&running.nodes[1].url), "it has its data, or gets it");
    assert!(matches!(running.start_node(4, &mut talk), Err(Error::NoSuchNode(4))));
}

#[test]
fn a_failed_start_names_its_log_and_leaves_nothing_behind() {
    let Some(mut bench) = Bench::new("test-failed", 1) else { return };
    // No Java runs in so little memory.
    bench.options.heap = Heap::from_mebibytes(0);
    bench.options.max_life = Duration::ZERO;
    let refused = segue_sandbox::up(&bench.options, &mut talk);
    let Err(Error::NodeEnded { log, tail, .. }) = &refused else { panic!("{refused:?}") };
    assert!(log.is_file() && !tail.is_empty(), "{refused:?}");
    assert!(bench.states().iter().all(|&state| state == NodeState::Down));

    bench.options.heap = Heap::from_mebibytes(384);
    bench.options.max_life = Duration::from_secs(600);
    assert!(bench.up().started, "and the next start works");
}

#[test]
fn a_node_leaves_when_its_life_ends() {
    let Some(mut bench) = Bench::new("test-leave", 1) else { return };
    bench.options.max_life = Duration::from_secs(15);
    bench.up();
    let since = Instant::now();
    while bench.states() != [NodeState::Down] {
        assert!(since.elapsed() < Duration::from_secs(60), "it outlives its time");
        std::thread::sleep(Duration::from_millis(500));
    }
}
