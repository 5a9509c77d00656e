//! The folder a sandbox lives in, and the record of what it is.
//!
//! ```text
//! HOME/sandbox.json      what it is: engine, nodes, ports
//! HOME/config/           the nodes' logging configuration
//! HOME/node-1/pid        the process id of a node that was started
//! HOME/node-1/node.log   what it said
//! HOME/node-1/data/      its data
//! HOME/snapshots/        where a snapshot repository may be put
//! ```

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::{Error, OnFile};
use crate::ports::Ports;
use crate::process;

/// What a home was made as. Written before the first node starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub engine: Engine,
    pub cluster_name: String,
    /// Ports of node 1, node 2 and so on.
    pub nodes: Vec<Ports>,
    /// The Java the nodes were last started with.
    pub java: PathBuf,
    /// Heap of a node in mebibytes.
    pub heap: u32,
    /// Seconds a node lives.
    pub life: u64,
}

/// A sandbox's folder.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
}

impl Home {
    /// The home at `path`, made absolute: nodes are known by it, from any working directory.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The lock of everything that changes this sandbox; beside the home, which may be removed.
    pub(crate) fn lock_path(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_os_string();
        name.push(".lock");
        self.path.with_file_name(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path.join("config")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    pub(crate) fn node(&self, node: usize) -> PathBuf {
        self.path.join(format!("node-{node}"))
    }

    pub(crate) fn log(&self, node: usize) -> PathBuf {
        self.node(node).join("node.log")
    }

    fn record_path(&self) -> PathBuf {
        self.path.join("sandbox.json")
    }

    fn pid_path(&self, node: usize) -> PathBuf {
        self.node(node).join("pid")
    }

    /// What the home was made as; nothing where there is no sandbox.
    pub(crate) fn record(&self) -> Result<Option<Record>, Error> {
        let path = self.record_path();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).on("read", path),
        };
        let record = serde_json::from_slice(&text);
        record.map(Some).map_err(|source| Error::Record { path, source })
    }

    pub(crate) fn write_record(&self, record: &Record) -> Result<(), Error> {
        let path = self.record_path();
        let new = self.path.join("sandbox.json.new");
        let text = serde_json::to_vec_pretty(record)
            .map_err(|source| Error::Record { path: path.clone(), source })?;
        std::fs::write(&new, text).on("write", &new)?;
        std::fs::rename(&new, &path).on("write", &path)
    }

    pub(crate) fn write_pid(&self, node: usize, pid: u32) -> Result<(), Error> {
        let path = self.pid_path(node);
        std::fs::write(&path, format!("{pid}\n")).on("write", &path)
    }

    pub(crate) fn forget_pid(&self, node: usize) -> Result<(), Error> {
        let path = self.pid_path(node);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).on("remove", path),
            _ => Ok(()),
        }
    }

    /// The process id that was written down for a node, whether or not it is still right.
    pub(crate) fn written_pid(&self, node: usize) -> Option<u32> {
        std::fs::read_to_string(self.pid_path(node)).ok()?.trim().parse().ok()
    }

    /// The process of a node, if it is alive and ours.
    pub(crate) fn live_pid(&self, node: usize) -> Option<u32> {
        let mark = process::mark(&self.path, node);
        self.written_pid(node).filter(|&pid| process::is_ours(pid, &mark))
    }

    /// Removes what a sandbox keeps. Only what this module names, so that a home that was
    /// pointed at a folder with other things in it loses none of those.
    pub(crate) fn clear(&self, nodes: usize) -> Result<(), Error> {
        let folders = (1..=nodes).map(|node| self.node(node));
        for folder in folders.chain([self.config(), self.snapshots()]) {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).on("remove", folder);
                }
                _ => {}
            }
        }
        match std::fs::remove_file(self.record_path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).on("remove", self.record_path())
            }
            _ => Ok(()),
        }
    }

    /// The highest number of a node folder that is there.
    pub(crate) fn highest_node(&self) -> usize {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return 0 };
        let numbers = entries.flatten().filter_map(|entry| {
            entry.file_name().to_str()?.strip_prefix("node-")?.parse::<usize>().ok()
        });
        numbers.max().unwrap_or(0)
    }
}

/// How much of a log is shown.
const TAIL_LINES: usize = 15;
const TAIL_BYTES: u64 = 16 * 1024;

/// The last lines of a log, or nothing where it can't be read.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut end = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut end)?;
        Ok(end)
    };
    let end = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            engine: Engine::OpenSearch3,
            cluster_name: "segue-sandbox-x".into(),
            nodes: vec![Ports { http: 9201, transport: 9301 }],
            java: "/jdk".into(),
            heap: 1024,
            life: 60,
        }
    }

    #[test]
    fn a_record_is_read_back_and_a_broken_one_is_named() {
        let folder = tempfile::tempdir().expect("temp folder");
        let home = Home::at(folder.path());
        assert_eq!(home.record().expect("none yet"), None);
        home.write_record(&record()).expect("written");
        assert_eq!(home.record().expect("readable"), Some(record()));
        std::fs::write(home.record_path(), "{").expect("broken");
        assert!(matches!(home.record(), Err(Error::Record { .. })));
    }

    #[test]
    fn a_stale_pid_file_names_no_process() {
        let folder = tempfile::tempdir().expect("temp folder");
        let home = Home::at(folder.path());
        std::fs::create_dir(home.node(1)).expect("node folder");
        home.write_pid(1, std::process::id()).expect("written");
        assert_eq!(home.written_pid(1), Some(std::process::id()));
        assert_eq!(home.live_pid(1), None);
        home.forget_pid(1).expect("forgotten");
        home.forget_pid(1).expect("forgotten twice");
        assert_eq!(home.written_pid(1), None);
    }

    #[test]
    fn clearing_leaves_what_is_not_ours() {
        let folder = tempfile::tempdir().expect("temp folder");
        let home = Home::at(folder.path());
        std::fs::create_dir_all(home.node(2).join("data")).expect("node folder");
        std::fs::write(folder.path().join("letter.txt"), "dear").expect("a stranger's file");
        home.write_record(&record()).expect("written");
        assert_eq!(home.highest_node(), 2);
        home.clear(home.highest_node()).expect("cleared");
        assert!(folder.path().join("letter.txt").exists());
        assert!(!home.node(2).exists());
        assert_eq!(home.record().expect("none"), None);
    }

    #[test]
    fn a_tail_is_the_end() {
        let folder = tempfile::tempdir().expect("temp folder");
        let log = folder.path().join("log");
        let text: String = (0..5000).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&log, text).expect("log");
        let tail = tail(&log);
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert_eq!(tail.lines().next_back(), Some("line 4999"));
    }
}
