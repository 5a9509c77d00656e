//! The comparison of files and generation: every record read and transformed once more, against every
//! document of the generation.
//!
//! Both sides go into a digest by the record that a document came from; where they differ, a closer
//! look names each document. Two records of one id show here: the generation holds one of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use segue_cluster::{Fetch, Hit};
use segue_model::digest::{Digest, OpRange};
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::journal::VerifySummary;
use segue_model::recipe::{Duplicates, Path};
use segue_model::version::{Op, Origin, Version};
use segue_transform::{Document, Outcome, Worker, has_fields};
use tokio::task::JoinSet;

use super::Loader;
use super::source::Unfit;
use crate::error::Error;
use crate::fetch::fetch;
use crate::pass::Lineage;
use crate::progress::Progress;
use crate::scan::{Visitor, everything, scan};
use crate::verify::{DivergenceClass, Divergences, fingerprint, ours};

/// How many documents the closer look takes at once.
const CLOSER: usize = 500_000;
/// How many documents are looked up at once.
const LOOK_UP: usize = 500;
/// How often it is told how the comparison goes on, in documents.
const TELL: u64 = 1_000;

/// Compares everything; fails with [`Error::Diverged`] if a single document differs.
pub(super) async fn compare(
    loader: &Arc<Loader>,
    target: &IndexName,
    duplicates: Duplicates,
) -> Result<VerifySummary, Error> {
    let highest = highest(loader)?;
    let (digest, mut summary, mut divergences) = read_digest(loader, highest).await?;
    let session = &loader.session;
    let stretches = everything(session, target).await?;
    let readers = session.limits().lanes.max(1);
    let sides = (0..readers).map(|_| Held::new(loader, highest)).collect();
    let mut held = Digest::up_to(highest);
    let mut strangers = Vec::new();
    for side in scan(session, target, &stretches, &Fetch::Source, sides).await? {
        held.merge(&side.digest);
        strangers.extend(side.strangers);
        summary.target += side.seen;
    }
    for id in &strangers {
        divergences.push(DivergenceClass::Foreign, id, "not written by this load");
    }
    let ranges = digest.differences(&held);
    if !ranges.is_empty() {
        let wanted = read_closely(loader, &ranges).await?;
        let sides = (0..readers).map(|_| HeldClosely::new(loader, &ranges)).collect();
        let mut there = BTreeMap::new();
        for side in scan(session, target, &stretches, &Fetch::Source, sides).await? {
            there.extend(side.documents);
        }
        let look = Look { loader, target, duplicates };
        look.classify(wanted, there, &mut summary, &mut divergences).await?;
    }
    divergences.conclude(summary)
}

/// The highest operation of any record.
fn highest(loader: &Loader) -> Result<u64, Error> {
    let mut highest = 0;
    for (file, ledger) in loader.files.iter().zip(&loader.ledgers) {
        let position = ledger.position();
        if position.0 >= 0 {
            highest = highest.max(op_of(loader, file.number, position)?.get());
        }
    }
    Ok(highest)
}

fn op_of(loader: &Loader, file: Shard, number: SeqNo) -> Result<Op, Error> {
    let files = u32::try_from(loader.files.len()).unwrap_or(u32::MAX);
    Ok(Op::of(number, file, files)?)
}

/// What a record is to be in the generation.
enum Expected {
    Present { id: String, hash: u128, lacks: Option<Path> },
    Filtered,
    Refused,
}

/// Transforms records once more.
struct Projector {
    worker: Worker,
    out: Vec<u8>,
    required: Vec<Path>,
}

impl Projector {
    fn new(loader: &Loader) -> Projector {
        let required = loader.session.recipe().verify.required.clone();
        Projector { worker: loader.program.worker(), out: Vec::new(), required }
    }

    fn project(&mut self, what: Result<(String, &[u8]), Unfit>) -> Result<Expected, Error> {
        let Ok((id, source)) = what else { return Ok(Expected::Refused) };
        self.out.clear();
        let document = Document { id: &id, routing: None, source };
        Ok(match self.worker.apply(document, &mut self.out)? {
            Outcome::Written => {
                let hash = fingerprint(&id, None, &self.out);
                let lacks = has_fields(&self.out, &self.required).cloned();
                Expected::Present { id, hash, lacks }
            }
            Outcome::Filtered { .. } => Expected::Filtered,
            Outcome::Refused { .. } => Expected::Refused,
        })
    }
}

