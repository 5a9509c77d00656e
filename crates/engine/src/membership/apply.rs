//! Changes, in the order of each member.
//!
//! Changes are taken some at a time. Of these, a member's are divided where membership and deletion take
//! turns: first what comes first of all members is carried out together, then what comes second, and so on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufReader;
use std::path::PathBuf;

use segue_cluster::Class;
use segue_model::membership::{Action, Change, Deletion, EventOf, Instant, Kind, Member};
use serde_json::{Value, json};

use super::Membership;
use super::deletion::Marking;
use super::events::{Known, Pair};
use super::lines::{Lines, Met, Numbered};
use super::report::{ApplyReport, Requested};
use super::write::Writer;
use crate::error::{Doing, Error};
use crate::moment;

/// Where changes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file. It is read to its end, and nothing is done unless every line can be carried out; but of a
    /// pipe lines before a bad one are.
    File(PathBuf),
    /// Standard input. Lines before a bad one are carried out.
    Standard,
}

/// A member or group joining or leaving, as a line says it.
struct Belonging<'c> {
    member: &'c str,
    group: &'c str,
    kind: Kind,
    at: &'c Instant,
    since: Option<&'c Instant>,
    published: Option<&'c str>,
    deletion: Option<&'c Deletion>,
}

/// What is carried out together.
#[derive(Default)]
struct Round<'c> {
    belongings: Vec<Belonging<'c>>,
    /// The last deletion of each member.
    deletions: BTreeMap<&'c str, &'c Deletion>,
}

/// Carries changes out. The same ones once more change nothing.
///
/// # Errors
/// What keeps it from its end; what is wrong with lines, and what was refused, is in the report.
pub async fn apply(membership: &Membership, input: &Input) -> Result<ApplyReport, Error> {
    let mut report =
        ApplyReport { membership: membership.recipe.name.clone(), ..ApplyReport::default() };
    let checked = match input.can_be_read_twice() {
        false => None,
        true => Some(membership.check(&mut input.open()?, &mut report)?),
    };
    if report.bad_lines > 0 {
        return Ok(report);
    }
    report.template = membership.install_template().await?;
    let mut lines = input.open()?;
    let mut writer = Writer::new(membership);
    let mut more = true;
    while more && report.bad_lines == 0 && report.refused.count == 0 {
        let mut batch = Vec::new();
        // Standard input may let one wait.
        tokio::task::block_in_place(|| {
            while more && batch.len() < membership.page() {
                match membership.read_line(&mut lines)? {
                    Met::Change(change) => batch.push(change),
                    Met::Bad(bad) => {
                        report.bad(bad);
                        more = false;
                    }
                    Met::End => more = false,
                }
            }
            Ok::<(), Error>(())
        })?;
        membership.check_stop()?;
        membership.batch(&batch, &mut writer, &mut report).await?;
    }
    let stopped = report.bad_lines > 0 || report.refused.count > 0;
    if !stopped && checked.is_some_and(|checked| checked != lines.line) {
        let text = "the file of changes changed while it was read: give it once more";
        return Err(Error::Recipe(text.to_owned()));
    }
    membership.refresh_events().await?;
    report.requests = membership.requests();
    Ok(report)
}

impl Input {
    /// A pipe gives its lines once.
    fn can_be_read_twice(&self) -> bool {
        match self {
            Input::Standard => false,
            Input::File(path) => std::fs::metadata(path).is_ok_and(|file| file.is_file()),
        }
    }

    fn open(&self) -> Result<Lines, Error> {
        match self {
            Input::Standard => {
                Ok(Lines::new(Box::new(BufReader::new(std::io::stdin())), "standard input".into()))
            }
            Input::File(path) => {
                let file = std::fs::File::open(path).map_err(|source| Error::Io {
                    doing: "opening the changes",
                    path: path.clone(),
                    source,
                })?;
                Ok(Lines::new(Box::new(BufReader::new(file)), path.clone()))
            }
        }
    }
}

