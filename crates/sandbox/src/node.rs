//! One node: its settings, and the process that runs it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Error, OnFile};
use crate::home::{Home, Record};
use crate::jars::LAUNCHER;
use crate::process;
use crate::provision::on_path;

/// A quiet log: warnings, and the node's own few lines about starting and stopping.
const LOGGING: &str = include_str!("../launcher/log4j2.properties");

/// What the engine's own distribution starts its Java with, as far as it matters here.
const JVM_OPTIONS: [&str; 9] = [
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "-Dlog4j2.disable.jmx=true",
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dio.netty.allocator.numDirectArenas=0",
];

/// Starts node number `node` (from 1) of the sandbox, in a session of its own, so that neither
/// the end of this process nor the terminal's interrupt reaches it. Writes its process id down.
pub(crate) fn start(
    home: &Home,
    record: &Record,
    node: usize,
    class_path: &OsStr,
) -> Result<Child, Error> {
    let folder = home.node(node);
    for needed in [folder.join("data"), folder.join("tmp"), home.config(), home.snapshots()] {
        std::fs::create_dir_all(&needed).on("make", &needed)?;
    }
    let logging = home.config().join("log4j2.properties");
    std::fs::write(&logging, LOGGING).on("write", &logging)?;
    let log = home.log(node);
    let output = File::options().create(true).append(true).open(&log).on("open", &log)?;
    let errors = output.try_clone().on("open", &log)?;

    let mut command = detached(&record.java.join("bin/java"));
    command.args(java_options(home, record, node)).arg("-cp").arg(class_path).arg(LAUNCHER);
    command.args(settings(home, record, node).into_iter().map(|(key, value)| {
        let mut setting = OsString::from(key);
        setting.push("=");
        setting.push(value);
        setting
    }));
    command.current_dir(&folder).stdin(Stdio::null()).stdout(output).stderr(errors);
    // Options that a user sets for other Java programs are not meant for this one.
    command.env_remove("JAVA_TOOL_OPTIONS").env_remove("_JAVA_OPTIONS");
    let child = command.spawn().map_err(|source| Error::Program {
        program: record.java.join("bin/java").display().to_string(),
        reason: source.to_string(),
    })?;
    home.write_pid(node, child.id())?;
    Ok(child)
}

/// `setsid` keeps the process id, as it isn't the leader of a group when it is called; where
/// there is no such program, a process group of its own has to do.
fn detached(java: &Path) -> Command {
    if let Some(setsid) = on_path("setsid") {
        let mut command = Command::new(setsid);
        command.arg(java);
        return command;
    }
    let mut command = Command::new(java);
    command.process_group(0);
    command
}

fn java_options(home: &Home, record: &Record, node: usize) -> Vec<OsString> {
    let property = |name: &str, value: &OsStr| {
        let mut option = OsString::from(format!("-D{name}="));
        option.push(value);
        option
    };
    let folder = home.node(node);
    let mut options: Vec<OsString> = vec![
        process::mark(home.path(), node).into(),
        format!("-Xms{}m", record.heap).into(),
        format!("-Xmx{}m", record.heap).into(),
        property("segue.sandbox.home", home.path().as_os_str()),
        property("segue.sandbox.config", home.config().as_os_str()),
        format!("-Dsegue.sandbox.life={}", record.life).into(),
        property("java.io.tmpdir", folder.join("tmp").as_os_str()),
        format!("-XX:ErrorFile={}", folder.join("crash.log").display()).into(),
    ];
    options.extend(JVM_OPTIONS.map(OsString::from));
    if record.engine.oldest_java() >= 21 {
        options.push("--enable-native-access=ALL-UNNAMED".into());
    }
    options
}

fn settings(home: &Home, record: &Record, node: usize) -> Vec<(&'static str, OsString)> {
    let folder = home.node(node);
    let ports = record.nodes[node - 1];
    let seeds: Vec<String> =
        record.nodes.iter().map(|ports| format!("127.0.0.1:{}", ports.transport)).collect();
    vec![
        ("cluster.name", record.cluster_name.clone().into()),
        ("node.name", format!("node-{node}").into()),
        ("node.roles", "cluster_manager,data,ingest".into()),
        ("path.home", folder.clone().into()),
        ("path.data", folder.join("data").into()),
        ("path.logs", folder.into()),
        ("path.repo", home.snapshots().into()),
        ("network.host", "127.0.0.1".into()),
        ("http.port", ports.http.to_string().into()),
        ("transport.port", ports.transport.to_string().into()),
        // Without this a node asks the first few default ports, where another sandbox may live.
        ("discovery.seed_hosts", seeds.join(",").into()),
        // Node 1 alone founds the cluster and the others join it: no vote to wait for.
        ("cluster.initial_cluster_manager_nodes", "node-1".into()),
        // The usual watermarks are percentages, and a developer's disk that is 90 % full is no
        // reason to stop; a disk that is really full still is.
        ("cluster.routing.allocation.disk.watermark.low", "3gb".into()),
        ("cluster.routing.allocation.disk.watermark.high", "2gb".into()),
        ("cluster.routing.allocation.disk.watermark.flood_stage", "1gb".into()),
        // Tests that share a node leave many small indices behind.
        ("cluster.max_shards_per_node", "5000".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::ports::Ports;

    #[test]
    fn nodes_listen_on_loopback_and_know_each_other() {
        let record = Record {
            engine: Engine::OpenSearch3,
            cluster_name: "segue-sandbox-x".into(),
            nodes: vec![
                Ports { http: 9201, transport: 9301 },
                Ports { http: 9204, transport: 9304 },
            ],
            java: "/jdk".into(),
            heap: 512,
            life: 60,
        };
        let settings = settings(&Home::at(Path::new("/home/x")), &record, 2);
        let value = |key: &str| {
            let found = settings.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| value.to_string_lossy().into_owned()).unwrap_or_default()
        };
        assert_eq!(value("network.host"), "127.0.0.1");
        assert_eq!(value("http.port"), "9204");
        assert_eq!(value("discovery.seed_hosts"), "127.0.0.1:9301,127.0.0.1:9304");
        assert_eq!(value("cluster.initial_cluster_manager_nodes"), "node-1");
        assert!(value("node.roles").contains("ingest"));
    }
}