/// Reads every file and shows each record's operation, line and what it is to be to a visitor of its
/// own; gives the visitors back.
async fn each_record<V: Send + 'static>(
    loader: &Arc<Loader>,
    new: impl Fn() -> V,
    visit: fn(&mut V, Op, u64, Expected),
) -> Result<Vec<V>, Error> {
    let lanes = usize::try_from(loader.session.limits().lanes.max(1)).unwrap_or(1);
    let (mut reading, mut done) = (JoinSet::new(), Vec::new());
    for at in 0..loader.files.len() {
        if reading.len() >= lanes {
            done.extend(joined(reading.join_next().await)?);
        }
        let (loader, mut visitor) = (Arc::clone(loader), new());
        reading.spawn_blocking(move || {
            let (file, mut projector) = (&loader.files[at], Projector::new(&loader));
            let (mut failed, mut seen) = (None, 0);
            file.read(&mut |number, line, what| {
                let projected = loader.session.check_stop().and_then(|()| {
                    Ok((op_of(&loader, file.number, number)?, projector.project(what)?))
                });
                seen += 1;
                if seen % TELL == 0 {
                    tell(&loader, TELL);
                }
                match projected {
                    Ok((op, expected)) => {
                        visit(&mut visitor, op, line, expected);
                        ControlFlow::Continue(())
                    }
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
            tell(&loader, seen % TELL);
            failed.map_or(Ok(visitor), Err)
        });
    }
    while let Some(ended) = reading.join_next().await {
        done.extend(joined(Some(ended))?);
    }
    Ok(done)
}

fn joined<V>(
    ended: Option<Result<Result<V, Error>, tokio::task::JoinError>>,
) -> Result<Option<V>, Error> {
    match ended {
        Some(ended) => ended.map_err(|join| Error::Task(join.to_string()))?.map(Some),
        None => Ok(None),
    }
}

fn tell(loader: &Loader, documents: u64) {
    let part = loader.part.clone();
    loader.session.listener().tell(Progress::Compared { part, documents });
}

/// One file's share of the digest.
struct Wanted {
    digest: Digest,
    summary: VerifySummary,
    divergences: Divergences,
}

async fn read_digest(
    loader: &Arc<Loader>,
    highest: u64,
) -> Result<(Digest, VerifySummary, Divergences), Error> {
    let new = || Wanted {
        digest: Digest::up_to(highest),
        summary: VerifySummary::default(),
        divergences: Divergences::default(),
    };
    let sides = each_record(loader, new, |side, op, _, expected| {
        side.summary.source += 1;
        match expected {
            Expected::Present { id, hash, lacks } => {
                if let Some(field) = lacks {
                    let detail = format!("required field {field} is missing or null");
                    side.divergences.push(DivergenceClass::Incomplete, &id, detail);
                }
                if !side.digest.add(op, hash) {
                    let detail = "it was not there when the file was loaded";
                    side.divergences.push(DivergenceClass::Missing, &id, detail);
                }
            }
            Expected::Filtered => side.summary.filtered += 1,
            Expected::Refused => side.summary.dead_lettered += 1,
        }
    });
    let mut digest = Digest::up_to(highest);
    let (mut summary, mut divergences) = (VerifySummary::default(), Divergences::default());
    for side in sides.await? {
        digest.merge(&side.digest);
        summary.source += side.summary.source;
        summary.filtered += side.summary.filtered;
        summary.dead_lettered += side.summary.dead_lettered;
        divergences.add(side.divergences);
    }
    Ok((digest, summary, divergences))
}

/// One reader's share of the generation.
struct Held {
    lineage: Lineage,
    digest: Digest,
    strangers: Vec<String>,
    seen: u64,
    loader: Arc<Loader>,
    told: u64,
}

impl Held {
    fn new(loader: &Arc<Loader>, highest: u64) -> Held {
        Held {
            lineage: loader.lineage.clone(),
            digest: Digest::up_to(highest),
            strangers: Vec::new(),
            seen: 0,
            told: 0,
            loader: Arc::clone(loader),
        }
    }
}

impl Visitor for Held {
    fn visit(&mut self, _: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        self.seen += 1;
        let known = ours(Version(hit.version), &self.lineage).is_some_and(|op| {
            self.digest.add(op, fingerprint(&hit.id, hit.routing.as_deref(), hit.source))
        });
        if !known {
            self.strangers.push(hit.id.to_string());
        }
        Ok(())
    }

    fn page_seen(&mut self) {
        tell(&self.loader, self.seen - self.told);
        self.told = self.seen;
    }
}

/// What makes a document one: its operation and its id.
type Key = (Op, String);

/// A record, for the closer look.
#[derive(Clone, Copy)]
struct Record {
    hash: u128,
    line: u64,
}

async fn read_closely(
    loader: &Arc<Loader>,
    ranges: &[OpRange],
) -> Result<BTreeMap<Key, Record>, Error> {
    let new = || (ranges.to_vec(), BTreeMap::new());
    type Side = (Vec<OpRange>, BTreeMap<Key, Record>);
    let sides = each_record(loader, new, |(ranges, found): &mut Side, op, line, expected| {
        if let Expected::Present { id, hash, .. } = expected
            && found.len() <= CLOSER
            && ranges.iter().any(|range| range.contains(op))
        {
            found.insert((op, id), Record { hash, line });
        }
    });
    let mut wanted = BTreeMap::new();
    for (_, found) in sides.await? {
        wanted.extend(found);
    }
    if wanted.len() > CLOSER {
        let reason = format!(
            "so many documents differ that they cannot be named (more than {CLOSER} looked at): perhaps \
             source.id gives many records the same id"
        );
        return Err(Error::Diverged { reason, summary: VerifySummary::default() });
    }
    Ok(wanted)
}

/// One reader's share of what the generation holds in the ranges that differ.
struct HeldClosely {
    lineage: Lineage,
    ranges: Vec<OpRange>,
    documents: BTreeMap<Key, u128>,
}

impl HeldClosely {
    fn new(loader: &Loader, ranges: &[OpRange]) -> HeldClosely {
        let (lineage, ranges) = (loader.lineage.clone(), ranges.to_vec());
        HeldClosely { lineage, ranges, documents: BTreeMap::new() }
    }
}

impl Visitor for HeldClosely {
    fn visit(&mut self, _: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        let Some(op) = ours(Version(hit.version), &self.lineage) else { return Ok(()) };
        if self.ranges.iter().any(|range| range.contains(op)) {
            let hash = fingerprint(&hit.id, hit.routing.as_deref(), hit.source);
            self.documents.insert((op, hit.id.to_string()), hash);
        }
        Ok(())
    }
}

struct Look<'a> {
    loader: &'a Loader,
    target: &'a IndexName,
    duplicates: Duplicates,
}

impl Look<'_> {
    async fn classify(
        &self,
        wanted: BTreeMap<Key, Record>,
        mut there: BTreeMap<Key, u128>,
        summary: &mut VerifySummary,
        divergences: &mut Divergences,
    ) -> Result<(), Error> {
        let mut absent = Vec::new();
        for (key, record) in wanted {
            match there.remove(&key) {
                Some(hash) if hash == record.hash => {}
                Some(_) => {
                    let detail = format!("its content is not that of {}", self.place(&key, record));
                    divergences.push(DivergenceClass::Different, &key.1, detail);
                }
                None => absent.push((key, record)),
            }
        }
        for ((op, id), _) in there {
            let detail = format!("no record has operation {}", op.get());
            divergences.push(DivergenceClass::Extra, &id, detail);
        }
        for some in absent.chunks(LOOK_UP) {
            self.absent(some, summary, divergences).await?;
        }
        Ok(())
    }

    /// Records whose document is not there: refused, outdone by another record of the same id, or lost.
    async fn absent(
        &self,
        absent: &[(Key, Record)],
        summary: &mut VerifySummary,
        divergences: &mut Divergences,
    ) -> Result<(), Error> {
        let keys: Vec<_> = absent.iter().map(|((_, id), _)| (id.as_str(), None)).collect();
        let cluster = self.loader.session.cluster();
        let documents = fetch(cluster, self.target, &keys, false).await?;
        let places: Vec<_> = absent.iter().map(|((op, _), _)| self.record(*op)).collect();
        let places: Vec<_> = places.iter().map(|place| (place.as_str(), None)).collect();
        let letters = self.loader.dead_letters.find(&places).await?;
        for (((key, record), document), letter) in absent.iter().zip(documents).zip(letters) {
            if letter.is_some_and(|letter| self.is_about(&letter, key.0)) {
                summary.dead_lettered += 1;
                continue;
            }
            let stands = document.map(|document| Version(document.version).origin());
            match stands {
                Some(Origin::Ours(other)) if other.op > key.0 => {
                    if self.duplicates == Duplicates::Last {
                        summary.superseded += 1;
                        continue;
                    }
                    let detail = format!(
                        "{} has the id of {}, which stands",
                        self.place(key, *record),
                        self.record(other.op)
                    );
                    divergences.push(DivergenceClass::Duplicate, &key.1, detail);
                }
                _ => {
                    let detail = format!("{} is not there", self.place(key, *record));
                    divergences.push(DivergenceClass::Missing, &key.1, detail);
                }
            }
        }
        Ok(())
    }

    fn is_about(&self, letter: &crate::pass::DeadLetter, op: Op) -> bool {
        op_of(self.loader, letter.shard, letter.seq_no).is_ok_and(|of_letter| of_letter == op)
    }

    fn source(&self, op: Op) -> (SeqNo, usize) {
        let files = u32::try_from(self.loader.files.len()).unwrap_or(u32::MAX);
        let (number, file) = op.source(files);
        (number, usize::try_from(file.0).unwrap_or(0).min(self.loader.files.len() - 1))
    }

    /// What a record is called that has no id of its own.
    fn record(&self, op: Op) -> String {
        let (number, file) = self.source(op);
        self.loader.files[file].place(number)
    }

    fn place(&self, key: &Key, record: Record) -> String {
        let (_, file) = self.source(key.0);
        self.loader.files[file].at_line(record.line)
    }
}
