//! Reading a stretch of a shard page by page, in ascending order of `_seq_no`.

use segue_cluster::{Class, Fetch, Page, PageRequest};
use segue_model::id::{SeqNo, Shard};

use crate::error::{Doing, Error};
use crate::session::Session;
use crate::sources::Sources;

/// The largest answer that a page may be, in bytes: bounds this process's memory. A single document
/// may be larger, up to what the engine itself accepts.
const PAGE_BYTES: usize = 32 << 20;
/// The largest answer for a single document, in bytes.
const DOCUMENT_BYTES: usize = 256 << 20;

/// Reads pages of an index, or of several that are read as one; finds out how many documents make a good page.
#[derive(Debug)]
pub(crate) struct PageReader {
    session: Session,
    sources: Sources,
    fetch: Fetch,
    size: u32,
}

/// A page, and where to go on: `None` once the stretch is read to its end.
pub(crate) struct Turned {
    pub page: Page,
    pub next: Option<SeqNo>,
}

impl PageReader {
    pub(crate) fn new(session: &Session, sources: impl Into<Sources>, fetch: Fetch) -> PageReader {
        let size = session.limits().batch_docs.max(1);
        PageReader { session: session.clone(), sources: sources.into(), fetch, size }
    }

    /// Lets the next page hold so many documents at most.
    pub(crate) fn limit(&mut self, documents: u64) {
        let documents = u32::try_from(documents).unwrap_or(u32::MAX);
        self.size = self.size.min(documents).max(1);
    }

    /// The page that follows `after` in `shard`, up to `to`.
    pub(crate) async fn turn(
        &mut self,
        shard: Shard,
        after: SeqNo,
        to: SeqNo,
    ) -> Result<Turned, Error> {
        loop {
            let size = self.size;
            let (index, shard) = self.sources.place(shard);
            let request = PageRequest {
                index: index.as_str(),
                shard: shard.0,
                after: after.0,
                to: to.0,
                size,
                fetch: self.fetch.clone(),
                max_bytes: if size == 1 { DOCUMENT_BYTES } else { PAGE_BYTES },
            };
            let cluster = self.session.cluster();
            match cluster.read_page(&request, self.session.distribution()).await {
                Ok(page) => {
                    self.adapt(page.len(), page.bytes());
                    // A complete answer with fewer documents than asked for holds all there are; an
                    // answer that is not complete is an error and never an end.
                    let last = page.hits().last().map(|hit| SeqNo(hit.seq_no));
                    let next = last.filter(|last| page.len() >= size as usize && *last < to);
                    return Ok(Turned { page, next });
                }
                Err(error) if error.class() == Class::TooLarge && size > 1 => {
                    self.size = (size / 4).max(1);
                }
                Err(error) => {
                    return Err(error)
                        .doing(|| format!("reading {index} shard {shard} after {after}"));
                }
            }
        }
    }

    /// Pages of small documents hold a whole batch; pages of large ones stay near a batch's bytes.
    fn adapt(&mut self, documents: usize, bytes: usize) {
        if documents == 0 {
            return;
        }
        let limits = self.session.limits();
        let each = (bytes / documents).max(1) as u64;
        let fitting = u32::try_from(limits.batch_bytes * 2 / each).unwrap_or(u32::MAX);
        let grown = self.size.saturating_mul(2);
        self.size = fitting.min(grown).min(limits.batch_docs).max(1);
    }
}
