//! Starting a sandbox, or finding it running.

use std::time::Instant;

use crate::Talk;
use crate::engine::Engine;
use crate::error::{Error, OnFile};
use crate::home::{Home, Record};
use crate::jars;
use crate::lock::Lock;
use crate::options::Options;
use crate::ports::{self, Ports};
use crate::provision;
use crate::running::{PATIENCE, Running, stop_all};
use crate::starting::{Starting, Wanted};

/// Starts the sandbox and waits until it answers; one that runs already is returned as it is,
/// and nodes of it that are missing are started again. Data of an earlier start is kept, unless
/// [`Options::fresh`] says otherwise.
///
/// # Errors
/// [`Error::OtherShape`] where the home holds another engine or number of nodes than asked for,
/// [`Error::NodeEnded`] and [`Error::NotReady`], which name the log to read, and those of
/// [`provision`](crate::provision()).
pub fn up(options: &Options, talk: &mut Talk<'_>) -> Result<Running, Error> {
    let home = Home::at(&options.home);
    let _held = Lock::take(&home.lock_path(), PATIENCE, talk)?;
    let kept = kept(options, &home, talk)?;
    if let Some(record) = &kept {
        fits(options, record)?;
        if missing(&home, record.nodes.len()).is_empty() {
            Starting::new(&home, record).wait(&everyone(options, record), talk)?;
            return Ok(Running::of(options, record, false));
        }
    }
    start(options, &home, kept.as_ref(), talk)
}

/// The record of an earlier start, after a fresh start's clearing.
fn kept(options: &Options, home: &Home, talk: &mut Talk<'_>) -> Result<Option<Record>, Error> {
    if !options.fresh {
        return home.record();
    }
    let nodes = home.highest_node();
    if nodes > 0 {
        talk("starting fresh: removing what an earlier start left");
        stop_all(home)?;
        home.clear(nodes)?;
    }
    Ok(None)
}

fn fits(options: &Options, record: &Record) -> Result<(), Error> {
    let shape = |engine: Engine, nodes: usize| {
        format!("{engine} with {nodes} node{}", if nodes == 1 { "" } else { "s" })
    };
    let engine = options.engine.unwrap_or(record.engine);
    let nodes = options.nodes.unwrap_or(record.nodes.len());
    if engine == record.engine && nodes == record.nodes.len() {
        return Ok(());
    }
    Err(Error::OtherShape {
        home: options.home.clone(),
        found: shape(record.engine, record.nodes.len()),
        wanted: shape(engine, nodes),
    })
}

/// The numbers of the nodes that don't run.
fn missing(home: &Home, nodes: usize) -> Vec<usize> {
    (1..=nodes).filter(|&node| home.live_pid(node).is_none()).collect()
}

fn everyone(options: &Options, record: &Record) -> Wanted {
    Wanted { asked: 1, nodes: record.nodes.len(), within: options.start_timeout }
}

fn start(
    options: &Options,
    home: &Home,
    kept: Option<&Record>,
    talk: &mut Talk<'_>,
) -> Result<Running, Error> {
    let engine = options.engine.or(kept.map(|record| record.engine));
    let tools = provision::tools(engine, options.install, talk)?;
    let class_path = jars::class_path(options, tools.engine, &tools.jdk, talk)?;
    std::fs::create_dir_all(home.path()).on("make", home.path())?;

    // Until the nodes listen, nobody else may choose the same ports.
    let _ports = Lock::take(&options.cache.join("ports.lock"), PATIENCE, talk)?;
    let record = Record {
        engine: tools.engine,
        cluster_name: options.cluster_name(),
        nodes: chosen_ports(options, home, kept, talk)?,
        java: tools.jdk.home.clone(),
        heap: options.heap.mebibytes(),
        life: options.max_life.as_secs(),
    };
    home.write_record(&record)?;
    talk(&format!(
        "starting OpenSearch {} on Java {} ({}), heap {} a node",
        record.engine.version(),
        tools.jdk.version,
        tools.jdk.home.display(),
        options.heap,
    ));
    let since = Instant::now();
    let mut starting = Starting::new(home, &record);
    for number in missing(home, record.nodes.len()) {
        starting.start(number, &class_path)?;
    }
    starting.wait(&everyone(options, &record), talk)?;
    talk(&format!("answers after {:.1} s", since.elapsed().as_secs_f64()));
    Ok(Running::of(options, &record, true))
}

/// The ports of an earlier start where they are still free, else new ones.
fn chosen_ports(
    options: &Options,
    home: &Home,
    kept: Option<&Record>,
    talk: &mut Talk<'_>,
) -> Result<Vec<Ports>, Error> {
    let wanted = options.nodes.or(kept.map(|record| record.nodes.len())).unwrap_or(1).max(1);
    if let Some(record) = kept {
        let usable =
            |(ports, node): (&Ports, usize)| home.live_pid(node).is_some() || ports.are_free();
        if record.nodes.iter().zip(1..).all(usable) {
            return Ok(record.nodes.clone());
        }
        talk("its ports were taken by others: choosing new ones");
        stop_all(home)?;
    }
    let chosen = ports::choose(options.port_base, wanted, |ports| !ports.are_free())?;
    if chosen[0].http != options.port_base {
        talk(&format!("port {} is taken, using {}", options.port_base, chosen[0].http));
    }
    Ok(chosen)
}
