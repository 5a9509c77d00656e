//! The two streams of a verification, each into its digest.

use segue_cluster::Hit;
use segue_model::digest::Digest;
use segue_model::id::{IndexName, Shard};
use segue_model::journal::VerifySummary;
use segue_model::version::{Op, Origin, Version};
use segue_transform::{Document, Made, Outcome, Worker, has_fields};

use super::fingerprint::fingerprint;
use super::matching::Matching;
use super::{DivergenceClass, Divergences};
use crate::error::Error;
use crate::pass::{Carrier, Lineage, Way};
use crate::progress::{Listener, Progress};
use crate::scan::Visitor;

/// How many documents that cannot be matched by operation are kept for a closer look.
const SUSPECTS: usize = 10_000;

/// What the source says of a document in the target.
pub(super) enum Expected {
    /// What is made of it is to stand there: [`Projector::each`] shows it.
    Present,
    /// The recipe leaves it out.
    Filtered,
    /// The pipeline refuses it: a dead letter.
    Refused,
}

/// Transforms source documents anew and says what is expected in the target.
pub(super) struct Projector {
    worker: Worker,
    out: Vec<u8>,
    made: Vec<Made>,
    required: Vec<segue_model::recipe::Path>,
}

/// A document that is to stand in the target: id, routing and fingerprint.
pub(super) type Due<'a> = (&'a str, Option<&'a str>, u128);

impl Projector {
    pub(super) fn new(carrier: &Carrier) -> Projector {
        // Fields are required of the new shape only.
        let required = match carrier.way() {
            Way::Forward => carrier.session().recipe().verify.required.clone(),
            Way::Back => Vec::new(),
        };
        let worker = carrier.program().worker();
        Projector { worker, out: Vec::new(), made: Vec::new(), required }
    }

    pub(super) fn project(
        &mut self,
        hit: &Hit<'_>,
        divergences: &mut Divergences,
    ) -> Result<Expected, Error> {
        self.out.clear();
        self.made.clear();
        let routing = hit.routing.as_deref();
        let document = Document { id: &hit.id, routing, source: hit.source };
        let outcome = match self.worker.is_keyed() {
            true => self.worker.make(document, &mut self.out, &mut self.made)?,
            false => self.worker.apply(document, &mut self.out)?,
        };
        Ok(match outcome {
            Outcome::Written => {
                let mut check = |source: &[u8]| {
                    if let Some(field) = has_fields(source, &self.required) {
                        let detail = format!("required field {field} is missing or null");
                        divergences.push(DivergenceClass::Incomplete, &hit.id, detail);
                    }
                };
                match self.worker.is_keyed() {
                    true => self.made.iter().for_each(|made| check(&self.out[made.range.clone()])),
                    false => check(&self.out),
                }
                Expected::Present
            }
            Outcome::Filtered { .. } => Expected::Filtered,
            Outcome::Refused { .. } => Expected::Refused,
        })
    }

    /// Shows each document that is to stand in the target for `hit`, which was projected last.
    pub(super) fn each(&self, hit: &Hit<'_>, mut show: impl FnMut(Due<'_>)) {
        if !self.worker.is_keyed() {
            let routing = hit.routing.as_deref();
            return show((&hit.id, routing, fingerprint(&hit.id, routing, &self.out)));
        }
        for Made { key, range } in &self.made {
            let routing = key.routing.as_deref();
            let source = &self.out[range.clone()];
            show((&key.id, routing, fingerprint(&key.id, routing, source)));
        }
    }
}

/// One reader's share of the source.
pub(super) struct SourceSide {
    projector: Projector,
    matching: Matching,
    digest: Digest,
    summary: VerifySummary,
    divergences: Divergences,
    teller: Teller,
}

impl SourceSide {
    pub(super) fn new(carrier: &Carrier, highest: u64) -> SourceSide {
        SourceSide {
            projector: Projector::new(carrier),
            matching: Matching::of(carrier),
            digest: Digest::up_to(highest),
            summary: VerifySummary::default(),
            divergences: Divergences::default(),
            teller: Teller::new(carrier),
        }
    }
}

