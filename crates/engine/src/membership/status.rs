//! Where a membership stands.

use segue_cluster::Class;
use segue_model::membership::{Instant, Only};
use serde::Serialize;
use serde_json::json;

use super::Membership;
use super::report::Refusals;
use super::template::TemplateState;
use crate::error::{Doing, Error};

/// An index of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventIndex {
    /// The index.
    pub index: String,
    /// Its documents.
    pub events: u64,
    /// Whether the name of all of them stands for it.
    pub has_alias: bool,
}

/// Where a membership stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MembershipStatus {
    /// The recipe.
    pub membership: String,
    /// Members.
    pub members: u64,
    /// Members that lack the event of joining of every group they are in.
    pub without_events: u64,
    /// Members that lack some.
    pub incomplete: u64,
    /// Events that a run would write.
    pub missing: u64,
    /// Documents that are no members.
    pub refused: Refusals,
    /// When the last event was written.
    pub last_written: Option<String>,
    /// The indices.
    pub indices: Vec<EventIndex>,
    /// The index template.
    pub template: Option<TemplateState>,
}

/// Looks at every member and its events. Changes nothing.
///
/// # Errors
/// What keeps it from being looked at.
pub async fn status(membership: &Membership) -> Result<MembershipStatus, Error> {
    let mut status = MembershipStatus {
        membership: membership.recipe.name.clone(),
        members: 0,
        without_events: 0,
        incomplete: 0,
        missing: 0,
        refused: Refusals::default(),
        last_written: membership.last_written().await?,
        indices: membership.event_indices().await?,
        template: membership.look_at_template().await?,
    };
    let only = Only::default();
    let mut scan = membership.scan(&only).await?;
    while let Some(page) = scan.next().await? {
        page.refused.into_iter().for_each(|refused| status.refused.add(refused));
        status.members += page.members.len() as u64;
        let (missing, _) = membership.missing(&page.members, &only).await?;
        status.missing += missing.len() as u64;
        for some in missing.chunk_by(|one, next| std::ptr::eq(one.0, next.0)) {
            let wanted = some.first().map_or(0, |(member, _)| member.groups.len());
            match some.len() == wanted {
                true => status.without_events += 1,
                false => status.incomplete += 1,
            }
        }
    }
    Ok(status)
}

impl Membership {
    async fn last_written(&self) -> Result<Option<String>, Error> {
        let body = json!({
            "size": 0, "track_total_hits": false,
            "aggs": { "last": { "max": { "field": self.events().fields.written } } }
        });
        let pattern = self.pattern();
        let found = match self.ask(1).search(&pattern, &body).await {
            Err(error) if error.class() == Class::NotFound => return Ok(None),
            answer => answer.doing(|| format!("looking at {pattern}"))?,
        };
        let last = found.aggregations.unwrap_or_default()["last"]["value"].as_f64();
        Ok(last.map(|ms| Instant::of_ms(ms as i64).as_str().to_owned()))
    }

    async fn event_indices(&self) -> Result<Vec<EventIndex>, Error> {
        let pattern = self.pattern();
        let found = self.ask(3).indices(&pattern).await;
        let found = found.doing(|| format!("looking at {pattern}"))?;
        let alias = self.events().alias.as_ref();
        let index = |state: segue_cluster::IndexState| EventIndex {
            has_alias: alias.is_none_or(|alias| state.aliases.contains_key(alias)),
            index: state.name,
            events: state.docs,
        };
        Ok(found.into_iter().map(index).collect())
    }
}
