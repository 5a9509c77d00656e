//! The cluster that the runs share: a sandbox of processes that can be killed, or one that is there
//! already; before each node a proxy that lasts as long as the campaign, so that a watchdog that
//! outlives its run still finds the cluster.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use segue_demo::http::Http;
use segue_sandbox::{Engine, Heap, Options, Running};
use segue_testkit::{Faults, Proxy};
use tokio::runtime::Handle;

use crate::faults::{NodeKill, Surroundings};

/// No campaign's cluster lives longer.
const LIFE: Duration = Duration::from_secs(6 * 3600);

/// One node, as an application reaches it and as segue does.
pub(crate) struct Seat {
    pub http: Http,
    pub proxy: Proxy,
}

/// The cluster under test.
pub(crate) struct Ground {
    pub seats: Vec<Seat>,
    pub engine: String,
    runtime: Handle,
    sandbox: Option<(Options, Arc<Mutex<Running>>)>,
}

impl Ground {
    /// A sandbox of its own, removed when the value is dropped.
    pub(crate) fn sandbox(
        runtime: Handle,
        engine: Option<Engine>,
        nodes: usize,
    ) -> anyhow::Result<Self> {
        let mut options = Options::named(&format!("campaign-{}", std::process::id()))?;
        options.engine = engine;
        options.nodes = Some(nodes);
        options.fresh = true;
        options.heap = Heap::from_mebibytes(if nodes > 1 { 512 } else { 768 });
        options.max_life = LIFE;
        options.start_timeout = Duration::from_secs(300);
        let running = match segue_sandbox::up(&options, &mut talk) {
            Ok(running) => running,
            Err(error) => {
                remove(&options);
                return Err(error).context("cannot start the sandbox");
            }
        };
        let urls: Vec<String> = running.nodes.iter().map(|node| node.url.clone()).collect();
        let engine = format!("{} {}", running.engine, running.version);
        let sandbox = Some((options, Arc::new(Mutex::new(running))));
        let ground = Self { seats: Vec::new(), engine, runtime, sandbox };
        ground.seated(&urls)
    }

    /// A cluster that is there already; its nodes are left alone.
    pub(crate) fn at(runtime: Handle, url: &str) -> anyhow::Result<Self> {
        let http = Http::new(url)?;
        let about = runtime.block_on(async { http.get("/").await?.success() })?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
        let version = &about["version"];
        let engine = format!("{} {}", text(&version["distribution"]), text(&version["number"]));
        let ground = Self { seats: Vec::new(), engine, runtime, sandbox: None };
        ground.seated(&[url.to_owned()])
    }

    fn seated(mut self, urls: &[String]) -> anyhow::Result<Self> {
        for url in urls {
            let engine = segue_testkit::Engine::at(url);
            let proxy = Proxy::start(&engine, Faults::seeded(0));
            self.seats.push(Seat { http: Http::new(url)?, proxy });
        }
        Ok(self)
    }

    /// What may be done to it: only nodes of its own are killed, and only where others remain.
    pub(crate) fn surroundings(&self, kills: u8, stragglers: bool) -> Surroundings {
        let nodes = u32::try_from(self.seats.len()).unwrap_or(1);
        let killable = self.sandbox.is_some() && nodes > 1;
        Surroundings { nodes, kills: if killable { kills } else { 0 }, stragglers }
    }

    /// Does work that waits.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The first node that answers.
    pub(crate) fn http(&self) -> anyhow::Result<Http> {
        for _ in 0..60 {
            for seat in &self.seats {
                let answer = self.wait(seat.http.get("/_cluster/health?timeout=1s"));
                if answer.is_ok_and(|answer| answer.is_ok()) {
                    return Ok(seat.http.clone());
                }
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        bail!("no node answers")
    }

    /// All nodes, for an application that tries another one when one is gone.
    pub(crate) fn all(&self) -> Vec<Http> {
        self.seats.iter().map(|seat| seat.http.clone()).collect()
    }

    /// Takes every fault out of the network.
    pub(crate) fn calm(&self) {
        for seat in &self.seats {
            seat.proxy.set(Faults::seeded(0));
        }
    }

    /// Kills a node in a while and starts it again, in the background.
    pub(crate) fn injure(&self, kill: NodeKill) -> Option<JoinHandle<anyhow::Result<()>>> {
        let (_, running) = self.sandbox.as_ref()?;
        let running = Arc::clone(running);
        Some(std::thread::spawn(move || {
            std::thread::sleep(kill.after);
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            running.kill_node(kill.node).context("cannot kill a node")?;
            std::thread::sleep(kill.down_for);
            running.start_node(kill.node, &mut |_| {}).context("a node does not come back")
        }))
    }

    /// Waits until every node is there and no shard is being recovered from its disk, for a minute at
    /// most.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        let http = self.http()?;
        let path = format!(
            "/_cluster/health?wait_for_nodes={}&wait_for_status=yellow\
             &wait_for_no_initializing_shards=true&timeout=60s",
            self.seats.len()
        );
        let health = self.wait(async { http.get(&path).await?.json() })?;
        if health["timed_out"] == true {
            talk(&format!("the cluster has not settled: {health}"));
        }
        Ok(())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some((options, _)) = &self.sandbox {
            remove(options);
        }
    }
}

fn remove(options: &Options) {
    if let Err(error) = segue_sandbox::remove(options, &mut |_| {}) {
        talk(&format!("the sandbox was not removed: {error}"));
    }
}

/// Tells people.
pub(crate) fn talk(line: &str) {
    eprintln!("{line}");
}
