//! The lag of following: how long after its acknowledgement a write is in the target.

use std::time::{Duration, Instant};

use anyhow::ensure;
use segue_testkit::{Method, Signal};
use serde_json::json;

use super::{Migration, SOURCE, TARGET};
use crate::figures::Figures;
use crate::writer::Writer;

/// Documents written a second meanwhile.
const WRITES: u32 = 1_000;
/// Marked writes whose way is timed.
const MARKS: u32 = 60;
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(600);

/// Follows with a second between rounds, and times marked writes from the source to the target.
pub(super) fn measure(migration: &Migration<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let running = migration.command("run").args(["--follow", "1"]).start();
    // The first mark waits for the first copy.
    arrival(migration, 0)?;
    let writer = Writer::start(&migration.engine.url, SOURCE, WRITES)?;
    let mut lags = Vec::new();
    for number in 1..=MARKS {
        lags.push(arrival(migration, number)?.as_secs_f64() * 1e3);
        // Not in step with the rounds.
        std::thread::sleep(Duration::from_millis(u64::from(number * 137 % 500)));
    }
    let noticed = writer.stop()?;
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    ensure!(ended.code == Some(0), "following ended with {:?}\n{}", ended.code, ended.stderr);
    ensure!(noticed.refused == 0, "{} writes were refused", noticed.refused);
    for lag in lags {
        figures.add("lag of following, rounds a second apart, ms", lag);
    }
    migration.forget();
    Ok(())
}

/// Writes a mark to the source, and waits until the target has it.
fn arrival(migration: &Migration<'_>, number: u32) -> anyhow::Result<Duration> {
    let json = &migration.engine.json;
    json.put(&format!("/{SOURCE}/_doc/mark-{number}"), &json!({ "recid": "mark" }));
    let acknowledged = Instant::now();
    let path = format!("/{TARGET}/_doc/mark-{number}?_source=false");
    while json.call(Method::GET, &path, None).0 != 200 {
        ensure!(acknowledged.elapsed() < PATIENCE, "mark {number} does not arrive");
        std::thread::sleep(LOOK);
    }
    Ok(acknowledged.elapsed())
}
