//! Files as they come: every format, every fault, and the lines they are in.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod faults;
mod formats;
mod types;

use std::ops::ControlFlow;

use segue_files::{Body, Error, Shape, read};

/// A record that was read: its number, its line, and its document or what is wrong with it.
type Got = (u64, u64, Result<String, String>);

/// Everything in a file of these bytes.
fn all(bytes: &[u8], shape: &Shape) -> Result<Vec<Got>, (Vec<Got>, Error)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    let mut got = Vec::new();
    let read = read(&path, shape, &mut |record| {
        let body = match record.body {
            Body::Document(document) => Ok(String::from_utf8(document.to_vec()).unwrap()),
            Body::Malformed(reason) => Err(reason),
        };
        got.push((record.number, record.line, body));
        ControlFlow::Continue(())
    });
    match read {
        Ok(()) => Ok(got),
        Err(error) => Err((got, error)),
    }
}

fn good(number: u64, line: u64, document: &str) -> Got {
    (number, line, Ok(document.to_owned()))
}

/// An error with its causes, without the folder.
fn words(error: &Error) -> String {
    let mut text = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        text.push_str(": ");
        text.push_str(&cause.to_string());
    }
    text.split_once("/file").map_or(text.clone(), |(_, rest)| rest.to_owned())
}
