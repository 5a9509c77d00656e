//! What the way back has to know of a source, looked at while the source is still there.

use std::collections::BTreeMap;

use segue_model::id::AliasName;
use segue_model::journal::Before;
use segue_model::observe::AliasProps;
use serde_json::Value;

use crate::error::{Doing, Error};
use crate::part_run::PartRun;

/// What the kept copy has otherwise than the source had.
pub(crate) const CHANGED: [&str; 5] = [
    "index.default_pipeline",
    "index.final_pipeline",
    "index.hidden",
    "index.gc_deletes",
    "index.translog.durability",
];

/// Looks at the source; none if it is no index any more, which the cutover will find out.
pub(super) async fn look(run: &PartRun) -> Result<Option<Before>, Error> {
    let source = run.source().as_str();
    let looking = || format!("looking at {source}");
    let Some(index) = run.session.cluster().index(source).await.doing(looking)? else {
        return Ok(None);
    };
    let settings = CHANGED
        .iter()
        .map(|name| ((*name).to_owned(), index.settings.get(*name).cloned().unwrap_or(Value::Null)))
        .collect();
    let aliases: BTreeMap<_, _> = index
        .aliases
        .into_iter()
        .map(|(name, props)| (AliasName::new(name), as_journalled(props)))
        .collect();
    let pipeline = run.session.recipe().pipeline_fingerprint();
    Ok(Some(Before { aliases, settings, pipeline, marked: true }))
}

fn as_journalled(props: segue_cluster::AliasProps) -> AliasProps {
    AliasProps {
        filter: props.filter,
        index_routing: props.index_routing,
        search_routing: props.search_routing,
        is_write_index: props.is_write_index,
        is_hidden: props.is_hidden,
    }
}
