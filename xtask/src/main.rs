//! The project's chores, in Rust so that they run wherever the project builds:
//! `cargo xtask test`, `cargo xtask model`, `cargo xtask tidy` and `cargo xtask campaign`.

mod campaign;
mod docs;
mod leg;
mod model;
mod run;
mod step;
mod tests;
mod tidy;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use segue_sandbox::Engine;

/// segue's chores.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Chores {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Everything that continuous integration runs, in its order.
    ///
    /// Missing Java and Maven are installed with apt-get by root on Debian. The engine tests run on
    /// OpenSearch 3.8 where a Java 21 or newer is found, and on OpenSearch 2.19 (then without the
    /// longest of them); SEGUE_CLUSTER=URL makes them use that cluster instead.
    Test(tests::Wanted),
    /// Every order of events of a small world, and what happens when a guard of the protocol is
    /// taken away (docs/concepts/model.md). The unit tests contain the same walks.
    Model(model::Wanted),
    /// Files that grew too long, marks of unfinished work, paths of one machine, codes without a
    /// page, links that lead nowhere.
    Tidy,
    /// Random workloads under random faults on a real engine, judged by an independent checker.
    Campaign(campaign::Told),
}

fn main() -> ExitCode {
    match chore(Chores::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chore(chore: Chore) -> anyhow::Result<()> {
    std::env::set_current_dir(root()?).context("cannot enter the workspace")?;
    match chore {
        Chore::Test(wanted) => tests::run(&wanted),
        Chore::Model(wanted) => model::run(&wanted),
        Chore::Tidy => tidy::run(),
        Chore::Campaign(told) => campaign::run(&told),
    }
}

/// The workspace's folder: this package's parent.
fn root() -> anyhow::Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    Ok(package.parent().context("this package has no parent folder")?.to_path_buf())
}

fn engine(name: &str) -> Result<Engine, segue_sandbox::UnknownEngine> {
    name.parse()
}
