//! One request through the proxy and its answer.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{Fault, Shared};

/// Largest head of a request that is read, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// Largest message that is passed on, in bytes.
const MAX_MESSAGE: u64 = 256 << 20;

struct Request {
    method: String,
    path: String,
    /// Head and body as the engine gets them.
    bytes: Vec<u8>,
}

/// Passes one request on, struck by the fault that is due for its path. `Ok(false)`: the connection is
/// to be closed.
pub(super) async fn one(client: &mut TcpStream, shared: &Shared) -> Result<bool> {
    let Some(request) = read_request(client).await? else { return Ok(false) };
    if !shared.halt.pass(client).await {
        return Ok(false);
    }
    let upstream = shared.upstream;
    match shared.strike(&request.path) {
        None => {
            let answer = ask(upstream, &request.bytes).await?;
            shared.halt.answered(&request.method, &request.path);
            if !shared.halt.pass(client).await {
                return Ok(false);
            }
            pass(client, &answer).await
        }
        Some(Fault::Delay(time)) => {
            sleep(time).await;
            pass(client, &ask(upstream, &request.bytes).await?).await
        }
        Some(Fault::Late(time)) => {
            tokio::spawn(async move {
                sleep(time).await;
                // Nobody waits for the answer.
                let _unheard = ask(upstream, &request.bytes).await;
            });
            Ok(false)
        }
        Some(Fault::CutRequest) => {
            let mut engine = TcpStream::connect(upstream).await?;
            engine.write_all(&request.bytes[..request.bytes.len() / 2]).await?;
            Ok(false)
        }
        Some(Fault::CutResponse) => {
            let answer = ask(upstream, &request.bytes).await?;
            client.write_all(&answer[..answer.len() / 2]).await?;
            Ok(false)
        }
        Some(Fault::DropResponse) => {
            ask(upstream, &request.bytes).await?;
            Ok(false)
        }
        Some(Fault::Refuse(status)) => {
            let body =
                format!(r#"{{"error":{{"type":"proxy","reason":"refused"}},"status":{status}}}"#);
            let answer = format!(
                "HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            client.write_all(answer.as_bytes()).await?;
            Ok(true)
        }
    }
}

/// Passes an answer on and closes the client's connection, since the answer may end with the engine's.
/// The answer has to say so: a client would else send its next request into a closing connection.
async fn pass(client: &mut TcpStream, answer: &[u8]) -> Result<bool> {
    client.write_all(&announcing_the_end(answer)).await?;
    client.shutdown().await?;
    Ok(false)
}

fn announcing_the_end(answer: &[u8]) -> Vec<u8> {
    match answer.windows(2).position(|window| window == b"\r\n") {
        Some(at) => [&answer[..at], b"\r\nconnection: close", &answer[at..]].concat(),
        None => answer.to_vec(),
    }
}

/// Sends a request on a connection of its own and reads until the engine closes it.
async fn ask(upstream: SocketAddr, request: &[u8]) -> Result<Vec<u8>> {
    let mut engine = TcpStream::connect(upstream).await?;
    engine.write_all(request).await?;
    let mut answer = Vec::new();
    engine.take(MAX_MESSAGE).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Reads one request; `None` if the client has closed the connection between two.
async fn read_request(client: &mut TcpStream) -> Result<Option<Request>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if bytes.len() > MAX_HEAD {
            return Err(Error::new(ErrorKind::InvalidData, "the head is too long"));
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut words = head.split(' ').map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let length = content_length(&head)?;
    let mut body = bytes.split_off(end + 4);
    if (body.len() as u64) < length {
        let missing = length - body.len() as u64;
        (&mut *client).take(missing).read_to_end(&mut body).await?;
    }
    if body.len() as u64 != length {
        return Err(Error::new(ErrorKind::UnexpectedEof, "the body is not whole"));
    }
    Ok(Some(Request { method, path, bytes: [closing(&head).as_bytes(), &body].concat() }))
}

fn content_length(head: &str) -> Result<u64> {
    let mut length = 0;
    for line in head.lines().skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Error::new(ErrorKind::Unsupported, "only bodies of known length"));
        }
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
        }
    }
    if length > MAX_MESSAGE {
        return Err(Error::new(ErrorKind::InvalidData, "the body is too long"));
    }
    Ok(length)
}

/// The head with a wish to close the connection after the answer.
fn closing(head: &str) -> String {
    let kept = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("expect")
    });
    let mut text: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    text.push_str("connection: close\r\n\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::{announcing_the_end, closing, content_length};

    #[test]
    fn heads_are_understood() {
        let head =
            "POST /a/_bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nConnection: keep-alive";
        assert_eq!(content_length(head).unwrap(), 12);
        assert_eq!(content_length("GET / HTTP/1.1\r\nhost: x").unwrap(), 0);
        assert!(content_length("POST / HTTP/1.1\r\ntransfer-encoding: chunked").is_err());
        assert!(content_length("POST / HTTP/1.1\r\ncontent-length: -1").is_err());
        let closed = closing(head);
        assert!(closed.ends_with("Content-Length: 12\r\nconnection: close\r\n\r\n"), "{closed}");
    }

    #[test]
    fn an_answer_says_that_the_connection_ends() {
        let answer = announcing_the_end(b"HTTP/1.1 200 OK\r\na: b\r\n\r\nbody\r\n");
        let expected = b"HTTP/1.1 200 OK\r\nconnection: close\r\na: b\r\n\r\nbody\r\n";
        assert_eq!(answer, expected);
        assert!(announcing_the_end(b"").is_empty());
    }
}
