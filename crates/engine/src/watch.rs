//! The watch after the switch: what is written to the target goes back into the kept copy for as long
//! as the recipe says.

use std::fmt;
use std::time::Duration;

use segue_model::journal::Event;
use segue_model::phase::Phase;
use segue_transform::Bound;

use crate::cutover::redirect;
use crate::error::Error;
use crate::moment::now_ms;
use crate::part_run::PartRun;
use crate::prepare::restore_after_switch;
use crate::rollback::{Feed, Place, close_kept, is_fed_back};

/// What a look at a watched part did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Nothing is fed back: there was nothing to watch for.
    Finished,
    /// Documents were carried back.
    Carried {
        /// How many.
        documents: u64,
        /// How long the watch goes on.
        left: Duration,
    },
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Watched::Finished => f.write_str("finished"),
            Watched::Carried { documents, left } if left.is_zero() => {
                write!(f, "{documents} documents carried back; the watch is over")
            }
            Watched::Carried { documents, left } => {
                write!(f, "{documents} documents carried back; watched for {} more", span(*left))
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

/// Ends a redirect, feeds back what is there to be fed back, and ends the watch when its time is over. Nothing for a
/// part that is not being watched.
///
/// # Errors
/// Names or copies that are not as the journal says; whatever stops a pass.
pub async fn watch(run: &mut PartRun, program: Option<&Bound>) -> Result<Option<Watched>, Error> {
    if run.state.phase != Phase::Watching {
        return Ok(None);
    }
    let Some(watch) = Watch::begin(run, program).await? else { return Ok(Some(Watched::Finished)) };
    let documents = watch.carry().await?;
    let left = left(run);
    watch.end_if_over(run).await?;
    Ok(Some(Watched::Carried { documents, left }))
}

/// A watched part whose feed is open.
#[derive(Debug)]
pub(crate) struct Watch {
    place: Place,
    feed: Feed,
}

impl Watch {
    /// Opens the feed; none where nothing is fed back, and then the watch is over.
    ///
    /// Who switched may have died before the target was restored, so that is done here too.
    pub(crate) async fn begin(
        run: &mut PartRun,
        program: Option<&Bound>,
    ) -> Result<Option<Watch>, Error> {
        redirect::finish(run, program).await?;
        restore_after_switch(run).await?;
        if !is_fed_back(run) {
            run.record(Event::WatchEnded).await?;
            return Ok(None);
        }
        let place = Place::look(run).await?;
        let feed = Feed::open(run, &place).await?;
        Ok(Some(Watch { place, feed }))
    }

    /// Carries back what is new; returns how many documents.
    pub(crate) async fn carry(&self) -> Result<u64, Error> {
        Ok(self.feed.catch_up().await?.balance.read)
    }

    /// Closes the kept copy if the time to watch is over.
    pub(crate) async fn end_if_over(&self, run: &mut PartRun) -> Result<(), Error> {
        if !left(run).is_zero() {
            return Ok(());
        }
        close_kept(run, &self.place).await?;
        run.record(Event::WatchEnded).await
    }
}

fn left(run: &PartRun) -> Duration {
    let since = run.state.switched_at_ms.unwrap_or(0);
    let watched = Duration::from_millis(now_ms().saturating_sub(since));
    run.session.recipe().cutover.reverse_for.saturating_sub(watched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_said_in_words() {
        let carried =
            |seconds| Watched::Carried { documents: 7, left: Duration::from_secs(seconds) };
        for (watched, expected) in [
            (Watched::Finished, "finished"),
            (carried(0), "7 documents carried back; the watch is over"),
            (carried(59), "7 documents carried back; watched for 59 s more"),
            (carried(3_599), "7 documents carried back; watched for 59 min more"),
            (carried(86_399), "7 documents carried back; watched for 23 h more"),
            (carried(7 * 86_400), "7 documents carried back; watched for 7 days more"),
        ] {
            assert_eq!(watched.to_string(), expected);
        }
    }
}
