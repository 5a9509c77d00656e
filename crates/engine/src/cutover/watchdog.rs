//! The watchdog: a process of its own that lifts the block when the one that set it dies.
//!
//! An engine knows no block with an end. So before the source is closed a second process is started,
//! which holds one end of a pipe: when the pipe closes without the word that all is well, or the time
//! is up, it backs out. It has to win the fence first, so it can never undo a switch.

use std::process::Stdio;
use std::time::Duration;

use segue_cluster::Cluster;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::back_out::{Fence, TakenBack, back_out_names};
use super::marks::Patience;
use crate::error::Error;
use crate::part_run::PartRun;
use crate::rollback::{Retreat, give_way};
use crate::sabotage;

/// The word by which the watchdog is dismissed.
const ALL_IS_WELL: &str = "all is well";
/// How long it tries to reach a cluster that does not answer.
const LIFE: Duration = Duration::from_secs(3 * 3600);
const START: Duration = Duration::from_secs(10);

#[derive(Serialize, Deserialize)]
struct Orders {
    undo: Undo,
    deadline_ms: u64,
}

/// What is to be undone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// A cutover.
    Cutover(Box<Fence>),
    /// A rollback.
    Rollback(Retreat),
}

/// The watchdog of one cutover. Dropped without being dismissed, it backs out.
#[derive(Debug)]
pub(crate) struct Watchdog {
    child: Child,
    pipe: ChildStdin,
}

impl Watchdog {
    pub(crate) async fn start(
        run: &PartRun,
        undo: Undo,
        deadline: Duration,
    ) -> Result<Watchdog, Error> {
        let failed = |what: String| Error::Watchdog(what);
        let Some((program, arguments)) = run.session.options().watchdog.split_first() else {
            return Err(failed("no program is set".to_owned()));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It must not die of a terminal that is gone.
            .stderr(Stdio::null())
            // An interrupt typed at the terminal is for the one it watches.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(format!("{program}: {error}")))?;
        let (Some(mut pipe), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let orders = serde_json::to_string(&Orders { undo, deadline_ms })
            .map_err(|source| Error::Stored { what: "the watchdog's orders".to_owned(), source })?;
        let talk = async {
            pipe.write_all(format!("{orders}\n").as_bytes()).await?;
            pipe.flush().await?;
            BufReader::new(answer).lines().next_line().await
        };
        match tokio::time::timeout(START, talk).await {
            Ok(Ok(Some(line))) if line == "ready" => Ok(Watchdog { child, pipe }),
            Ok(Ok(line)) => Err(failed(format!("it answered {line:?}"))),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed("it did not answer in time".to_owned())),
        }
    }

    /// All is well: the watchdog ends without doing anything.
    pub(crate) async fn dismiss(mut self) {
        let word = format!("{ALL_IS_WELL}\n");
        let told = self.pipe.write_all(word.as_bytes()).await.is_ok();
        drop(self.pipe);
        if !told {
            tracing::warn!("the watchdog had ended before it was dismissed");
        }
        if tokio::time::timeout(START, self.child.wait()).await.is_err() {
            tracing::warn!("the watchdog does not end");
        }
    }
}

/// The watchdog's own work: reads its orders from `input`, says that it is ready through `ready`, and
/// backs out unless it is dismissed. Returns whether it backed out.
pub async fn watch(
    cluster: &Cluster,
    input: impl AsyncRead + Unpin,
    ready: impl FnOnce() -> std::io::Result<()>,
) -> Result<bool, Error> {
    let mut lines = BufReader::new(input).lines();
    let failed = |error: std::io::Error| Error::Watchdog(error.to_string());
    let orders = lines.next_line().await.map_err(failed)?.unwrap_or_default();
    let orders: Orders = serde_json::from_str(&orders)
        .map_err(|source| Error::Stored { what: "the watchdog's orders".to_owned(), source })?;
    ready().map_err(failed)?;
    if sabotage::lacks("no-watchdog") {
        return Ok(false);
    }
    let deadline = Duration::from_millis(orders.deadline_ms);
    match tokio::time::timeout(deadline, lines.next_line()).await {
        Ok(Ok(Some(word))) if word == ALL_IS_WELL => Ok(false),
        _ => {
            let patience = Patience::For(LIFE);
            let end = match &orders.undo {
                Undo::Cutover(fence) => back_out_names(cluster, fence, patience).await?,
                Undo::Rollback(retreat) => give_way(cluster, retreat, patience).await?,
            };
            Ok(end == TakenBack::Back)
        }
    }
}
