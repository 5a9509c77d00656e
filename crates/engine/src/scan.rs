//! Reading stretches of an index with several readers at once, for whoever only looks.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use segue_cluster::{Fetch, Hit};
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::position::{Window, Windows};
use segue_model::version::Version;
use tokio::task::JoinSet;

use crate::error::{Doing, Error};
use crate::page::PageReader;
use crate::session::Session;
use crate::sources::Sources;

/// Sees every document of a scan; each reader has its own.
pub(crate) trait Visitor: Send + 'static {
    /// Sees one document.
    fn visit(&mut self, shard: Shard, hit: &Hit<'_>) -> Result<(), Error>;

    /// A page has been seen.
    fn page_seen(&mut self) {}
}

/// A stretch of one shard: `(from, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub shard: Shard,
    pub from: SeqNo,
    pub to: SeqNo,
}

/// Everything in every shard of `index` that is searchable now: up to the global checkpoints.
pub(crate) async fn everything(
    session: &Session,
    index: &IndexName,
) -> Result<Vec<Stretch>, Error> {
    let looking = || format!("looking at the shards of {index}");
    let stats = session.cluster().shard_stats(index.as_str()).await.doing(looking)?;
    session.cluster().refresh(index.as_str()).await.doing(|| format!("refreshing {index}"))?;
    let stretch = |shard: u32, checkpoint: i64| Stretch {
        shard: Shard(shard),
        from: SeqNo::NONE,
        to: SeqNo(checkpoint),
    };
    Ok(stats.primaries.iter().map(|p| stretch(p.shard, p.global_checkpoint)).collect())
}

/// Shows every document of `stretches` to one of `visitors`, and gives the visitors back.
pub(crate) async fn scan<V: Visitor>(
    session: &Session,
    sources: impl Into<Sources>,
    stretches: &[Stretch],
    fetch: &Fetch,
    visitors: Vec<V>,
) -> Result<Vec<V>, Error> {
    let (queue, sources) = (queue(session, stretches), sources.into());
    let mut readers = JoinSet::new();
    for visitor in visitors {
        let pages = PageReader::new(session, &sources, fetch.clone());
        readers.spawn(read(session.clone(), pages, Arc::clone(&queue), visitor));
    }
    let mut done = Vec::new();
    while let Some(ended) = readers.join_next().await {
        // Leaving drops the set, which ends the other readers.
        done.push(ended.map_err(|join| Error::Task(join.to_string()))??);
    }
    Ok(done)
}

/// What is known of a document without its content.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub shard: Shard,
    pub id: String,
    pub routing: Option<String>,
    pub version: Version,
    pub seq_no: SeqNo,
}

/// Gives the documents of `stretches`, a page at a time and without their content, to `each`, for
/// several pages at once.
pub(crate) async fn each_page<F, D>(
    session: &Session,
    index: &IndexName,
    stretches: &[Stretch],
    each: F,
) -> Result<(), Error>
where
    F: Fn(Vec<Seen>) -> D + Clone + Send + 'static,
    D: Future<Output = Result<(), Error>> + Send,
{
    let queue = queue(session, stretches);
    let mut readers = JoinSet::new();
    for _ in 0..session.limits().lanes.max(1) {
        let mut pages = PageReader::new(session, index, Fetch::IdsOnly);
        let (session, queue, each) = (session.clone(), Arc::clone(&queue), each.clone());
        readers.spawn(async move {
            while let Some((shard, window)) = take(&queue) {
                session.check_stop()?;
                let (mut documents, mut after) = (0, Some(window.from));
                while let Some(from) = after {
                    let turned = pages.turn(shard, from, window.to).await?;
                    let seen: Vec<_> = turned.page.hits().map(|hit| seen(shard, &hit)).collect();
                    documents += seen.len() as u64;
                    if !seen.is_empty() {
                        each(seen).await?;
                    }
                    after = turned.next;
                }
                finish(&queue, shard, window, documents)?;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(ended) = readers.join_next().await {
        ended.map_err(|join| Error::Task(join.to_string()))??;
    }
    Ok(())
}

fn seen(shard: Shard, hit: &Hit<'_>) -> Seen {
    Seen {
        shard,
        id: hit.id.to_string(),
        routing: hit.routing.as_ref().map(ToString::to_string),
        version: Version(hit.version),
        seq_no: SeqNo(hit.seq_no),
    }
}

/// What is left to be read, for several readers.
pub(crate) type Queue = Arc<Mutex<Vec<(Shard, Windows)>>>;

/// Everything in `stretches`, in windows of about a batch each.
pub(crate) fn queue(session: &Session, stretches: &[Stretch]) -> Queue {
    let wanted = u64::from(session.limits().batch_docs);
    let windows = stretches.iter().map(|s| (s.shard, Windows::new(s.from, s.to, wanted)));
    Arc::new(Mutex::new(windows.collect()))
}

async fn read<V: Visitor>(
    session: Session,
    mut pages: PageReader,
    queue: Queue,
    mut visitor: V,
) -> Result<V, Error> {
    while let Some((shard, window)) = take(&queue) {
        session.check_stop()?;
        let mut documents = 0;
        let mut after = Some(window.from);
        while let Some(from) = after {
            let turned = pages.turn(shard, from, window.to).await?;
            for hit in turned.page.hits() {
                documents += 1;
                visitor.visit(shard, &hit)?;
            }
            visitor.page_seen();
            after = turned.next;
        }
        finish(&queue, shard, window, documents)?;
    }
    Ok(visitor)
}

/// The next window that nobody has taken.
pub(crate) fn take(queue: &Queue) -> Option<(Shard, Window)> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = queue
        .iter_mut()
        .find_map(|(shard, windows)| windows.next_window().map(|window| (*shard, window)));
    // The next reader begins with the next shard, so that all are read at once.
    if !queue.is_empty() {
        queue.rotate_left(1);
    }
    taken
}

/// A window was read to its end, and held so many documents.
pub(crate) fn finish(
    queue: &Queue,
    shard: Shard,
    window: Window,
    documents: u64,
) -> Result<(), Error> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    for (of, windows) in queue.iter_mut() {
        // Two stretches of one shard do not overlap: only one of them knows the window.
        if *of == shard && windows.finish(window, documents).is_ok() {
            return Ok(());
        }
    }
    Err(Error::Task(format!("window {window} of shard {shard} was read but not handed out")))
}
