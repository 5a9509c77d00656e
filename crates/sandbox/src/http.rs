//! The few questions a sandbox asks its nodes.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// No answer that is asked for here is longer.
const LONGEST: u64 = 1 << 20;

/// Asks `GET path` of the node at `port`. HTTP/1.0, so that the answer comes in one piece and
/// ends with the connection.
pub(crate) fn get(port: u16, path: &str, timeout: Duration) -> io::Result<Value> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    body(&answer)
}

fn body(answer: &[u8]) -> io::Result<Value> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let text = std::str::from_utf8(answer).map_err(|_| wrong("the answer is no text"))?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| wrong("the answer has no end"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" && status != "408" {
        return Err(wrong(&format!("status {status}")));
    }
    serde_json::from_str(body).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_by_status_and_body() {
        let good = body(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":1}");
        assert_eq!(good.expect("good").get("a"), Some(&Value::from(1)));
        for bad in [
            &b"HTTP/1.0 503 Service Unavailable\r\n\r\n{}"[..],
            b"HTTP/1.0 200 OK\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n{\"a\":",
            b"",
        ] {
            assert!(body(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
