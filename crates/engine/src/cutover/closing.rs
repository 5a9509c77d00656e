//! The closing mark: by which name an index is closed or redirected
//! ([`segue_model::cutover`]).

use std::collections::BTreeMap;

use segue_cluster::{AliasAction, AliasProps, Cluster};
use segue_model::cutover::{closing_mark, is_closing_mark};
use segue_model::id::{AliasName, Epoch, IndexName};

use crate::error::{Doing, Error};

fn hidden() -> AliasProps {
    AliasProps { is_hidden: Some(true), ..AliasProps::default() }
}

/// Marks `index` as the one that `epoch` may close, if the epoch's write alias is on `fenced`: a request
/// that comes late marks nothing.
pub(crate) async fn mark(
    cluster: &Cluster,
    index: &IndexName,
    fenced: &IndexName,
    write_alias: &AliasName,
    epoch: Epoch,
) -> Result<AliasName, Error> {
    mark_all(cluster, std::slice::from_ref(index), fenced, write_alias, epoch).await
}

/// As [`mark`], of all of `indices` by the mark of the first.
pub(crate) async fn mark_all(
    cluster: &Cluster,
    indices: &[IndexName],
    fenced: &IndexName,
    write_alias: &AliasName,
    epoch: Epoch,
) -> Result<AliasName, Error> {
    let first = indices.first().unwrap_or(fenced);
    let mark = closing_mark(first, epoch);
    let (on, alias) = (fenced.to_string(), write_alias.to_string());
    let mut actions = vec![
        AliasAction::Remove { index: on.clone(), alias: alias.clone(), must_exist: true },
        AliasAction::Add { index: on, alias, props: hidden() },
    ];
    actions.extend(indices.iter().map(|index| AliasAction::Add {
        index: index.to_string(),
        alias: mark.to_string(),
        props: hidden(),
    }));
    cluster.update_aliases(&actions).await.doing(|| format!("marking {first}"))?;
    Ok(mark)
}

/// The actions that take every closing mark from `index`.
pub(crate) fn unmark(index: &str, aliases: &BTreeMap<String, AliasProps>) -> Vec<AliasAction> {
    let marks = aliases.keys().filter(|alias| is_closing_mark(alias));
    let remove = |alias: &String| AliasAction::Remove {
        index: index.to_owned(),
        alias: alias.clone(),
        must_exist: false,
    };
    marks.map(remove).collect()
}
