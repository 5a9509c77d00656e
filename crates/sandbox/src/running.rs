//! A sandbox that runs, and how it is looked at, injured and stopped.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::Talk;
use crate::engine::Engine;
use crate::error::Error;
use crate::home::{Home, Record};
use crate::http;
use crate::jars;
use crate::java::Jdk;
use crate::lock::Lock;
use crate::options::Options;
use crate::process::{self, Ended};
use crate::starting::{Starting, Wanted};

/// How long a command waits for another one about the same sandbox.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// How long a node may take to leave before it is killed.
const LEAVE: Duration = Duration::from_secs(20);
/// How long one question to a node may take.
pub(crate) const QUESTION: Duration = Duration::from_secs(5);

/// A node of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// `node-1`, `node-2` …, also the engine's name for it.
    pub name: String,
    /// Its address for requests.
    pub url: String,
    /// Its process, if that is alive.
    pub pid: Option<u32>,
    /// What it says.
    pub log: PathBuf,
}

/// A sandbox that answers.
#[derive(Debug, Clone, Serialize)]
pub struct Running {
    /// The sandbox's name.
    pub name: String,
    /// The first node's address.
    pub url: String,
    /// All nodes, in order.
    pub nodes: Vec<Node>,
    /// What runs.
    pub engine: Engine,
    /// The version it reports.
    pub version: &'static str,
    /// Where data, logs and process ids live.
    pub home: PathBuf,
    /// Was anything started by this call, or did it all run before?
    pub started: bool,
    #[serde(skip)]
    options: Options,
}

impl Running {
    pub(crate) fn of(options: &Options, record: &Record, started: bool) -> Self {
        let home = Home::at(&options.home);
        let nodes = nodes(&home, record);
        Self {
            name: options.name.clone(),
            url: nodes.first().map(|node| node.url.clone()).unwrap_or_default(),
            nodes,
            engine: record.engine,
            version: record.engine.version(),
            home: home.path().to_path_buf(),
            started,
            options: options.clone(),
        }
    }

    /// Kills node number `node` (from 1) as a crash would: without a warning.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`], also for a node that isn't running; [`Error::Stuck`].
    pub fn kill_node(&mut self, node: usize) -> Result<(), Error> {
        let home = Home::at(&self.home);
        let pid = home.live_pid(node).ok_or(Error::NoSuchNode(node))?;
        process::kill_now(pid, &process::mark(&self.home, node))?;
        self.look(node, &home);
        Ok(())
    }

    /// Starts node number `node` (from 1) again, with its data and on its ports, and waits until
    /// it has joined the cluster. One that runs already is left as it is.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`], [`Error::NodeEnded`], [`Error::NotReady`].
    pub fn start_node(&mut self, node: usize, talk: &mut Talk<'_>) -> Result<(), Error> {
        let home = Home::at(&self.home);
        let _held = Lock::take(&home.lock_path(), PATIENCE, talk)?;
        let record = home.record()?.ok_or(Error::NoSuchNode(node))?;
        if node == 0 || node > record.nodes.len() {
            return Err(Error::NoSuchNode(node));
        }
        if home.live_pid(node).is_none() {
            let jdk = Jdk::at(&record.java).ok_or(Error::NoJava { engine: record.engine })?;
            let class_path = jars::class_path(&self.options, record.engine, &jdk, talk)?;
            let mut starting = Starting::new(&home, &record);
            starting.start(node, &class_path)?;
            let alive = (1..=record.nodes.len()).filter(|&n| home.live_pid(n).is_some()).count();
            let within = self.options.start_timeout;
            starting.wait(&Wanted { asked: node, nodes: alive, within }, talk)?;
        }
        self.look(node, &home);
        Ok(())
    }

    fn look(&mut self, node: usize, home: &Home) {
        if let Some(entry) = self.nodes.get_mut(node - 1) {
            entry.pid = home.live_pid(node);
        }
    }
}

