//! The engine's jars and our launcher, kept in a cache that all sandboxes share.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Talk;
use crate::engine::Engine;
use crate::error::{Error, OnFile};
use crate::java::Jdk;
use crate::lock::Lock;
use crate::options::Options;
use crate::provision::{maven, run};

const LAUNCHER_SOURCE: &str = include_str!("../launcher/SegueNode.java");
/// The launcher's class.
pub(crate) const LAUNCHER: &str = "SegueNode";
/// Pinned like the engine, so that the same jars arrive every time.
const COPY_GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
/// A slow network may need this long for 70 MB, in the hands of another sandbox command.
const DOWNLOAD_PATIENCE: Duration = Duration::from_secs(900);

/// The class path of a node: our launcher, then the engine.
pub(crate) fn class_path(
    options: &Options,
    engine: Engine,
    jdk: &Jdk,
    talk: &mut Talk<'_>,
) -> Result<OsString, Error> {
    let (_, name, version) = engine.artifact();
    // The nodes and the tools run in other folders than this process.
    let cache = std::path::absolute(&options.cache).on("find", &options.cache)?;
    let folder = cache.join(format!("{name}-{version}"));
    let _held = Lock::take(&cache.join(format!("{name}-{version}.lock")), DOWNLOAD_PATIENCE, talk)?;
    let jars = folder.join("jars");
    if !jars.is_dir() {
        download(options, engine, jdk, &jars, talk)?;
    }
    let launcher = folder.join(format!("launcher-{:016x}-java{}", fingerprint(), jdk.version));
    if !launcher.is_dir() {
        compile(jdk, &jars, &launcher)?;
    }
    let mut path = launcher.into_os_string();
    path.push(":");
    path.push(jars.join("*"));
    Ok(path)
}

/// Tells launchers of different sources apart (FNV-1a, stable over builds and machines).
fn fingerprint() -> u64 {
    LAUNCHER_SOURCE.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn download(
    options: &Options,
    engine: Engine,
    jdk: &Jdk,
    jars: &Path,
    talk: &mut Talk<'_>,
) -> Result<(), Error> {
    let mvn = maven(options.install, talk)?;
    talk(&format!(
        "fetching OpenSearch {} from Maven Central (once, up to 71 MB)",
        engine.version()
    ));
    let coming = Coming::beside(jars)?;
    let pom = coming.path.join("pom.xml");
    std::fs::write(&pom, project(engine)).on("write", &pom)?;
    let arrived = coming.path.join("jars");
    let mut command = Command::new(mvn);
    command.args(["--batch-mode", "--quiet", "--strict-checksums", "--file"]).arg(&pom);
    command.arg(COPY_GOAL).arg("-DincludeScope=runtime");
    command.arg(option("-DoutputDirectory=", &arrived));
    if crate::provision::on_path("java").is_none() {
        command.env("JAVA_HOME", &jdk.home);
    }
    run(&mut command, "mvn")?;
    std::fs::rename(&arrived, jars).on("keep", jars)
}

fn compile(jdk: &Jdk, jars: &Path, launcher: &Path) -> Result<(), Error> {
    let coming = Coming::beside(launcher)?;
    let source = coming.path.join(format!("{LAUNCHER}.java"));
    std::fs::write(&source, LAUNCHER_SOURCE).on("write", &source)?;
    let classes = coming.path.join("classes");
    let mut command = Command::new(jdk.javac());
    command.args(["-proc:none", "-nowarn", "-encoding", "UTF-8", "-cp"]).arg(jars.join("*"));
    command.arg("-d").arg(&classes).arg(&source);
    run(&mut command, "javac")?;
    std::fs::rename(&classes, launcher).on("keep", launcher)
}

fn option(name: &str, value: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
}

/// The smallest project that depends on the engine.
fn project(engine: Engine) -> String {
    let (group, name, version) = engine.artifact();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n\
         <modelVersion>4.0.0</modelVersion>\n\
         <groupId>segue</groupId><artifactId>sandbox</artifactId><version>1</version>\n\
         <packaging>pom</packaging>\n\
         <dependencies><dependency>\n\
         <groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>\n\
         </dependency></dependencies>\n\
         </project>\n"
    )
}

/// A folder in which something is prepared that then gets its name in one step, so that what was
/// interrupted half way is never taken for complete. Removed with whatever is left in it.
struct Coming {
    path: PathBuf,
}

impl Coming {
    fn beside(wanted: &Path) -> Result<Self, Error> {
        let path = wanted.with_extension("coming");
        // The cache's lock is held: what lies here was left by a command that was killed.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).on("make", &path)?;
        Ok(Self { path })
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_finished_folder_is_not_taken_over() {
        let folder = tempfile::tempdir().expect("temp folder");
        let wanted = folder.path().join("jars");
        let stale = folder.path().join("jars.coming");
        std::fs::create_dir(&stale).expect("stale");
        std::fs::write(stale.join("half.jar"), "x").expect("half a jar");
        let coming = Coming::beside(&wanted).expect("new");
        assert!(!coming.path.join("half.jar").exists());
        drop(coming);
        assert!(!stale.exists() && !wanted.exists());
    }

    #[test]
    fn the_project_pins_its_engine() {
        assert!(project(Engine::OpenSearch3).contains("<version>3.8.0.0</version>"));
        assert!(project(Engine::OpenSearch2).contains("<version>2.19.1.0</version>"));
    }
}
