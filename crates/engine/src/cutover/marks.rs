//! Taking back what a cutover or a rollback began, as far as it is the same for both: the fence by the
//! marks ([`segue_model::cutover`]), the opening of what was closed, and the patience for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use segue_cluster::{AliasAction, AliasProps, Cluster};
use segue_model::cutover::{BackOut, Evidence, Mark, back_out, closing_mark};
use segue_model::id::{AliasName, Epoch, IndexName};

use super::{TakenBack, closing};
use crate::error::Error;

const BETWEEN: Duration = Duration::from_millis(500);

/// How often a back-out is tried. An index that stays closed is the worst that can be left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// This many times: somebody else tries, too.
    Times(u32),
    /// For this long: nobody else may be left.
    For(Duration),
}

/// Tries again and again. A contradiction ends it: there is nothing to open.
pub(crate) async fn patiently<F>(
    patience: Patience,
    mut once: impl FnMut() -> F,
) -> Result<TakenBack, Error>
where
    F: Future<Output = Result<TakenBack, Error>>,
{
    let begun = Instant::now();
    let mut tried = 0;
    loop {
        tried += 1;
        let again = match patience {
            Patience::Times(times) => tried < times,
            Patience::For(time) => begun.elapsed() < time,
        };
        match once().await {
            Err(gone @ Error::Contradiction(_)) => return Err(gone),
            Err(_) if again => tokio::time::sleep(BETWEEN).await,
            answer => return answer,
        }
    }
}

/// What became of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It takes writes.
    Open,
    /// There are no marks of any kind: nothing is closed that is to be opened here.
    Nothing,
    /// There is no index of that name.
    NoIndex,
}

/// The marks of a part: where they stand, and whose names they carry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks<'a> {
    pub cluster: &'a Cluster,
    /// The index that has them: the target, after the switch the kept copy.
    pub on: &'a IndexName,
    /// The part's target.
    pub target: &'a IndexName,
}

impl Marks<'_> {
    /// The marks among `aliases`.
    pub(crate) fn among(&self, aliases: &BTreeMap<String, AliasProps>) -> Vec<Mark> {
        aliases.keys().filter_map(|alias| Mark::of(alias, self.target)).collect()
    }

    /// The action that takes `mark`, which must be there.
    pub(crate) fn remove(&self, mark: Mark) -> AliasAction {
        let (index, alias) = (self.on.to_string(), mark.alias(self.target).to_string());
        AliasAction::Remove { index, alias, must_exist: true }
    }

    /// The action that puts `mark` there.
    pub(crate) fn add(&self, mark: Mark) -> AliasAction {
        let props = AliasProps { is_hidden: Some(true), ..AliasProps::default() };
        let (index, alias) = (self.on.to_string(), mark.alias(self.target).to_string());
        AliasAction::Add { index, alias, props }
    }

    /// The actions by which a request fails unless `mark` is there.
    pub(crate) fn still(&self, mark: Mark) -> [AliasAction; 2] {
        [self.remove(mark), self.add(mark)]
    }

    /// Fences off whoever works on the part; the mark to open by, or why nothing is to be opened.
    pub(crate) async fn fence_off(
        &self,
        seen: Evidence<'_>,
    ) -> Result<Result<Option<Mark>, TakenBack>, segue_cluster::Error> {
        Ok(match back_out(seen) {
            BackOut::Switched => Err(TakenBack::Switched),
            BackOut::Superseded => Err(TakenBack::Superseded),
            BackOut::Take { marks, epoch } => {
                let opening = Mark::Opening(epoch);
                let mut actions: Vec<_> = marks.into_iter().map(|m| self.remove(m)).collect();
                actions.push(self.add(opening));
                // Fails if the other side was faster: then everything is looked at again.
                self.cluster.update_aliases(&actions).await?;
                Ok(Some(opening))
            }
            BackOut::Open { epoch } => Ok(Some(Mark::Opening(epoch))),
            BackOut::OpenUnmarked => Ok(None),
        })
    }

    /// Opens `closed`, by `opening` where there is one; its closing marks go first, so that nothing that
    /// is still on its way closes it again. Without, by the closing mark of the `attempt`: where it bears
    /// none it is not closed by what is taken back here, but perhaps by who has begun anew since.
    pub(crate) async fn open(
        &self,
        closed: &IndexName,
        opening: Option<Mark>,
        attempt: Epoch,
    ) -> Result<Opened, segue_cluster::Error> {
        self.open_all(std::slice::from_ref(closed), opening, attempt).await
    }

    /// As [`Marks::open`], of all of `closed`, which bear the closing mark of the first. What is no index any
    /// more keeps none of the others closed.
    pub(crate) async fn open_all(
        &self,
        closed: &[IndexName],
        opening: Option<Mark>,
        attempt: Epoch,
    ) -> Result<Opened, segue_cluster::Error> {
        let Some(first) = closed.first() else { return Ok(Opened::Nothing) };
        let own = closing_mark(first, attempt);
        let mut all = Opened::Nothing;
        let (mut missing, mut failed) = (false, None);
        for index in closed {
            match self.open_one(index.as_str(), &own, opening).await {
                Ok(Opened::Open) => all = Opened::Open,
                Ok(Opened::Nothing) => {}
                Ok(Opened::NoIndex) => missing = true,
                // What keeps one closed keeps none of the others so.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(if missing { Opened::NoIndex } else { all }),
        }
    }

    async fn open_one(
        &self,
        closed: &str,
        own: &AliasName,
        opening: Option<Mark>,
    ) -> Result<Opened, segue_cluster::Error> {
        let Some(there) = self.cluster.index(closed).await? else { return Ok(Opened::NoIndex) };
        let Some(opening) = opening else {
            if !there.aliases.contains_key(own.as_str()) {
                return Ok(Opened::Nothing);
            }
            self.cluster.unblock_writes_by(closed, own.as_str()).await?;
            let (index, alias) = (closed.to_owned(), own.to_string());
            let unmark = AliasAction::Remove { index, alias, must_exist: false };
            self.cluster.update_aliases(&[unmark]).await?;
            return Ok(Opened::Open);
        };
        let unmark = closing::unmark(closed, &there.aliases);
        if !unmark.is_empty() {
            let actions: Vec<_> = self.still(opening).into_iter().chain(unmark).collect();
            self.cluster.update_aliases(&actions).await?;
        }
        let mark = opening.alias(self.target);
        self.cluster.unblock_writes_by(closed, mark.as_str()).await?;
        Ok(Opened::Open)
    }
}
