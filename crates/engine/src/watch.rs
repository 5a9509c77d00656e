//! The watch after the switch: what is written to the target is enriched there, and goes back into the kept
//! copy, for as long as the recipe says.

use std::fmt;
use std::time::Duration;

use segue_model::enrich::Enriched;
use segue_model::journal::Event;
use segue_model::phase::Phase;
use segue_transform::Bound;

use crate::cutover::redirect;
use crate::enrich::{Enrichment, is_enriched};
use crate::error::Error;
use crate::moment::now_ms;
use crate::part_run::PartRun;
use crate::prepare::restore_after_switch;
use crate::rollback::{Feed, Place, close_kept, is_fed_back};

/// What a look at a watched part did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Nothing is fed back or enriched: there was nothing to watch for.
    Finished,
    /// What applications wrote to the target was dealt with.
    Carried {
        /// What.
        carried: Carried,
        /// How long the watch goes on.
        left: Duration,
    },
}

/// What was done with the documents that applications wrote to the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// How many were carried back; none where nothing is fed back.
    pub back: Option<u64>,
    /// What enriching did; none where nothing is enriched.
    pub enriched: Option<Enriched>,
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(enriched) = &self.enriched {
            write!(f, "{enriched}")?;
            f.write_str(if self.back.is_some() { "; " } else { "" })?;
        }
        self.back.map_or(Ok(()), |documents| write!(f, "{documents} documents carried back"))
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Watched::Finished => f.write_str("finished"),
            Watched::Carried { carried, left } if left.is_zero() => {
                write!(f, "{carried}; the watch is over")
            }
            Watched::Carried { carried, left } => {
                write!(f, "{carried}; watched for {} more", span(*left))
            }
        }
    }
}

fn span(left: Duration) -> String {
    let seconds = left.as_secs();
    match (seconds / 86_400, seconds / 3_600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, ..) => format!("{days} days"),
    }
}

/// Ends a redirect, enriches and feeds back what is there to be, and ends the watch when its time is over.
/// Nothing for a part that is not being watched.
///
/// # Errors
/// Names or copies that are not as the journal says; whatever stops a pass.
pub async fn watch(run: &mut PartRun, program: Option<&Bound>) -> Result<Option<Watched>, Error> {
    if run.state.phase != Phase::Watching {
        return Ok(None);
    }
    let Some(mut watch) = Watch::begin(run, program).await? else {
        return Ok(Some(Watched::Finished));
    };
    let left = left(run);
    let carried = watch.carry().await?;
    watch.end_if(left.is_zero(), run, &carried).await?;
    Ok(Some(Watched::Carried { carried, left }))
}

/// A watched part: what goes on for it.
#[derive(Debug)]
pub(crate) struct Watch {
    enrichment: Option<Enrichment>,
    fed_back: Option<(Place, Feed)>,
}

impl Watch {
    /// Opens what goes on for the part; none where nothing does, and then the watch is over.
    ///
    /// Who switched may have died before the target was restored, so that is done here too.
    pub(crate) async fn begin(
        run: &mut PartRun,
        program: Option<&Bound>,
    ) -> Result<Option<Watch>, Error> {
        redirect::finish(run, program).await?;
        restore_after_switch(run).await?;
        let enrichment = match program {
            Some(program) if is_enriched(run) => Some(Enrichment::open(run, program).await?),
            None if is_enriched(run) => {
                return Err(Error::Task("documents to be enriched wait for a pipeline".to_owned()));
            }
            _ => None,
        };
        let fed_back = if is_fed_back(run) {
            let place = Place::look(run).await?;
            let feed = Feed::open(run, &place).await?;
            Some((place, feed))
        } else {
            None
        };
        if enrichment.is_none() && fed_back.is_none() {
            run.record(Event::WatchEnded).await?;
            return Ok(None);
        }
        Ok(Some(Watch { enrichment, fed_back }))
    }

    /// Enriches what is new, and carries back what stands in the target then.
    pub(crate) async fn carry(&mut self) -> Result<Carried, Error> {
        let enriched = match &mut self.enrichment {
            Some(enrichment) => Some(enrichment.catch_up().await?),
            None => None,
        };
        let back = match &self.fed_back {
            Some((_, feed)) => Some(feed.catch_up().await?.balance.read),
            None => None,
        };
        Ok(Carried { back, enriched })
    }

    /// One turn of somebody who follows: carries what is new, and ends the watch if its time was over before.
    pub(crate) async fn turn(&mut self, run: &mut PartRun) -> Result<(), Error> {
        let is_over = left(run).is_zero();
        let carried = self.carry().await?;
        self.end_if(is_over, run, &carried).await
    }

    /// Closes the kept copy if the time to watch was over before what was `carried`.
    async fn end_if(
        &self,
        is_over: bool,
        run: &mut PartRun,
        carried: &Carried,
    ) -> Result<(), Error> {
        if !is_over {
            return Ok(());
        }
        if let Some(enriched) = carried.enriched.filter(|enriched| enriched.enriched > 0) {
            let text = format!(
                "writers still send the old shape ({enriched} in the last turn): what they write from \
                 here on stays so"
            );
            run.session.listener().note(run.source(), text);
        }
        if let Some((place, _)) = &self.fed_back {
            close_kept(run, place).await?;
        }
        run.record(Event::WatchEnded).await
    }
}

fn left(run: &PartRun) -> Duration {
    let since = run.state.switched_at_ms.unwrap_or(0);
    let watched = Duration::from_millis(now_ms().saturating_sub(since));
    run.session.recipe().cutover.watched_for().saturating_sub(watched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_said_in_words() {
        let both = |back, enriched: Option<u64>, seconds| {
            let enriched = enriched.map(|enriched| Enriched { enriched, ..Enriched::default() });
            let left = Duration::from_secs(seconds);
            Watched::Carried { carried: Carried { back, enriched }, left }
        };
        let carried = |seconds| both(Some(7), None, seconds);
        for (watched, expected) in [
            (Watched::Finished, "finished"),
            (carried(0), "7 documents carried back; the watch is over"),
            (carried(59), "7 documents carried back; watched for 59 s more"),
            (carried(3_599), "7 documents carried back; watched for 59 min more"),
            (carried(86_399), "7 documents carried back; watched for 23 h more"),
            (both(None, Some(3), 1), "3 documents enriched; watched for 1 s more"),
            (
                both(Some(7), Some(3), 0),
                "3 documents enriched; 7 documents carried back; the watch is over",
            ),
            (carried(7 * 86_400), "7 documents carried back; watched for 7 days more"),
        ] {
            assert_eq!(watched.to_string(), expected);
        }
    }
}
