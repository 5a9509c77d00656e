//! What of a part is in the cluster, and whose it is.

use std::path::PathBuf;

use segue_cluster::{AliasAction, Class, IndexState};
use segue_model::id::{IndexName, IndexUuid};
use segue_model::part::PartState;
use serde_json::json;

use super::claim::Claim;
use super::{Abandoned, Left};
use crate::error::{Doing, Error};
use crate::session::Session;
use segue_model::cutover::Mark;

/// How often the write alias is taken away again where somebody puts it back.
const ROUNDS: u32 = 5;

/// What of a part is in the cluster, and on this machine.
#[derive(Debug)]
pub struct Found {
    part: IndexName,
    target: Option<Thing>,
    keeps: Vec<Thing>,
    folder: Option<PathBuf>,
}

/// An index that has the name of something we made.
#[derive(Debug)]
struct Thing {
    index: IndexState,
    /// Why it must not be touched, if so.
    foreign: Option<String>,
    /// Whether the journal says that it was finished: before, it is empty, and names that a template
    /// gave it mean nothing.
    made: bool,
}

impl Found {
    /// Looks for everything that the journal says was made for `source`.
    pub async fn look(
        session: &Session,
        source: &IndexName,
        state: &PartState,
    ) -> Result<Found, Error> {
        let cluster = session.cluster();
        let looking = || format!("looking for what was made for {source}");
        let target = match &state.target {
            Some(target) => cluster.index(target.as_str()).await.doing(looking)?,
            None => None,
        };
        let mut keeps = Vec::new();
        for (name, state) in state.by_source(source) {
            let Some(cutover) = &state.cutover else { continue };
            let keep = cluster.index(cutover.keep.as_str()).await.doing(looking)?;
            let uuid = state.source.as_ref().map(|source| &source.uuid);
            keeps.extend(keep.map(|index| {
                Thing {
                    foreign: (!is_clone_of(&index, uuid))
                        .then(|| format!("it is no copy that was made of {name}")),
                    made: true,
                    index,
                }
            }));
        }
        let folder = Some(session.part_dir(source)).filter(|folder| folder.exists());
        Ok(Found {
            part: source.clone(),
            target: target.map(|index| Thing {
                foreign: foreign_target(session, source, state, &index),
                made: state.target_uuid.is_some() || index.docs > 0,
                index,
            }),
            keeps,
            folder,
        })
    }

    /// Why the target must stay, if anybody reads it.
    pub(super) fn target_is_read(&self) -> Option<String> {
        let target = self.target.as_ref().filter(|target| target.foreign.is_none())?;
        target.is_read().map(|why| format!("{}: {why}", target.index.name))
    }

    /// What would be removed, in words.
    pub fn removals(&self) -> Vec<String> {
        let things = self.target.iter().chain(&self.keeps);
        let ours = things.filter(|thing| thing.foreign.is_none() && thing.is_read().is_none());
        let mut words: Vec<_> = ours.map(Thing::in_words).collect();
        words.extend(self.folder.iter().map(|folder| format!("folder {}", folder.display())));
        words
    }

    /// Takes the write aliases from the target, so that nothing that is still on its way lands there,
    /// also where the target stays.
    pub(super) async fn fence(
        &self,
        session: &Session,
        claim: Option<&Claim>,
    ) -> Result<(), Error> {
        let Some(target) = self.target.as_ref().filter(|target| target.foreign.is_none()) else {
            return Ok(());
        };
        let name = target.index.name.as_str();
        let fencing = || format!("taking the write alias from {name}");
        let cluster = session.cluster();
        for _ in 0..ROUNDS {
            let Some(there) = cluster.index(name).await.doing(fencing)? else { return Ok(()) };
            let ours = there.aliases.into_keys().filter(|alias| Mark::is_one(alias));
            let index = || name.to_owned();
            let mut actions: Vec<_> = ours
                .map(|alias| AliasAction::Remove { index: index(), alias, must_exist: true })
                .collect();
            if actions.is_empty() {
                return Ok(());
            }
            actions.extend(claim.into_iter().flat_map(Claim::still));
            match cluster.update_aliases(&actions).await {
                Err(error) if matches!(error.class(), Class::NotFound | Class::MaybeApplied) => {}
                answer => answer.doing(fencing)?,
            }
        }
        let how = format!("{name} gets a write alias again and again");
        Err(Error::TakenOver { part: self.part.clone(), how })
    }