impl Visitor for SourceSide {
    fn visit(&mut self, shard: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        self.teller.seen += 1;
        self.summary.source += 1;
        match self.projector.project(hit, &mut self.divergences)? {
            Expected::Present => {
                let place = self.matching.of_source(shard, hit)?;
                let Self { projector, matching, digest, .. } = self;
                projector.each(hit, |(_, _, hash)| {
                    // The scan ends at the positions, so no operation lies above the highest.
                    digest.add(place, matching.weigh(hash, hit.version));
                });
            }
            Expected::Filtered => self.summary.filtered += 1,
            Expected::Refused => self.summary.dead_lettered += 1,
        }
        Ok(())
    }

    fn page_seen(&mut self) {
        self.teller.tell();
    }
}

/// Adds the readers' shares up.
pub(super) fn join_source(
    sides: Vec<SourceSide>,
    highest: u64,
) -> (Digest, VerifySummary, Divergences) {
    let mut digest = Digest::up_to(highest);
    let mut summary = VerifySummary::default();
    let mut divergences = Divergences::default();
    for side in sides {
        digest.merge(&side.digest);
        summary.source += side.summary.source;
        summary.filtered += side.summary.filtered;
        summary.dead_lettered += side.summary.dead_lettered;
        divergences.add(side.divergences);
    }
    (digest, summary, divergences)
}

/// A document of the target that cannot be matched by its operation.
#[derive(Clone, Debug)]
pub(super) struct Suspect {
    pub id: String,
    pub routing: Option<String>,
    pub version: Version,
}

/// Suspects: all counted, the first ones kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Suspects {
    pub kept: Vec<Suspect>,
    beyond: u64,
}

impl Suspects {
    pub(super) fn count(&self) -> u64 {
        self.kept.len() as u64 + self.beyond
    }

    fn push(&mut self, suspect: Suspect) {
        if self.kept.len() < SUSPECTS { self.kept.push(suspect) } else { self.beyond += 1 }
    }
}

/// One reader's share of the target.
pub(super) struct TargetSide {
    matching: Matching,
    digest: Digest,
    suspects: Suspects,
    teller: Teller,
}

impl TargetSide {
    pub(super) fn new(carrier: &Carrier, highest: u64) -> TargetSide {
        TargetSide {
            matching: Matching::of(carrier),
            digest: Digest::up_to(highest),
            suspects: Suspects::default(),
            teller: Teller::new(carrier),
        }
    }
}

impl Visitor for TargetSide {
    fn visit(&mut self, _: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        self.teller.seen += 1;
        let version = Version(hit.version);
        let known = self.matching.of_target(hit).is_some_and(|place| {
            let hash = fingerprint(&hit.id, hit.routing.as_deref(), hit.source);
            self.digest.add(place, self.matching.weigh(hash, hit.version))
        });
        if !known {
            let routing = hit.routing.as_ref().map(ToString::to_string);
            self.suspects.push(Suspect { id: hit.id.to_string(), routing, version });
        }
        Ok(())
    }

    fn page_seen(&mut self) {
        self.teller.tell();
    }
}

/// The operation of a version that the present lineage wrote.
pub(crate) fn ours(version: Version, lineage: &Lineage) -> Option<Op> {
    match version.origin() {
        Origin::Ours(p)
            if p.incarnation == lineage.incarnation
                && p.rewrite == lineage.rewrite
                && !p.delete =>
        {
            Some(p.op)
        }
        _ => None,
    }
}

/// Adds the readers' shares up.
pub(super) fn join_target(sides: Vec<TargetSide>, highest: u64) -> (Digest, Suspects) {
    let mut digest = Digest::up_to(highest);
    let mut suspects = Suspects::default();
    for side in sides {
        digest.merge(&side.digest);
        suspects.beyond += side.suspects.beyond;
        for suspect in side.suspects.kept {
            suspects.push(suspect);
        }
    }
    (digest, suspects)
}

/// Tells how the comparison goes on, once a page.
struct Teller {
    listener: Listener,
    part: IndexName,
    seen: u64,
}

impl Teller {
    fn new(carrier: &Carrier) -> Teller {
        let listener = carrier.session().listener().clone();
        Teller { listener, part: carrier.source().clone(), seen: 0 }
    }

    fn tell(&mut self) {
        let documents = std::mem::take(&mut self.seen);
        self.listener.tell(Progress::Compared { part: self.part.clone(), documents });
    }
}