fn nodes(home: &Home, record: &Record) -> Vec<Node> {
    let numbered = record.nodes.iter().zip(1..);
    let node = |(ports, number): (&crate::ports::Ports, usize)| Node {
        name: format!("node-{number}"),
        url: format!("http://127.0.0.1:{}", ports.http),
        pid: home.live_pid(number),
        log: home.log(number),
    };
    numbered.map(node).collect()
}

/// Whether a node runs, and whether it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Alive, and a member of its cluster.
    Answers,
    /// Alive, but it says nothing, or not what it should.
    Silent,
    /// Not running.
    Down,
}

/// What there is of a sandbox.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "sandbox", rename_all = "snake_case")]
pub enum Status {
    /// Nothing was ever started, or it was removed.
    Absent {
        /// Where it would live.
        home: PathBuf,
    },
    /// It was started at some time.
    Present {
        /// What it is; `started` is always false here.
        #[serde(flatten)]
        running: Box<Running>,
        /// How each node does, in order.
        states: Vec<NodeState>,
    },
}

impl Status {
    /// Do all nodes answer?
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self {
            Self::Absent { .. } => false,
            Self::Present { states, .. } => states.iter().all(|&s| s == NodeState::Answers),
        }
    }
}

/// Looks at a sandbox and changes nothing.
///
/// # Errors
/// [`Error::Record`] and [`Error::File`] where its record can't be read.
pub fn status(options: &Options) -> Result<Status, Error> {
    let home = Home::at(&options.home);
    let Some(record) = home.record()? else {
        return Ok(Status::Absent { home: options.home.clone() });
    };
    let running = Running::of(options, &record, false);
    let states = (1..=record.nodes.len()).map(|node| state(&home, &record, node)).collect();
    Ok(Status::Present { running: Box::new(running), states })
}

pub(crate) fn state(home: &Home, record: &Record, node: usize) -> NodeState {
    if home.live_pid(node).is_none() {
        return NodeState::Down;
    }
    let answer = http::get(record.nodes[node - 1].http, "/", QUESTION);
    let cluster = answer.as_ref().ok().and_then(|a| a.get("cluster_name")?.as_str());
    if cluster == Some(&record.cluster_name) { NodeState::Answers } else { NodeState::Silent }
}

/// What stopping did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// Processes that left when asked.
    pub stopped: Vec<u32>,
    /// Processes that had to be killed.
    pub killed: Vec<u32>,
    /// Process ids that were written down but no longer belonged to the sandbox.
    pub stale: Vec<u32>,
}

/// Stops a sandbox by its own process ids and keeps its data.
///
/// # Errors
/// [`Error::Busy`], [`Error::Stuck`], [`Error::File`].
pub fn down(options: &Options, talk: &mut Talk<'_>) -> Result<Stopped, Error> {
    let home = Home::at(&options.home);
    let _held = Lock::take(&home.lock_path(), PATIENCE, talk)?;
    stop_all(&home)
}

/// Stops a sandbox and removes its data, its logs and its record.
///
/// # Errors
/// As [`down`].
pub fn remove(options: &Options, talk: &mut Talk<'_>) -> Result<Stopped, Error> {
    let home = Home::at(&options.home);
    let held = Lock::take(&home.lock_path(), PATIENCE, talk)?;
    let stopped = stop_all(&home)?;
    home.clear(home.highest_node())?;
    // Left in place if there is anything in it that isn't ours.
    let _ = std::fs::remove_dir(home.path());
    held.remove(&home.lock_path())?;
    Ok(stopped)
}

/// Stops every node that has a process id, also one that the record does not know.
pub(crate) fn stop_all(home: &Home) -> Result<Stopped, Error> {
    let mut done = Stopped::default();
    // The founder last: the others hand their shards over to somebody.
    for node in (1..=home.highest_node()).rev() {
        let Some(pid) = home.written_pid(node) else { continue };
        if home.live_pid(node).is_none() {
            done.stale.push(pid);
        } else {
            match process::stop(pid, &process::mark(home.path(), node), LEAVE)? {
                Ended::Asked => done.stopped.push(pid),
                Ended::Killed => done.killed.push(pid),
            }
        }
        home.forget_pid(node)?;
    }
    Ok(done)
}
