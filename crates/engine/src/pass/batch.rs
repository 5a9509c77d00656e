//! One batch: documents of a page on their way into the target, and what became of each.
//!
//! Outcomes of an item: applied; already there (the version that stood in the way is ours, or later);
//! throttled or unavailable (sent again); rejected (dead letter); unknown, when the answer of the
//! whole request was lost (sent again, safe by version). There is one owner of retries: this file.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use segue_cluster::{BulkAnswer, BulkBody, Class, Hit, ItemOutcome};
use segue_model::balance::Balance;
use segue_model::conflict::Conflict;
use segue_model::id::{AliasName, IndexName, SeqNo, Shard};
use segue_model::journal::VerifySummary;
use segue_model::recipe::Limits;
use segue_model::stamp::Stamp;
use segue_model::version::{Incarnation, Version};
use segue_transform::{Document, DocumentKey, Made, Outcome, Worker};

use super::dead_letter::{DeadLetter, DeadLetters};
use super::lane::REFUSED;
use crate::error::{Doing, Error};
use crate::inventory::Class as Kind;
use crate::progress::Progress;
use crate::session::Session;

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A document in the request body.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Which hit of the page it is.
    pub hit: usize,
    /// What it is written with.
    pub stamp: Stamp,
    /// Where it stands in the body.
    pub range: Range<usize>,
}

/// A batch being filled.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The request body.
    pub body: BulkBody,
    /// What stands in it.
    pub items: Vec<Item>,
    room: Room,
}

/// Where documents are made that get keys.
#[derive(Debug, Default)]
struct Room {
    sources: Vec<u8>,
    made: Vec<Made>,
}

impl Batch {
    pub(crate) fn new(bytes: usize) -> Batch {
        let body = BulkBody::with_capacity(bytes);
        Batch { body, items: Vec::new(), room: Room::default() }
    }

    /// Whether it is to be sent before anything is added.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.items.len() >= limits.batch_docs as usize
            || self.body.bytes() as u64 >= limits.batch_bytes
    }

    /// Transforms `hit`, the `number`-th of what is being settled, into the batch, or settles it.
    pub(crate) fn put(
        &mut self,
        worker: &mut Worker,
        shard: Shard,
        (number, hit): (usize, &Hit<'_>),
        stamp: Stamp,
        settled: &mut Settled,
    ) -> Result<(), Error> {
        if worker.is_keyed() {
            return self.put_keyed(worker, shard, (number, hit), stamp, settled);
        }
        let begin = self.body.bytes();
        let out = self.body.begin_index(&hit.id, hit.routing.as_deref(), stamp.version().0);
        let document =
            Document { id: &hit.id, routing: hit.routing.as_deref(), source: hit.source };
        match worker.apply(document, out)? {
            Outcome::Written => {
                self.body.finish();
                let range = begin..self.body.bytes();
                self.items.push(Item { hit: number, stamp, range });
            }
            Outcome::Filtered { reason } => {
                self.body.cancel();
                settled.filtered(number, &reason);
            }
            Outcome::Refused { reason } => {
                self.body.cancel();
                settled.refused(number, dead_letter(shard, hit, REFUSED, &reason));
            }
        }
        Ok(())
    }

    /// The documents that are made of one stand in one batch.
    fn put_keyed(
        &mut self,
        worker: &mut Worker,
        shard: Shard,
        (number, hit): (usize, &Hit<'_>),
        stamp: Stamp,
        settled: &mut Settled,
    ) -> Result<(), Error> {
        let Room { sources, made } = &mut self.room;
        sources.clear();
        made.clear();
        let document =
            Document { id: &hit.id, routing: hit.routing.as_deref(), source: hit.source };
        match worker.make(document, sources, made)? {
            Outcome::Filtered { reason } => settled.filtered(number, &reason),
            Outcome::Refused { reason } => {
                settled.refused(number, dead_letter(shard, hit, REFUSED, &reason));
            }
            Outcome::Written => {
                for Made { key, range } in made.drain(..) {
                    let begin = self.body.bytes();
                    let routing = key.routing.as_deref();
                    let out = self.body.begin_index(&key.id, routing, stamp.version().0);
                    out.extend_from_slice(&sources[range]);
                    self.body.finish();
                    let range = begin..self.body.bytes();
                    self.items.push(Item { hit: number, stamp, range });
                    if let Some(fan) = settled.fans.get_mut(number) {
                        fan.keys.push(key);
                    }
                }
            }
        }
        Ok(())
    }
}

/// What became of the documents of a window so far.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub balance: Balance,
    pub dead_letters: Vec<DeadLetter>,
    pub batches: u64,
    /// The class of each hit of the page at hand; written unless said otherwise.
    pub classes: Vec<Kind>,
    /// What is made of each hit of the page at hand, where the pipeline makes keys.
    pub fans: Vec<Fan>,
    letter_bytes: usize,
}

