//! Looking documents up by id, however large they are.

use std::collections::VecDeque;

use segue_cluster::{Class, Cluster, Document};
use segue_model::id::IndexName;

use crate::error::{Doing, Error};

/// The documents of `keys` (id, routing), in their order. Where all at once are too much for one
/// answer, they are asked for in smaller groups.
pub(crate) async fn fetch(
    cluster: &Cluster,
    index: &IndexName,
    keys: &[(&str, Option<&str>)],
    with_source: bool,
) -> Result<Vec<Option<Document>>, Error> {
    let mut found = Vec::with_capacity(keys.len());
    let mut groups = VecDeque::from([keys]);
    while let Some(group) = groups.pop_front() {
        if group.is_empty() {
            continue;
        }
        match cluster.get_many(index.as_str(), group, with_source).await {
            Err(error) if error.class() == Class::TooLarge && group.len() > 1 => {
                let (first, second) = group.split_at(group.len() / 2);
                groups.push_front(second);
                groups.push_front(first);
            }
            answer => {
                let doing = || format!("looking up {} documents of {index}", group.len());
                found.extend(answer.doing(doing)?);
            }
        }
    }
    Ok(found)
}
