//! A leg: all tests that need an engine, on one engine.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use segue_sandbox::{Engine, Heap, Options};

use crate::run::Run;
use crate::step::Step;

/// How much of the leg is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    All,
    /// Without what takes longest and hangs least on the engine's version: kills at many moments,
    /// random faults, clusters of several nodes. For a second engine, after all of it ran on a first.
    Short,
}

/// What [`Extent::Short`] leaves out, by parts of the tests' names.
const LONG: [&str; 6] =
    ["killed", "engine_dies", "random_faults", "what_is_planted", "three_nodes", "real_files"];

/// Runs the leg on a sandbox of its own, which is stopped and removed afterwards in any case.
pub(crate) fn on(run: &mut Run, engine: Engine, extent: Extent) -> anyhow::Result<()> {
    let sandbox = run.act(&format!("{engine}: sandbox up"), || Sandbox::up(engine))?;
    let result = steps(run, &format!("{engine}: "), &sandbox.url, Some(engine), extent);
    if result.is_err() {
        eprintln!("the engine's log was {}", sandbox.log);
    }
    let down = run.act(&format!("{engine}: sandbox down"), || sandbox.down());
    result.and(down)
}

/// Runs the leg on a cluster that is already there.
pub(crate) fn on_cluster(run: &mut Run, url: &str) -> anyhow::Result<()> {
    steps(run, "", url, None, Extent::All)
}

/// What is run on each engine. A further smoke test is one line more.
fn steps(
    run: &mut Run,
    leg: &str,
    url: &str,
    engine: Option<Engine>,
    extent: Extent,
) -> anyhow::Result<()> {
    let on_engine = |step: Step| {
        let step = step.env("SEGUE_CLUSTER", url);
        match engine {
            Some(engine) => step.env("SEGUE_ENGINE", engine.name()),
            None => step,
        }
    };
    let step = |name: &str, arguments: &str, minutes: u64| {
        on_engine(Step::cargo(&format!("{leg}{name}"), arguments)).within(minutes)
    };
    let mut tests = "test --workspace --locked --no-fail-fast --test *".to_owned();
    if extent == Extent::Short {
        tests.push_str(" --");
        LONG.iter().for_each(|name| tests.push_str(&format!(" --skip {name}")));
    }
    run.step(step("integration tests", &tests, 40))?;
    // The binary that the tests ran: a release build would take longer than all of the demo.
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let segue = Path::new(&target).join("debug/segue");
    let demo = Step::new(&format!("{leg}demo"), segue, "demo --json --docs 20000");
    run.step(on_engine(demo).within(15))
}

/// A sandbox of this run. Stopped also when the run fails or panics; should even this process be
/// killed, its nodes leave by themselves.
struct Sandbox {
    options: Options,
    url: String,
    log: String,
    removed: bool,
}

/// No leg takes longer.
const LIFE: Duration = Duration::from_secs(3600);

impl Sandbox {
    fn up(engine: Engine) -> anyhow::Result<Self> {
        // The process id keeps two runs on one machine apart.
        let mut options = Options::named(&format!("test-{engine}-{}", std::process::id()))?;
        options.engine = Some(engine);
        options.fresh = true;
        options.heap = Heap::from_mebibytes(1024);
        options.max_life = LIFE;
        let running = segue_sandbox::up(&options, &mut talk)
            .with_context(|| format!("cannot start {engine}"))?;
        talk(&format!("{} {} at {}", running.engine, running.version, running.url));
        let log = running.nodes.first().map(|node| node.log.display().to_string());
        Ok(Self { options, url: running.url, log: log.unwrap_or_default(), removed: false })
    }

    fn down(mut self) -> anyhow::Result<()> {
        self.removed = true;
        segue_sandbox::remove(&self.options, &mut talk).context("cannot stop the sandbox")?;
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        if let Err(error) = segue_sandbox::remove(&self.options, &mut talk) {
            talk(&format!("the sandbox was not stopped: {error}"));
        }
    }
}

fn talk(line: &str) {
    eprintln!("{line}");
}
