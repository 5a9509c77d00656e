//! Waiting for a lull in the writes before the source is closed, where the recipe asks for one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use segue_model::governor::WaitingOn;
use segue_model::lull::Lull;
use tokio::sync::MutexGuard;

use crate::error::{Doing, Error, Stop};
use crate::part_run::PartRun;
use crate::pass::Carrier;
use crate::progress::Progress;
use crate::session::Session;

/// How many operations may gather in the meantime before they are carried.
const GATHERED: u64 = 5_000;

/// The turn to cut over, taken in a lull of the source's writers.
///
/// # Errors
/// [`Stop::Restless`] when there was none for as long as health is waited for.
pub(super) async fn turn_in_a_lull<'a>(
    session: &'a Session,
    run: &PartRun,
    carrier: &Arc<Carrier>,
) -> Result<MutexGuard<'a, ()>, Error> {
    let Some(quiet_for) = session.recipe().cutover.quiet_for else {
        return Ok(session.cutover_turn().await);
    };
    let reason = WaitingOn::Writes { index: run.source().to_string(), quiet_for };
    session.listener().tell(Progress::Waiting { reasons: vec![reason.to_string()] });
    let turn = wait(session, run, carrier, quiet_for, reason).await;
    session.listener().tell(Progress::Waiting { reasons: Vec::new() });
    turn
}

async fn wait<'a>(
    session: &'a Session,
    run: &PartRun,
    carrier: &Arc<Carrier>,
    quiet_for: Duration,
    reason: WaitingOn,
) -> Result<MutexGuard<'a, ()>, Error> {
    let begun = Instant::now();
    let pause = (quiet_for / 8).clamp(Duration::from_millis(20), Duration::from_secs(1));
    let mut lull = Lull::new(quiet_for);
    loop {
        let numbers = numbers(run).await?;
        if lull.see(begun.elapsed(), &numbers) {
            let turn = session.cutover_turn().await;
            // Another part's cutover may have taken its time.
            if lull.see(begun.elapsed(), &self::numbers(run).await?) {
                return Ok(turn);
            }
        }
        if begun.elapsed() >= session.limits().health_wait {
            let waited_s = begun.elapsed().as_secs();
            return Err(Error::Stopped(Stop::Restless { waited_s, reason }));
        }
        if carrier.lag().await? > GATHERED {
            carrier.pass().await?;
        }
        session.sleep(pause).await?;
    }
}

/// The highest number that each shard of the source has given out.
async fn numbers(run: &PartRun) -> Result<Vec<i64>, Error> {
    let source = run.all_sources();
    let looking = || format!("looking at the shards of {source}");
    let stats = run.session.cluster().shard_stats(source.as_str()).await.doing(looking)?;
    Ok(stats.primaries.iter().map(|primary| primary.max_seq_no).collect())
}
