//! What becomes of requests when the other end misbehaves, over real sockets.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use segue_cluster::{Class, Cluster, ClusterConfig, Error, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One scripted step per request that arrives, whatever the connection.
#[derive(Clone)]
enum Step {
    /// Sends these bytes and keeps the connection.
    Answer(Vec<u8>),
    /// Sends these bytes and closes.
    AnswerAndClose(Vec<u8>),
    /// Says nothing and keeps the connection.
    Silence,
}

struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

async fn serve(steps: Vec<Step>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let (steps, seen) = (Arc::new(steps), Arc::clone(&requests));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&steps), Arc::clone(&seen)));
        }
    });
    Server { url, requests }
}

async fn converse(mut stream: TcpStream, steps: Arc<Vec<Step>>, seen: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(1..) = stream.read(&mut buffer).await {
        let step = steps[seen.fetch_add(1, Ordering::SeqCst).min(steps.len() - 1)].clone();
        match step {
            Step::Answer(bytes) => stream.write_all(&bytes).await.unwrap(),
            Step::AnswerAndClose(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                return;
            }
            Step::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
        }
    }
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len())
            .into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn ok() -> Step {
    Step::Answer(http("200 OK", "", b"{}"))
}

fn cluster(url: &str) -> Cluster {
    Cluster::new(&ClusterConfig::new(url)).unwrap()
}

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:hidden@{}", listener.local_addr().unwrap());
    drop(listener);
    let error = cluster(&url).send(Request::post("/a/_bulk")).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::NeverSent, "SEG-C003"));
    assert!(!format!("{error} {error:?}").contains("hidden"));
}

#[tokio::test]
async fn a_connection_that_dies_mid_answer_leaves_doubt() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    for cut in [Vec::new(), half] {
        let server = serve(vec![Step::AnswerAndClose(cut)]).await;
        let error = cluster(&server.url).call(Request::post("/a/_doc")).await.unwrap_err();
        assert_eq!(error.class(), Class::MaybeApplied, "{error}");
        assert_eq!(server.requests.load(Ordering::SeqCst), 1, "sent again");
    }
}

#[tokio::test]
async fn a_reused_connection_that_closes_leaves_doubt() {
    let server = serve(vec![ok(), Step::AnswerAndClose(Vec::new()), ok()]).await;
    let cluster = cluster(&server.url);
    cluster.send(Request::get("/")).await.unwrap();
    let error = cluster.call(Request::post("/a/_doc")).await.unwrap_err();
    assert_eq!(error.class(), Class::MaybeApplied, "{error}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 2, "sent again");
    // The same for a request that may be repeated goes through.
    let server = serve(vec![ok(), Step::AnswerAndClose(Vec::new()), ok()]).await;
    let cluster = self::cluster(&server.url);
    cluster.send(Request::get("/")).await.unwrap();
    cluster.call(Request::post("/a/_doc").idempotent(true)).await.unwrap();
    assert_eq!(server.requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn silence_ends() {
    let server = serve(vec![Step::Silence]).await;
    let begin = Instant::now();
    let request = Request::post("/slow").timeout(Duration::from_millis(200));
    let error = cluster(&server.url).call(request).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert_eq!(error.class(), Class::MaybeApplied);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn only_idempotent_requests_are_repeated_when_throttled() {
    let busy = Step::Answer(http("429 Too Many Requests", "", b"{}"));
    let down = Step::Answer(http("503 Service Unavailable", "", b"no upstream"));
    let server = serve(vec![busy.clone(), down, ok()]).await;
    cluster(&server.url).call(Request::get("/")).await.unwrap();
    assert_eq!(server.requests.load(Ordering::SeqCst), 3);
    let server = serve(vec![busy, ok()]).await;
    let error = cluster(&server.url).call(Request::put("/a")).await.unwrap_err();
    assert_eq!((error.class(), error.status()), (Class::Throttled, Some(429)));
}

#[tokio::test]
async fn repeating_is_bounded() {
    let server = serve(vec![Step::Answer(http("503 x", "", b""))]).await;
    let error = cluster(&server.url).call(Request::get("/")).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert_eq!(server.requests.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn large_answers_are_dropped_announced_or_not() {
    let body = vec![b'x'; 100_000];
    let announced = Step::Answer(http("200 OK", "", &body));
    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for part in body.chunks(1000) {
        chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        chunked.extend_from_slice(part);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&body).unwrap();
    let packed = http("200 OK", "content-encoding: gzip\r\n", &encoder.finish().unwrap());
    for step in [announced, Step::Answer(chunked), Step::Answer(packed)] {
        let server = serve(vec![step.clone()]).await;
        let small = Request::get("/").max_response(99_999);
        let error = cluster(&server.url).send(small).await.unwrap_err();
        assert_eq!(error.class(), Class::TooLarge, "{error}");
        let server = serve(vec![step]).await;
        let ample = Request::get("/").max_response(100_000);
        assert_eq!(cluster(&server.url).send(ample).await.unwrap().body, body);
    }
}

#[tokio::test]
async fn a_refusal_says_why() {
    let body = br#"{"error":{"type":"security_exception","reason":"no permissions"},"status":403}"#;
    let server = serve(vec![Step::Answer(http("403 Forbidden", "", body))]).await;
    let error = cluster(&server.url).call(Request::get("/a")).await.unwrap_err();
    assert_eq!((error.class(), error.error_type()), (Class::Forbidden, Some("security_exception")));
    assert_eq!(error.to_string(), "GET /a: 403: security_exception: no permissions");
    let server = serve(vec![Step::Answer(http("405 x", "", b"{}"))]).await;
    let answer = cluster(&server.url).send(Request::get("/").allow(405)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (405, &b"{}"[..]));
}

#[tokio::test]
async fn odd_json_is_malformed() {
    let server = serve(vec![Step::Answer(http("200 OK", "", b"<html>"))]).await;
    let answer = cluster(&server.url).json::<serde_json::Value>(Request::get("/")).await;
    assert_eq!(answer.unwrap_err().class(), Class::Malformed);
}
