//! `cargo xtask test`: what continuous integration runs.

use std::iter::{once, repeat};

use anyhow::bail;
use clap::Args;
use segue_sandbox::{Engine, find_jdks};

use crate::leg::{self, Extent};
use crate::run::Run;
use crate::step::Step;
use crate::tidy;
use crate::tools::Tool;

/// Which part of the tests.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// Only what needs no engine: formatting, lints, unit tests.
    #[arg(long)]
    quick: bool,
    /// Only this engine: opensearch-3 or opensearch-2.
    #[arg(long, value_parser = crate::engine, conflicts_with = "quick")]
    engine: Option<Engine>,
    /// Go on after a step that failed, and fail at the end.
    #[arg(long)]
    keep_going: bool,
}

/// Tests in `tests/` of crates that never need an engine.
const PURE_TESTS: [&str; 1] = ["it"];

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    let mut run = Run::begin(wanted.keep_going)?;
    let result = all(wanted, &mut run);
    run.end();
    result?;
    match run.failures() {
        0 => Ok(()),
        count => bail!("{count} steps failed"),
    }
}

fn all(wanted: &Wanted, run: &mut Run) -> anyhow::Result<()> {
    let cluster = std::env::var("SEGUE_CLUSTER").ok().filter(|url| !url.is_empty());
    if !wanted.quick && cluster.is_none() {
        let talk = &mut |line: &str| eprintln!("{line}");
        run.act("java and maven", || Ok(segue_sandbox::provision(wanted.engine, talk)?))?;
    }
    checks(run)?;
    if !wanted.quick {
        dependencies(run)?;
        documentation(run)?;
    }
    units(run)?;
    match (wanted.quick, cluster) {
        (true, _) => Ok(()),
        (false, Some(url)) => leg::on_cluster(run, &url),
        (false, None) => {
            let extents = once(Extent::All).chain(repeat(Extent::Short));
            let mut legs = engines(wanted.engine).into_iter().zip(extents);
            legs.try_for_each(|(engine, extent)| leg::on(run, engine, extent))
        }
    }
}

/// The engines to test on: the one asked for, else all that this machine's Java can run.
fn engines(asked: Option<Engine>) -> Vec<Engine> {
    let jdks = find_jdks();
    let possible = Engine::ALL.into_iter().filter(|engine| engine.jdk(&jdks).is_some());
    asked.map_or_else(|| possible.collect(), |engine| vec![engine])
}

fn checks(run: &mut Run) -> anyhow::Result<()> {
    run.act("tidy", tidy::run)?;
    run.step(Step::cargo("formatting", "fmt --all --check"))?;
    let clippy = "clippy --workspace --all-targets --locked -- -D warnings";
    run.step(Step::cargo("lints", clippy).within(15))
}

fn dependencies(run: &mut Run) -> anyhow::Result<()> {
    let interrupt = run.interrupt().clone();
    let deny = run.act("cargo-deny", || Tool::DENY.get(&interrupt))?;
    let check = "--locked check --hide-inclusion-graph bans licenses sources";
    run.step(Step::new("licences, bans, sources", &deny, check))?;
    advisories(run, &deny)?;
    let machete = run.act("cargo-machete", || Tool::MACHETE.get(&interrupt))?;
    run.step(Step::new("unused dependencies", machete, ""))
}

/// The list of known faults comes from the network; where it can't be had, that is said and
/// the run goes on.
fn advisories(run: &mut Run, deny: &std::path::Path) -> anyhow::Result<()> {
    let fetch = Step::new("advisories", deny, "--locked fetch db").within(1);
    eprintln!("\nfetching the list of known faults in dependencies");
    match fetch.run(run.interrupt()) {
        Ok(()) => {
            run.step(Step::new("advisories", deny, "--locked check --disable-fetch advisories"))
        }
        Err(failure) => {
            run.skip("advisories", format!("the list can't be fetched here ({failure})"));
            Ok(())
        }
    }
}

fn documentation(run: &mut Run) -> anyhow::Result<()> {
    let doc = Step::cargo("documentation", "doc --workspace --no-deps --locked");
    run.step(doc.env("RUSTDOCFLAGS", "-D warnings").within(15))
}

fn units(run: &mut Run) -> anyhow::Result<()> {
    let units = "test --workspace --lib --bins --locked";
    run.step(Step::cargo("unit tests", units).within(15))?;
    // The whole workspace again, so that dependencies are not built anew for fewer features.
    let more = PURE_TESTS.map(|name| format!("--test {name}")).join(" ");
    let more = format!("test --workspace --locked {more}");
    run.step(Step::cargo("tests of the pure crates", &more).within(15))
}