impl Membership {
    fn read_line(&self, lines: &mut Lines) -> Result<Met, Error> {
        lines.next(&self.spec().changes, self.events())
    }

    /// Reads every line; how many there are.
    fn check(&self, lines: &mut Lines, report: &mut ApplyReport) -> Result<u64, Error> {
        loop {
            match self.read_line(lines)? {
                Met::Change(_) => {}
                Met::Bad(bad) => report.bad(bad),
                Met::End => return Ok(lines.line),
            }
        }
    }

    async fn batch(
        &self,
        batch: &[Numbered],
        writer: &mut Writer<'_>,
        report: &mut ApplyReport,
    ) -> Result<(), Error> {
        for round in rounds(batch) {
            self.round(&round, writer, report).await?;
            if report.refused.count > 0 {
                return Ok(());
            }
        }
        report.changes += batch.len() as u64;
        batch.iter().for_each(|(_, change)| report.requested.count(change));
        if let Some((line, _)) = batch.last() {
            report.done_to_line = *line;
        }
        Ok(())
    }

    async fn round(
        &self,
        round: &Round<'_>,
        writer: &mut Writer<'_>,
        report: &mut ApplyReport,
    ) -> Result<(), Error> {
        let mut markings = Vec::new();
        if !round.belongings.is_empty() {
            self.refresh_events().await?;
            self.belong(&round.belongings, writer, report).await?;
            markings.extend(in_groups(&round.belongings));
        }
        let whole = |(member, deletion): (&&str, &&Deletion)| Marking {
            member: (*member).to_owned(),
            group: None,
            deletion: (*deletion).clone(),
        };
        markings.extend(round.deletions.iter().map(whole));
        if report.refused.count == 0 && !markings.is_empty() {
            let marked = self.mark(&markings).await?;
            report.updated += marked.updated;
            report.refused.extend(marked.refused);
        }
        Ok(())
    }

    async fn belong(
        &self,
        belongings: &[Belonging<'_>],
        writer: &mut Writer<'_>,
        report: &mut ApplyReport,
    ) -> Result<(), Error> {
        let mut by_pair: BTreeMap<(&str, &str), Vec<&Belonging<'_>>> = BTreeMap::new();
        for one in belongings {
            by_pair.entry((one.member, one.group)).or_default().push(one);
        }
        let mut members: Vec<_> = by_pair.keys().map(|(member, _)| *member).collect();
        members.dedup();
        let pair = |(member, group): &(&str, &str)| ((*member).to_owned(), (*group).to_owned());
        let pairs: HashSet<Pair> = by_pair.keys().map(pair).collect();
        let mut known = self.known(&members, &pairs).await?;
        let now = i64::try_from(moment::now_ms()).unwrap_or(i64::MAX);
        let mut new = Vec::new();
        for (of, some) in &by_pair {
            let changes: Vec<_> = some.iter().map(|one| (one.kind, one.at.clone())).collect();
            let history = known.histories.entry(pair(of)).or_default();
            for (number, written) in history.change_all(&changes, now) {
                new.extend(some.get(number).map(|one| (*one, written)));
            }
        }
        let mut unknown: Vec<_> = new.iter().map(|(one, _)| one.member).collect();
        unknown.dedup();
        let documents = self.documents(&unknown).await?;
        report.unknown += unknown.iter().filter(|id| !documents.contains_key(**id)).count() as u64;
        for (one, written) in &new {
            let document = documents.get(one.member);
            writer.take(&EventOf {
                member: one.member,
                group: one.group,
                kind: written.kind,
                at: &written.at,
                written: written.written,
                since: one.since.or(document.map(|member| &member.since)),
                published: one
                    .published
                    .or(document.and_then(|member| member.published.as_deref())),
                deletion: deletion_of(one, &known, document),
            })?;
        }
        let created = writer.flush().await?;
        report.written += created.new;
        report.refused.extend(created.refused);
        Ok(())
    }

    /// The documents of members, by their ids.
    async fn documents(&self, ids: &[&str]) -> Result<HashMap<String, Member>, Error> {
        let mut found = HashMap::new();
        let members = &self.spec().members;
        let reading = || format!("reading {}", members.index);
        if ids.is_empty() {
            return Ok(found);
        }
        match self.ask(1).refresh(&members.index).await {
            Err(error) if error.class() == Class::NotFound => return Ok(found),
            answer => answer.doing(reading)?,
        }
        for some in ids.chunks(self.page()) {
            // An id may be in several indices behind a name, hardly ever in more than two.
            let body = json!({
                "size": (some.len() * 2).min(10_000), "track_total_hits": false,
                "_source": self.member_fields(),
                "query": { "bool": { "filter": { "terms": { members.id.dotted(): some } } } }
            });
            let page = self.ask(1).search(&members.index, &body).await.doing(reading)?;
            for hit in &page.hits {
                let text = hit.source.as_ref().map_or("null", |source| source.get());
                let document: Value = serde_json::from_str(text).map_err(|source| {
                    Error::Stored { what: format!("document {}", hit.id), source }
                })?;
                // What cannot be read is as good as not there, and counted so.
                if let Ok(member) = Member::read(members, &document) {
                    found.insert(member.id.clone(), member);
                }
            }
        }
        Ok(found)
    }
}

/// Whether the member was deleted: as the line says, else as its last event does, else its document.
fn deletion_of<'a>(
    one: &Belonging<'a>,
    known: &'a Known,
    document: Option<&'a Member>,
) -> &'a Deletion {
    let by_events = known.deletions.get(one.member).map(|(_, deletion)| deletion);
    let by_document = document.map(|member| &member.deletion);
    one.deletion.or(by_events).or(by_document).unwrap_or(&Deletion::Not)
}

