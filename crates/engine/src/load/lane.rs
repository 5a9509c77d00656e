//! A lane: takes a chunk of records, transforms it, writes it, and takes the next one.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use segue_cluster::Hit;
use segue_transform::Worker;
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;

use super::Loader;
use super::read::Chunk;
use super::source::{SourceFile, Taken, Unfit};
use crate::error::Error;
use crate::inventory::Class;
use crate::pass::{Batch, DeadLetter, Passed, Settled};

/// The most that is set aside for a request body before it is known to be needed, in bytes.
const BODY_BYTES: u64 = 8 << 20;

/// How often it is asked whether the user wants to stop.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where chunks come from.
pub(super) type Chunks = Arc<Mutex<Receiver<Result<Chunk, Error>>>>;

/// Works until no chunk is left.
pub(super) async fn work(loader: Arc<Loader>, chunks: Chunks) -> Result<Passed, Error> {
    let limits = loader.session.limits();
    let room = usize::try_from(limits.batch_bytes.min(BODY_BYTES)).unwrap_or(0);
    let mut lane = Lane {
        worker: loader.program.worker(),
        batch: Batch::new(room),
        passed: Passed::default(),
        loader: &loader,
    };
    loop {
        loader.session.check_stop()?;
        let waiting = async { chunks.lock().await.recv().await };
        // A file may give nothing for long: on a resume it is passed over up to where it was.
        let Ok(next) = tokio::time::timeout(LOOK_EVERY, waiting).await else { continue };
        let Some(chunk) = next.transpose()? else { return Ok(lane.passed) };
        loader.session.reserve_batch()?;
        loader.session.healthy().await?;
        lane.carry(&chunk).await?;
    }
}

struct Lane<'a> {
    loader: &'a Loader,
    worker: Worker,
    batch: Batch,
    passed: Passed,
}

impl Lane<'_> {
    async fn carry(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let (file, ledger) = (&self.loader.files[chunk.file], &self.loader.ledgers[chunk.file]);
        let mut settled = Settled::default();
        let mut taken = Vec::new();
        for record in &chunk.records {
            settled.balance.read += 1;
            match &record.what {
                Ok((id, range)) => {
                    taken.push((record, hit(record, id, &chunk.text[range.clone()])));
                }
                Err(unfit) => {
                    settled.balance.dead_letter(unfit.kind);
                    settled.dead_letters.push(dead_letter(file, record, unfit));
                }
            }
        }
        let (records, hits): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        self.write(file, &hits, &mut settled).await?;
        for letter in &mut settled.dead_letters {
            name_place(letter, file, &records);
        }
        settled.keep(&self.loader.dead_letters).await?;
        ledger.finish(chunk.window, &settled.balance)?;
        self.passed.balance.add(&settled.balance);
        self.passed.batches += settled.batches;
        ledger.save_if_due().await
    }

    async fn write(
        &mut self,
        file: &SourceFile,
        hits: &[Hit<'_>],
        settled: &mut Settled,
    ) -> Result<(), Error> {
        settled.classes = vec![Class::Written; hits.len()];
        for (number, hit) in hits.iter().enumerate() {
            let stamp = self.loader.stamp(file.number, hit.seq_no)?;
            self.batch.put(&mut self.worker, file.number, (number, hit), stamp, settled)?;
            if self.batch.is_full(self.loader.session.limits()) {
                self.loader.sender().send(file.number, &mut self.batch, hits, settled).await?;
            }
        }
        self.loader.sender().send(file.number, &mut self.batch, hits, settled).await
    }
}

/// A record as a document.
pub(super) fn hit<'a>(record: &Taken, id: &'a str, source: &'a [u8]) -> Hit<'a> {
    Hit {
        id: Cow::Borrowed(id),
        routing: None,
        version: 0,
        seq_no: record.number.0,
        primary_term: 0,
        source,
    }
}

/// A record that cannot be loaded.
pub(super) fn dead_letter(file: &SourceFile, record: &Taken, unfit: &Unfit) -> DeadLetter {
    let (place, at) = (file.place(record.number), (file.number, record.number));
    let reason = format!("{}: {}", file.at_line(record.line), unfit.reason);
    DeadLetter::new((&place, None), at, unfit.kind, &reason)
}

/// Says where the record of a refused document stands.
pub(super) fn name_place(letter: &mut DeadLetter, file: &SourceFile, records: &[&Taken]) {
    let at = records.binary_search_by_key(&letter.seq_no, |record| record.number);
    if let Some(record) = at.ok().and_then(|at| records.get(at)) {
        // Two records of one id are two letters.
        letter.reason =
            format!("{}: {} (id {})", file.at_line(record.line), letter.reason, letter.document);
        letter.document = file.place(record.number);
    }
}
