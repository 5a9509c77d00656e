//! One run: what every member lacks.

use segue_model::membership::{EventOf, Kind, Member, Only};

use super::Membership;
use super::report::MembershipReport;
use super::scan::Page;
use super::write::Writer;
use crate::error::Error;
use crate::moment;

/// After how many members something is said.
const SAY_EVERY: u64 = 10_000;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Which members.
    pub only: Only,
    /// Only look.
    pub dry_run: bool,
}

/// Writes an event of joining for every member and group that has none, as of when the member came to be.
///
/// # Errors
/// What keeps it from its end; run again, it goes on from what is there. What is refused is in the report.
pub async fn run(membership: &Membership, asked: &Asked) -> Result<MembershipReport, Error> {
    let mut report = MembershipReport {
        membership: membership.recipe.name.clone(),
        dry_run: asked.dry_run,
        ..MembershipReport::default()
    };
    report.template = match asked.dry_run {
        true => membership.look_at_template().await?,
        false => membership.install_template().await?,
    };
    let mut writer = Writer::new(membership);
    let mut scan = membership.scan(&asked.only).await?;
    let mut said = 0;
    while let Some(page) = scan.next().await? {
        membership.fill(page, asked, &mut writer, &mut report).await?;
        if report.processed >= said + SAY_EVERY {
            said = report.processed;
            membership.say(format!("{} members, {} events new", report.processed, report.new));
        }
    }
    if !asked.dry_run {
        membership.refresh_events().await?;
    }
    report.requests = membership.requests();
    Ok(report)
}

impl Membership {
    async fn fill(
        &self,
        page: Page,
        asked: &Asked,
        writer: &mut Writer<'_>,
        report: &mut MembershipReport,
    ) -> Result<(), Error> {
        page.refused.into_iter().for_each(|refused| report.refused.add(refused));
        report.processed += page.members.len() as u64;
        let (missing, old) = self.missing(&page.members, &asked.only).await?;
        report.old += old;
        if asked.dry_run {
            report.new += missing.len() as u64;
            return Ok(());
        }
        let written = i64::try_from(moment::now_ms()).unwrap_or(i64::MAX);
        for (member, group) in missing {
            writer.take(&EventOf {
                member: &member.id,
                group,
                kind: Kind::Added,
                at: &member.since,
                written,
                since: Some(&member.since),
                published: member.published.as_deref(),
                deletion: &member.deletion,
            })?;
        }
        let created = writer.flush().await?;
        report.new += created.new;
        report.old += created.old;
        report.refused.extend(created.refused);
        Ok(())
    }

    /// The groups of members without an event of joining, and how many have one.
    pub(super) async fn missing<'p>(
        &self,
        members: &'p [Member],
        only: &Only,
    ) -> Result<(Vec<(&'p Member, &'p str)>, u64), Error> {
        if members.is_empty() {
            return Ok((Vec::new(), 0));
        }
        // Others may write at the same time: what they have written so far is looked at.
        self.refresh_events().await?;
        let ids: Vec<_> = members.iter().map(|member| member.id.as_str()).collect();
        let mut joined = self.joined(&ids).await?;
        let (mut missing, mut old) = (Vec::new(), 0);
        for member in members {
            for group in member.groups.iter().filter(|group| only.has_group(group)) {
                // A member may be met twice on a page: once is enough.
                match joined.insert((member.id.clone(), group.clone())) {
                    true => missing.push((member, group.as_str())),
                    false => old += 1,
                }
            }
        }
        Ok((missing, old))
    }
}