/// What is made of one document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fan {
    /// The keys of its documents.
    pub keys: Vec<DocumentKey>,
    /// Whether one of them was not there before.
    pub applied: bool,
}

/// How much of dead letters is held before they are kept, in bytes.
const LETTER_BYTES: usize = 8 << 20;

impl Settled {
    /// Nothing yet of so many documents.
    pub(crate) fn of(documents: usize) -> Settled {
        Settled { classes: vec![Kind::Written; documents], ..Settled::default() }
    }

    /// Nothing yet of a page of so many documents, of a pipeline that makes keys.
    pub(crate) fn begin_fans(&mut self, documents: usize) {
        self.classes = vec![Kind::Written; documents];
        self.fans = vec![Fan::default(); documents];
    }

    fn filtered(&mut self, number: usize, reason: &str) {
        self.balance.filter(reason);
        self.classes[number] = Kind::Filtered;
    }

    fn refused(&mut self, number: usize, letter: DeadLetter) {
        self.balance.dead_letter(REFUSED);
        self.classes[number] = Kind::Refused;
        self.refuse(letter);
    }

    /// Items were written. Of what is made of one document the balance counts that alone, in the end.
    fn applied(&mut self, items: &[Item]) {
        if self.fans.is_empty() {
            self.balance.written += items.len() as u64;
        }
        for item in items {
            if let Some(fan) = self.fans.get_mut(item.hit) {
                fan.applied = true;
            }
        }
    }

    /// Counts the documents of `numbers`, of which everything that was made is settled.
    pub(crate) fn count_fans(&mut self, numbers: Range<usize>) {
        for number in numbers {
            match (self.classes.get(number), self.fans.get(number)) {
                (Some(Kind::Written), Some(fan)) if fan.applied => self.balance.written += 1,
                (Some(Kind::Written), Some(_)) => self.balance.already_there += 1,
                _ => {}
            }
        }
    }

    fn refuse(&mut self, letter: DeadLetter) {
        self.letter_bytes += letter.reason.len() + letter.sent.as_ref().map_or(0, String::len);
        self.dead_letters.push(letter);
    }

    /// Keeps the dead letters in `letters` if they are many: what is held does not grow with them.
    pub(crate) async fn keep_many(&mut self, letters: &DeadLetters) -> Result<(), Error> {
        if self.letter_bytes < LETTER_BYTES { Ok(()) } else { self.keep(letters).await }
    }

    /// Keeps the dead letters in `letters`.
    pub(crate) async fn keep(&mut self, letters: &DeadLetters) -> Result<(), Error> {
        if !self.dead_letters.is_empty() {
            letters.keep(&self.dead_letters).await?;
        }
        self.dead_letters.clear();
        self.letter_bytes = 0;
        Ok(())
    }
}

/// Why items go into another attempt.
pub(super) enum Again {
    /// The cluster asks for less: tried for as long as health is waited for.
    Throttled(String),
    /// Something failed on the way: tried as often as the recipe says.
    Failed(String),
}

/// Sends batches of one part and settles what became of each document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// What the run's parts share.
    pub session: &'a Session,
    /// The part.
    pub part: &'a IndexName,
    /// What is written to.
    pub write_alias: &'a AliasName,
    /// The incarnation of what is written.
    pub latest: Incarnation,
}

