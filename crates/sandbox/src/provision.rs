//! Getting what is missing: a JDK and Maven.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::Uid;

use crate::Talk;
use crate::engine::Engine;
use crate::error::Error;
use crate::java::{Jdk, find_jdks};

/// What a start needs of the machine.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub engine: Engine,
    pub jdk: Jdk,
}

/// Makes sure that this machine has a JDK that can run `engine` (unset: any engine), and Maven
/// if the jars are not cached yet. Installs `openjdk-17-jdk-headless` and `maven` with
/// `apt-get` where they are missing and this is root on Debian; a usable JDK is left as it is.
///
/// # Errors
/// [`Error::NoJava`] or [`Error::NoMaven`], which say what to install, where nothing may be
/// installed; [`Error::Program`] where `apt-get` failed.
pub fn provision(engine: Option<Engine>, talk: &mut Talk<'_>) -> Result<(), Error> {
    tools(engine, true, talk)?;
    maven(true, talk).map(drop)
}

/// The engine to run and the JDK to run it with.
pub(crate) fn tools(
    engine: Option<Engine>,
    install: bool,
    talk: &mut Talk<'_>,
) -> Result<Tools, Error> {
    if let Some(tools) = found(engine) {
        return Ok(tools);
    }
    let wanted = engine.unwrap_or(Engine::OpenSearch2);
    // What Debian 12 has is release 17, no help to an engine that needs more.
    if !install || wanted.oldest_java() > 17 || !may_install() {
        return Err(Error::NoJava { engine: wanted });
    }
    apt_install(&["openjdk-17-jdk-headless", "maven"], talk)?;
    found(engine).ok_or(Error::NoJava { engine: wanted })
}

fn found(engine: Option<Engine>) -> Option<Tools> {
    let jdks = find_jdks();
    let engine = engine.or_else(|| Engine::preferred(&jdks))?;
    let jdk = engine.jdk(&jdks)?.clone();
    Some(Tools { engine, jdk })
}

/// The `mvn` to call.
pub(crate) fn maven(install: bool, talk: &mut Talk<'_>) -> Result<PathBuf, Error> {
    if let Some(mvn) = on_path("mvn") {
        return Ok(mvn);
    }
    if !install || !may_install() {
        return Err(Error::NoMaven);
    }
    apt_install(&["maven"], talk)?;
    on_path("mvn").ok_or(Error::NoMaven)
}

/// The program called `name`, which is of Debian's package `package`; installed with `apt-get` where it is
/// missing and this is root on Debian.
///
/// # Errors
/// [`Error::NoProgram`] where nothing may be installed; [`Error::Program`] where `apt-get` failed.
pub fn program(name: &str, package: &str, talk: &mut Talk<'_>) -> Result<PathBuf, Error> {
    let missing = || Error::NoProgram { name: name.to_owned(), package: package.to_owned() };
    if let Some(program) = on_path(name) {
        return Ok(program);
    }
    if !may_install() {
        return Err(missing());
    }
    apt_install(&[package], talk)?;
    on_path(name).ok_or_else(missing)
}

/// The program called `name` on `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

fn may_install() -> bool {
    Uid::effective().is_root()
        && Path::new("/etc/debian_version").exists()
        && on_path("apt-get").is_some()
}

fn apt_install(packages: &[&str], talk: &mut Talk<'_>) -> Result<(), Error> {
    talk(&format!("installing {} with apt-get", packages.join(" and ")));
    // An old package list is no reason to give up: the installation says whether it mattered.
    if let Err(error) = apt_get(&["update", "-q"]) {
        talk(&format!("{error}; going on with the package lists that are there"));
    }
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> Result<(), Error> {
    let mut command = Command::new("apt-get");
    // The lock of another apt run is waited for, but not for ever.
    command.args(["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=2"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut command, &format!("apt-get {}", arguments[0]))
}

/// Runs a program to its end, quietly; what it said is told only if it failed.
pub(crate) fn run(command: &mut Command, program: &str) -> Result<(), Error> {
    let failed = |reason: String| Error::Program { program: program.to_owned(), reason };
    let answer =
        command.stdin(Stdio::null()).output().map_err(|source| failed(source.to_string()))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = [answer.stdout, answer.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let end = lines[lines.len().saturating_sub(12)..].join("\n");
    Err(failed(format!("{}\n{end}", answer.status)))
}
