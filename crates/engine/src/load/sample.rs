//! The first records of files, for whoever only tries what would become of them.

use std::ops::ControlFlow;
use std::sync::Arc;

use segue_cluster::Hit;
use segue_model::id::{SeqNo, Shard};
use segue_model::plan::PlannedFiles;
use segue_model::recipe::FilesSpec;
use tokio::sync::mpsc::Sender;

use super::lane::{dead_letter, hit, name_place};
use super::source::{SourceFile, Taken, files};
use crate::error::Error;
use crate::pass::DeadLetter;
use crate::session::Session;

/// Records of one file that follow each other.
pub(crate) struct Records {
    file: Arc<SourceFile>,
    text: Vec<u8>,
    taken: Vec<Taken>,
}

impl Records {
    /// Their file, by its place.
    pub(crate) fn file(&self) -> Shard {
        self.file.number
    }

    /// Those that are documents.
    pub(crate) fn hits(&self) -> Vec<Hit<'_>> {
        let documents = self.taken.iter().filter_map(|record| {
            let (id, range) = record.what.as_ref().ok()?;
            Some(hit(record, id, &self.text[range.clone()]))
        });
        documents.collect()
    }

    /// Why the others are none, with their kinds.
    pub(crate) fn unfit(&self) -> Vec<(&'static str, DeadLetter)> {
        let unfit = self.taken.iter().filter_map(|record| {
            let why = record.what.as_ref().err()?;
            Some((why.kind, dead_letter(&self.file, record, why)))
        });
        unfit.collect()
    }

    /// Says where the record of a refused document stands.
    pub(crate) fn name_place(&self, letter: &mut DeadLetter) {
        let documents: Vec<_> = self.taken.iter().filter(|record| record.what.is_ok()).collect();
        name_place(letter, &self.file, &documents);
    }
}

/// Reads the first records of each file, `most` in all if that is said, into `records`.
pub(crate) fn read(
    session: &Session,
    (spec, planned): (&FilesSpec, &PlannedFiles),
    most: Option<u64>,
    records: &Sender<Result<Records, Error>>,
) {
    let all = files(spec, planned, &session.options().folder);
    let mut left = all.len() as u64;
    let mut most = most;
    for file in all {
        // What shorter files leave is for those that follow.
        let share = most.map(|most| most.div_ceil(left.max(1)));
        left = left.saturating_sub(1);
        match read_one(session, &Arc::new(file), share, records) {
            Ok(count) => most = most.map(|most| most.saturating_sub(count)),
            Err(error) => {
                // Nobody listens any more: another error came first.
                records.blocking_send(Err(error)).ok();
                return;
            }
        }
        if records.is_closed() || most == Some(0) {
            return;
        }
    }
}

fn read_one(
    session: &Session,
    file: &Arc<SourceFile>,
    most: Option<u64>,
    records: &Sender<Result<Records, Error>>,
) -> Result<u64, Error> {
    let limits = session.limits();
    let (docs, bytes) = (limits.batch_docs as usize, limits.batch_bytes);
    let fresh = || Records { file: Arc::clone(file), text: Vec::new(), taken: Vec::new() };
    let (mut chunk, mut count) = (fresh(), 0);
    let mut see = |number: SeqNo, line, what: Result<(String, &[u8]), _>| {
        let what = what.map(|(id, document)| {
            let begin = chunk.text.len();
            chunk.text.extend_from_slice(document);
            (id, begin..chunk.text.len())
        });
        chunk.taken.push(Taken { number, line, what });
        count += 1;
        let last = most.is_some_and(|most| count >= most);
        let full = chunk.taken.len() >= docs || chunk.text.len() as u64 >= bytes;
        if full && records.blocking_send(Ok(std::mem::replace(&mut chunk, fresh()))).is_err() {
            return ControlFlow::Break(());
        }
        if last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    if most != Some(0) {
        file.read(&mut see)?;
    }
    if !chunk.taken.is_empty() {
        // Whether anybody takes it makes no difference any more.
        records.blocking_send(Ok(chunk)).ok();
    }
    Ok(count)
}