impl Sender<'_> {
    /// Sends the batch and settles each of its items.
    pub(crate) async fn send(
        &self,
        shard: Shard,
        batch: &mut Batch,
        hits: &[Hit<'_>],
        settled: &mut Settled,
    ) -> Result<(), Error> {
        let (body, _) = batch.body.take();
        let mut queue = VecDeque::from([std::mem::take(&mut batch.items)]);
        let begun = Instant::now();
        let mut attempt = 0;
        while let Some(items) = queue.pop_front() {
            if items.is_empty() {
                continue;
            }
            self.session.keep_pace(items.len() as u64).await?;
            let part = part_of(&body, &items);
            let length = part.len() as u64;
            let gzip = self.session.choose_gzip();
            let sent = Instant::now();
            let answer = self
                .session
                .cluster()
                .bulk(self.write_alias.as_str(), part, items.len(), gzip)
                .await;
            settled.batches += 1;
            let again = match answer {
                Ok(BulkAnswer::AllApplied) => {
                    self.session.record_gzip(
                        gzip,
                        usize::try_from(length).unwrap_or(0),
                        sent.elapsed(),
                    );
                    settled.applied(&items);
                    self.tell(items.len() as u64, length);
                    continue;
                }
                Ok(BulkAnswer::Mixed(outcomes)) => {
                    let (left, why) =
                        self.settle((shard, &body), &items, outcomes, hits, settled)?;
                    self.tell((items.len() - left.len()) as u64, length);
                    queue.push_back(left);
                    why
                }
                Err(error) if error.status() == Some(413) && items.len() > 1 => {
                    let mut first = items;
                    let second = first.split_off(first.len() / 2);
                    queue.extend([first, second]);
                    continue;
                }
                Err(error) if error.status() == Some(413) => {
                    let refused = Refused { shard, body: &body, item: &items[0] };
                    refused.settle(hits, "request_too_large", &error.to_string(), settled);
                    continue;
                }
                Err(error) => {
                    let again = retry_class(&error);
                    if again.is_none() {
                        return Err(error).doing(|| format!("writing to {}", self.write_alias));
                    }
                    queue.push_back(items);
                    again
                }
            };
            if let Some(again) = again {
                attempt += 1;
                self.wait_before(attempt, begun, again).await?;
            }
        }
        Ok(())
    }

    fn tell(&self, documents: u64, bytes: u64) {
        let part = self.part.clone();
        self.session.listener().tell(Progress::Carried { part, documents, bytes });
    }

    /// Settles each item; returns those that have to be sent again, and why.
    fn settle(
        &self,
        (shard, body): (Shard, &Bytes),
        items: &[Item],
        outcomes: Vec<ItemOutcome>,
        hits: &[Hit<'_>],
        settled: &mut Settled,
    ) -> Result<(Vec<Item>, Option<Again>), Error> {
        let (mut left, mut why) = (Vec::new(), None);
        for (item, outcome) in items.iter().zip(outcomes) {
            match outcome {
                ItemOutcome::Applied => settled.applied(std::slice::from_ref(item)),
                ItemOutcome::Conflict { current } => {
                    self.judge_conflict(item, current, hits)?;
                    settled.balance.already_there += u64::from(settled.fans.is_empty());
                }
                ItemOutcome::Throttled { reason } => {
                    left.push(item.clone());
                    why = Some(Again::Throttled(reason));
                }
                ItemOutcome::Unavailable { reason } => {
                    left.push(item.clone());
                    why.get_or_insert(Again::Failed(reason));
                }
                // Not the document is refused but we are: nothing of it may count as settled.
                ItemOutcome::Rejected { status: 401 | 403, kind, reason } => {
                    let what = format!("writing to {}", self.write_alias);
                    return Err(Error::Forbidden { what, reason: format!("{kind}: {reason}") });
                }
                ItemOutcome::Rejected { kind, reason, .. } => {
                    Refused { shard, body, item }.settle(hits, &kind, &reason, settled);
                }
                ItemOutcome::Fenced { reason } => {
                    let how = format!("the write alias {} is gone: {reason}", self.write_alias);
                    return Err(Error::TakenOver { part: self.part.clone(), how });
                }
                ItemOutcome::Blocked { reason } => {
                    left.push(item.clone());
                    why = Some(Again::Throttled(format!("the target is blocked: {reason}")));
                }
            }
        }
        Ok((left, why))
    }

    fn judge_conflict(
        &self,
        item: &Item,
        current: Option<u64>,
        hits: &[Hit<'_>],
    ) -> Result<(), Error> {
        match item.stamp.judge(current.map(Version), self.latest) {
            Conflict::AlreadyThere => Ok(()),
            Conflict::Divergence { current } => {
                let id = hits.get(item.hit).map_or("?", |hit| hit.id.as_ref());
                let there =
                    current.map_or_else(|| "an unknown version".to_owned(), |v| v.to_string());
                Err(Error::Diverged {
                    reason: format!(
                        "the target holds {id:?} from somebody else ({there}) where {} is to stand",
                        item.stamp
                    ),
                    summary: VerifySummary::default(),
                })
            }
        }
    }

    pub(super) async fn wait_before(
        &self,
        attempt: u32,
        begun: Instant,
        why: Again,
    ) -> Result<(), Error> {
        let limits = self.session.limits();
        let (given_up, reason) = match why {
            Again::Throttled(reason) => (begun.elapsed() >= limits.health_wait, reason),
            Again::Failed(reason) => (attempt > limits.retries, reason),
        };
        if given_up {
            let waited = begun.elapsed().as_secs();
            let what = format!("writing to {}", self.write_alias);
            return Err(Error::GivenUp { what, attempts: attempt, waited_s: waited, reason });
        }
        tracing::debug!(attempt, %reason, "a batch is sent again");
        self.session.sleep(backoff(limits.retry_delay, attempt)).await
    }
}

/// Full jitter below an exponentially growing bound.
fn backoff(first: Duration, attempt: u32) -> Duration {
    let bound = first.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    bound.mul_f64(0.5 + 0.5 * crate::moment::jitter())
}

pub(super) fn retry_class(error: &segue_cluster::Error) -> Option<Again> {
    match error.class() {
        Class::Throttled => Some(Again::Throttled(error.to_string())),
        Class::NeverSent | Class::MaybeApplied | Class::Unavailable => {
            Some(Again::Failed(error.to_string()))
        }
        _ => None,
    }
}

/// A document that the target refuses.
struct Refused<'a> {
    shard: Shard,
    /// The request that it stands in.
    body: &'a Bytes,
    item: &'a Item,
}

impl Refused<'_> {
    fn settle(&self, hits: &[Hit<'_>], kind: &str, reason: &str, settled: &mut Settled) {
        let class = settled.classes.get(self.item.hit);
        if !settled.fans.is_empty() && class == Some(&Kind::Refused) {
            // Another document that was made of it was refused before.
            return;
        }
        settled.balance.dead_letter(kind);
        if let Some(class) = settled.classes.get_mut(self.item.hit) {
            *class = Kind::Refused;
        }
        if let Some(hit) = hits.get(self.item.hit) {
            let lines = &self.body[self.item.range.clone()];
            // The action, and then the document.
            let sent = lines.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
            settled.refuse(dead_letter(self.shard, hit, kind, reason).sent(sent));
        }
    }
}

pub(crate) fn dead_letter(shard: Shard, hit: &Hit<'_>, kind: &str, reason: &str) -> DeadLetter {
    let key = (hit.id.as_ref(), hit.routing.as_deref());
    DeadLetter::new(key, (shard, SeqNo(hit.seq_no)), kind, reason)
}

/// The bytes of `items`: the body itself where they are all of it.
fn part_of(body: &Bytes, items: &[Item]) -> Bytes {
    let length: usize = items.iter().map(|item| item.range.len()).sum();
    if length == body.len() {
        return body.clone();
    }
    let mut part = BytesMut::with_capacity(length);
    for item in items {
        part.extend_from_slice(&body[item.range.clone()]);
    }
    part.freeze()
}
