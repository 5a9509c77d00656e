//! The mark of who gives a part up, on the part's source.
//!
//! Everything that is taken from the target, and the target itself, is taken by a request that names it.
//! Who begins the part anew takes all such marks away before the new target is made, so that a request that
//! comes late never meets that one; and once the names have moved there is no source any more to have one.

use segue_cluster::{AliasAction, AliasProps};
use segue_model::cutover::{giving_up_mark, is_giving_up_mark};
use segue_model::id::{AliasName, IndexName};

use crate::error::{Doing, Error};
use crate::process;
use crate::session::Session;

/// The mark of this process.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    source: IndexName,
    mark: AliasName,
}

impl Claim {
    /// Puts a mark on `source`; none where that is no index. The journal has to be looked at afterwards.
    pub(super) async fn put(session: &Session, source: &IndexName) -> Result<Option<Claim>, Error> {
        let marking = || format!("marking {source} as being given up");
        let cluster = session.cluster();
        if cluster.index(source.as_str()).await.doing(marking)?.is_none() {
            return Ok(None);
        }
        let mark = giving_up_mark(source, &process::name());
        let claim = Claim { source: source.clone(), mark };
        cluster.update_aliases(&[claim.add()]).await.doing(marking)?;
        Ok(Some(claim))
    }

    fn add(&self) -> AliasAction {
        let (index, alias) = (self.source.to_string(), self.mark.to_string());
        let props = AliasProps { is_hidden: Some(true), ..AliasProps::default() };
        AliasAction::Add { index, alias, props }
    }

    fn remove(&self) -> AliasAction {
        let (index, alias) = (self.source.to_string(), self.mark.to_string());
        AliasAction::Remove { index, alias, must_exist: true }
    }

    /// The actions by which a request fails once the mark was taken away.
    pub(super) fn still(&self) -> [AliasAction; 2] {
        [self.remove(), self.add()]
    }
}

/// Takes every such mark from `source`: what comes late from an earlier giving up is refused from then on.
pub(crate) async fn clear(session: &Session, source: &IndexName) -> Result<(), Error> {
    let clearing = || format!("taking the marks from {source}");
    let cluster = session.cluster();
    let there = cluster.index(source.as_str()).await.doing(clearing)?;
    let marks = there.into_iter().flat_map(|index| index.aliases.into_keys());
    let remove =
        |alias: String| AliasAction::Remove { index: source.to_string(), alias, must_exist: false };
    let actions: Vec<_> = marks.filter(|alias| is_giving_up_mark(alias)).map(remove).collect();
    if actions.is_empty() { Ok(()) } else { cluster.update_aliases(&actions).await.doing(clearing) }
}
