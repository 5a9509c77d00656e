//! What goes with a flat roll-up, and what does not.

use std::collections::BTreeSet;

use super::RollupSpec;
use super::cursor;
use super::error::{ErrorKind, Fault, Place};
use super::name::SOURCE;
use super::node::Node;
use super::read_rollup::check_member;

/// Fields that are taken over from the latest document.
pub(super) fn copy(node: Node) -> Result<Vec<String>, Fault> {
    let field = |node: Node| {
        let at = node.at;
        let name = cursor::text(node, "`copy`")?;
        check_member(&name, at, "`copy`")?;
        Ok(name)
    };
    cursor::list(node, "`copy`")?.into_iter().map(field).collect()
}

pub(super) fn check(spec: &RollupSpec, at: Place) -> Result<(), Fault> {
    let bad = |summary: String, hint: &str| {
        Err(Fault::new(ErrorKind::BadValue, at, summary).hint(hint.to_owned()))
    };
    for (is_there, what) in [
        (spec.entities.is_some(), "`entities`"),
        (!spec.dimensions.is_empty(), "`dimensions`"),
        (spec.snapshot.is_some(), "`snapshot`"),
        (spec.delta.bookmark.is_some(), "a `bookmark`"),
        (spec.key.all.is_some(), "`all`"),
    ] {
        if is_there {
            return bad(
                format!("a flat roll-up has no {what}"),
                "it has one document for each source, period and key, with its numbers and copied fields",
            );
        }
    }
    if spec.sources.len() > 1 && !spec.delta.index.holes().any(|hole| hole == SOURCE) {
        return bad(
            "several sources would write the same documents".to_owned(),
            "`{source}` in the name of `delta` is the source's name",
        );
    }
    for source in &spec.sources {
        let mut names = BTreeSet::from([spec.key.name.as_str()]);
        let metrics = source.metrics.iter().map(|of| of.name.as_str());
        for name in metrics.chain(source.copy.iter().map(String::as_str)) {
            if !names.insert(name) {
                return bad(
                    format!("`{name}` of {} is written twice", source.name),
                    "numbers, copied fields and the key stand beside each other",
                );
            }
        }
    }
    Ok(())
}
