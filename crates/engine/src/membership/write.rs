//! Creating events: what is there stays.

use std::collections::{BTreeMap, BTreeSet};

use segue_cluster::{AliasAction, AliasProps, BulkAnswer, BulkBody, Class, ItemOutcome};
use segue_model::membership::{EventOf, event_id};

use super::Membership;
use super::report::{Refusals, Refused};
use crate::error::{Doing, Error};

/// Bytes of one request, about.
const BATCH_BYTES: usize = 5 << 20;

/// An event on its way.
#[derive(Clone, Debug)]
struct Event {
    id: String,
    text: String,
    member: String,
    group: String,
}

/// What became of events.
#[derive(Debug, Default)]
pub(super) struct Created {
    /// Written.
    pub(super) new: u64,
    /// There already.
    pub(super) old: u64,
    pub(super) refused: Refusals,
}

/// Writes for one run.
pub(super) struct Writer<'m> {
    membership: &'m Membership,
    ready: BTreeSet<String>,
    queue: BTreeMap<String, Vec<Event>>,
    created: Created,
}

impl<'m> Writer<'m> {
    pub(super) fn new(membership: &'m Membership) -> Writer<'m> {
        let (ready, queue) = (BTreeSet::new(), BTreeMap::new());
        Writer { membership, ready, queue, created: Created::default() }
    }

    /// Takes an event, to be written with the next [`Writer::flush`].
    pub(super) fn take(&mut self, event: &EventOf<'_>) -> Result<(), Error> {
        let spec = self.membership.events();
        let (member, group) = (event.member.to_owned(), event.group.to_owned());
        match event_id(spec.word(event.kind), event.at, event.member, event.group) {
            Ok(id) => {
                let index = self.membership.index_of(event)?;
                let text = event.document(spec).to_string();
                self.queue.entry(index).or_default().push(Event { id, text, member, group });
            }
            Err(error) => self.refuse(member, group, error.to_string()),
        }
        Ok(())
    }

    fn refuse(&mut self, member: String, group: String, reason: String) {
        self.created.refused.add(Refused { member, group: Some(group), reason });
    }

    /// Writes what was taken; what became of it.
    pub(super) async fn flush(&mut self) -> Result<Created, Error> {
        for (index, mut rest) in std::mem::take(&mut self.queue) {
            if self.ready.insert(index.clone()) {
                self.membership.ensure_index(&index).await?;
            }
            while !rest.is_empty() {
                self.membership.check_stop()?;
                let mut bytes = 0;
                let fits = |event: &&Event| {
                    bytes += event.text.len();
                    bytes <= BATCH_BYTES
                };
                let count = rest.iter().take(self.membership.page()).take_while(fits).count();
                let later = rest.split_off(count.max(1));
                self.batch(&index, rest).await?;
                rest = later;
            }
        }
        Ok(std::mem::take(&mut self.created))
    }

    async fn batch(&mut self, index: &str, mut batch: Vec<Event>) -> Result<(), Error> {
        let limits = &self.membership.recipe.limits;
        for attempt in 0.. {
            let (failed, reason) = self.attempt(index, batch).await?;
            if failed.is_empty() {
                break;
            }
            if attempt >= limits.retries {
                return Err(self.membership.given_up(index, attempt, reason));
            }
            batch = failed;
            self.membership.wait_to_retry().await?;
        }
        Ok(())
    }

    /// One request; what may be tried again, and why. As an event is only created, trying one again that
    /// was written after all changes nothing.
    async fn attempt(
        &mut self,
        index: &str,
        batch: Vec<Event>,
    ) -> Result<(Vec<Event>, String), Error> {
        let mut body = BulkBody::default();
        for event in &batch {
            body.begin_create(&event.id, None);
            body.end_with(event.text.as_bytes());
        }
        let (bytes, items) = body.take();
        let outcomes = match self.membership.ask(1).bulk_to_index(index, bytes, items).await {
            Ok(BulkAnswer::AllApplied) => {
                self.created.new += items as u64;
                return Ok((Vec::new(), String::new()));
            }
            Ok(BulkAnswer::Mixed(outcomes)) => outcomes,
            Err(error) if is_passing(error.class()) => return Ok((batch, error.to_string())),
            answer => {
                answer.doing(|| format!("writing to {index}"))?;
                Vec::new()
            }
        };
        let (mut failed, mut last) = (Vec::new(), String::new());
        for (event, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                ItemOutcome::Applied => self.created.new += 1,
                ItemOutcome::Conflict { .. } => self.created.old += 1,
                ItemOutcome::Throttled { reason }
                | ItemOutcome::Unavailable { reason }
                | ItemOutcome::Blocked { reason } => {
                    last = reason;
                    failed.push(event);
                }
                ItemOutcome::Rejected { reason, .. } | ItemOutcome::Fenced { reason } => {
                    self.refuse(event.member, event.group, reason);
                }
            }
        }
        Ok((failed, last))
    }
}

/// Whether a request may be sent again after a while.
pub(super) fn is_passing(class: Class) -> bool {
    use Class::{MaybeApplied, NeverSent, Throttled, Unavailable, WriteBlocked};
    matches!(class, NeverSent | MaybeApplied | Throttled | Unavailable | WriteBlocked)
}

impl Membership {
    pub(super) fn given_up(&self, index: &str, attempts: u32, reason: String) -> Error {
        let limits = &self.recipe.limits;
        let waited_s = limits.retry_delay.as_secs() * u64::from(attempts);
        Error::GivenUp {
            what: format!("writing to {index}"),
            attempts: attempts + 1,
            waited_s,
            reason,
        }
    }

    fn index_of(&self, event: &EventOf<'_>) -> Result<String, Error> {
        let names = event.at.names().map(|(name, value)| (name.to_owned(), value)).into();
        let index = self.events().index.render(&names, "");
        index.map_err(|error| Error::Recipe(error.to_string()))
    }

    /// Makes an index of events unless it is there, and gives it the name of all of them.
    async fn ensure_index(&self, index: &str) -> Result<(), Error> {
        let making = || format!("making the index {index}");
        let alias = self.events().alias.as_ref();
        let there = self.ask(3).indices(index).await.doing(making)?;
        if let Some(there) = there.iter().find(|there| there.name == index) {
            let Some(alias) = alias.filter(|alias| !there.aliases.contains_key(*alias)) else {
                return Ok(());
            };
            let (index, alias) = (index.to_owned(), alias.clone());
            let add = AliasAction::Add { index, alias, props: AliasProps::default() };
            return self.ask(1).update_aliases(&[add]).await.doing(making);
        }
        // An alias of that name is as good: an index that was migrated has one.
        if !there.is_empty() {
            return Ok(());
        }
        // With all of it in the request: which template the cluster would take does not matter.
        match self.ask(1).create_index(index, &self.index_body()?).await {
            Err(error) if error.error_type() == Some("resource_already_exists_exception") => Ok(()),
            answer => answer.doing(making),
        }
    }
}