    /// Deletes the indices that are ours and that nobody reads; names those that stay.
    pub(super) async fn remove(
        &self,
        session: &Session,
        claim: Option<&Claim>,
        outcome: &mut Abandoned,
    ) -> Result<(), Error> {
        for thing in self.target.iter().chain(&self.keeps) {
            match thing.foreign.clone().or_else(|| thing.is_read()) {
                None => match claim {
                    Some(claim) => {
                        delete_by(session, &self.part, &thing.index.name, claim).await?;
                        outcome.removed.push(thing.in_words());
                    }
                    None => {
                        let why = format!("{} is no index any more", self.part);
                        outcome.left.push(Left { what: thing.in_words(), why });
                    }
                },
                Some(why) => outcome.left.push(Left { what: thing.in_words(), why }),
            }
        }
        Ok(())
    }
}

impl Thing {
    fn in_words(&self) -> String {
        format!("index {} ({} documents)", self.index.name, self.index.docs)
    }

    /// The names that show its documents: a filter that matches nothing shows none.
    fn is_read(&self) -> Option<String> {
        let shows = |props: &segue_cluster::AliasProps| {
            props.filter.as_ref().is_none_or(|filter| filter.get("match_none").is_none())
        };
        let aliases = self.index.aliases.iter();
        let read: Vec<_> = aliases
            .filter(|(name, props)| shows(props) && !Mark::is_one(name))
            .map(|(name, _)| name.as_str())
            .collect();
        let read = (self.made && !read.is_empty()).then_some(read)?;
        Some(format!("its documents are shown by the alias {}", read.join(", ")))
    }
}

fn foreign_target(
    session: &Session,
    source: &IndexName,
    state: &PartState,
    index: &IndexState,
) -> Option<String> {
    let meta = &index.mappings["_meta"]["segue"];
    if meta["migration"] != json!(session.migration()) || meta["part"] != json!(source) {
        return Some("it was not made by this migration for this part".to_owned());
    }
    let known = state.target_uuid.as_ref()?;
    (known.as_str() != index.uuid).then(|| {
        format!("it is another index than the one that was made: its UUID is {}", index.uuid)
    })
}

/// Whether `index` is a copy that was cloned from the index with this UUID.
pub(crate) fn is_clone_of(index: &IndexState, uuid: Option<&IndexUuid>) -> bool {
    let from = index.settings["index.resize.source.uuid"].as_str();
    from.is_some() && from == uuid.map(IndexUuid::as_str)
}

/// Deletes an index in a request that is refused once the claim is gone: what comes late must not take what
/// somebody has begun anew since.
async fn delete_by(
    session: &Session,
    part: &IndexName,
    index: &str,
    claim: &Claim,
) -> Result<(), Error> {
    let deleting = || format!("deleting {index}");
    let cluster = session.cluster();
    let mut actions = claim.still().to_vec();
    actions.push(AliasAction::RemoveIndex { index: index.to_owned() });
    match cluster.update_aliases(&actions).await {
        Err(error) if matches!(error.class(), Class::NotFound | Class::MaybeApplied) => {}
        answer => answer.doing(deleting)?,
    }
    is_gone(session, part, index).await
}

/// Deletes an index, and looks whether it is gone: an answer that was lost decides nothing.
pub(crate) async fn delete(session: &Session, part: &IndexName, index: &str) -> Result<(), Error> {
    let deleting = || format!("deleting {index}");
    let cluster = session.cluster();
    match cluster.delete_index(index).await {
        Err(error) if matches!(error.class(), Class::NotFound | Class::MaybeApplied) => {}
        answer => answer.doing(deleting)?,
    }
    is_gone(session, part, index).await
}

async fn is_gone(session: &Session, part: &IndexName, index: &str) -> Result<(), Error> {
    let deleting = || format!("deleting {index}");
    if session.cluster().index(index).await.doing(deleting)?.is_some() {
        let how = format!("{index} was deleted and is there again");
        return Err(Error::TakenOver { part: part.clone(), how });
    }
    Ok(())
}