/// What lines said of deletion about a member and a group; the last one counts.
fn in_groups(belongings: &[Belonging<'_>]) -> Vec<Marking> {
    let mut last: BTreeMap<(&str, &str), &Deletion> = BTreeMap::new();
    for one in belongings {
        if let Some(deletion) = one.deletion {
            last.insert((one.member, one.group), deletion);
        }
    }
    let marking = |((member, group), deletion): ((&str, &str), &Deletion)| Marking {
        member: member.to_owned(),
        group: Some(group.to_owned()),
        deletion: deletion.clone(),
    };
    last.into_iter().map(marking).collect()
}

/// Divides changes into rounds: a member is in one round with changes of one sort, in their order.
fn rounds(batch: &[Numbered]) -> Vec<Round<'_>> {
    let mut rounds: Vec<Round<'_>> = Vec::new();
    let mut at: HashMap<&str, (usize, bool)> = HashMap::new();
    for (_, change) in batch {
        let is_deletion = matches!(change.action, Action::Delete(_));
        let here = at.entry(&change.member).or_insert((0, is_deletion));
        if here.1 != is_deletion {
            *here = (here.0 + 1, is_deletion);
        }
        if rounds.len() <= here.0 {
            rounds.resize_with(here.0 + 1, Round::default);
        }
        let Some(round) = rounds.get_mut(here.0) else { continue };
        match &change.action {
            Action::Delete(deletion) => {
                round.deletions.insert(&change.member, deletion);
            }
            Action::Belong { group, joins, at, since, published, deletion } => {
                round.belongings.push(Belonging {
                    member: &change.member,
                    group,
                    kind: if *joins { Kind::Added } else { Kind::Removed },
                    at,
                    since: since.as_ref(),
                    published: published.as_deref(),
                    deletion: deletion.as_ref(),
                });
            }
        }
    }
    rounds
}

impl Requested {
    fn count(&mut self, change: &Change) {
        match &change.action {
            Action::Belong { joins: true, .. } => self.add += 1,
            Action::Belong { joins: false, .. } => self.remove += 1,
            Action::Delete(Deletion::Not) => self.restore += 1,
            Action::Delete(Deletion::Deleted { .. }) => self.delete += 1,
        }
    }
}
