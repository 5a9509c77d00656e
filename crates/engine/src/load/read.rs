//! Reading files ahead of the lanes that write, a chunk of records at a time.

use std::ops::ControlFlow;
use std::sync::Arc;

use segue_model::id::SeqNo;
use segue_model::position::Window;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;

use super::Loader;
use super::source::Taken;
use crate::error::Error;

/// Records of one file that follow each other.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The file, by its place.
    pub file: usize,
    /// Their numbers.
    pub window: Window,
    /// Their documents, one after the other.
    pub text: Vec<u8>,
    /// Each record.
    pub records: Vec<Taken>,
}

/// Reads every file to its end, some at a time, into `chunks`; ends early where nobody takes them.
pub(super) async fn read_all(
    loader: Arc<Loader>,
    chunks: Sender<Result<Chunk, Error>>,
    at_once: usize,
) -> Result<(), Error> {
    let mut reading = JoinSet::new();
    for file in 0..loader.files.len() {
        if reading.len() >= at_once.max(1) {
            ended(reading.join_next().await)?;
        }
        let (loader, chunks) = (Arc::clone(&loader), chunks.clone());
        reading.spawn_blocking(move || {
            if let Err(error) = read_one(&loader, file, &chunks) {
                // Nobody listens any more: another error came first.
                chunks.blocking_send(Err(error)).ok();
            }
        });
    }
    while let Some(done) = reading.join_next().await {
        ended(Some(done))?;
    }
    Ok(())
}

fn ended(done: Option<Result<(), tokio::task::JoinError>>) -> Result<(), Error> {
    match done {
        Some(Err(join)) => Err(Error::Task(join.to_string())),
        _ => Ok(()),
    }
}

/// How often it is asked whether anybody still wants the records, in records.
const LOOK_EVERY: i64 = 10_000;

fn stopped(loader: &Loader) -> bool {
    loader.session.check_stop().is_err()
}

fn read_one(
    loader: &Loader,
    number: usize,
    chunks: &Sender<Result<Chunk, Error>>,
) -> Result<(), Error> {
    let (file, ledger) = (&loader.files[number], &loader.ledgers[number]);
    let limits = loader.session.limits();
    let (docs, bytes) = (limits.batch_docs as usize, limits.batch_bytes);
    let done = ledger.position();
    if chunks.is_closed() || stopped(loader) {
        return Ok(());
    }
    let (mut text, mut records) = (Vec::new(), Vec::new());
    let hand_over = |text: &mut Vec<u8>, records: &mut Vec<Taken>, last: SeqNo| {
        let (text, records) = (std::mem::take(text), std::mem::take(records));
        // Numbers only go up.
        let Some(window) = ledger.hand_out(last) else { return ControlFlow::Break(()) };
        let chunk = Chunk { file: number, window, text, records };
        if chunks.blocking_send(Ok(chunk)).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let mut last = done;
    file.read(&mut |number, line, what| {
        if number <= done {
            let nobody = number.0 % LOOK_EVERY == 0 && (chunks.is_closed() || stopped(loader));
            return if nobody { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        }
        let what = what.map(|(id, document)| {
            let begin = text.len();
            text.extend_from_slice(document);
            (id, begin..text.len())
        });
        records.push(Taken { number, line, what });
        last = number;
        if records.len() >= docs || text.len() as u64 >= bytes {
            return hand_over(&mut text, &mut records, last);
        }
        ControlFlow::Continue(())
    })?;
    if !records.is_empty() {
        // Whether anybody takes it makes no difference any more.
        let _ = hand_over(&mut text, &mut records, last);
    }
    Ok(())
}
