//! The Java development kits of this machine.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A Java release, by its feature number: 17 for `17.0.15`, 8 for `1.8.0_292`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JavaVersion {
    /// The number Java is known by.
    pub feature: u32,
}

impl JavaVersion {
    /// Reads a bare version such as `25.0.1+8-LTS`, `22-ea` or `1.8.0_292`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        let first: u32 = numbers.next()?.parse().ok()?;
        let feature = if first == 1 { numbers.next()?.parse().ok()? } else { first };
        Some(Self { feature })
    }

    /// Reads the `release` file that every JDK carries in its home.
    fn from_release_file(text: &str) -> Option<Self> {
        text.lines()
            .find_map(|line| line.strip_prefix("JAVA_VERSION="))
            .and_then(|value| Self::parse(value.trim().trim_matches('"')))
    }

    /// Reads what `java -version` prints: the first quoted text.
    fn from_banner(text: &str) -> Option<Self> {
        Self::parse(text.split('"').nth(1)?)
    }
}

impl fmt::Display for JavaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.feature)
    }
}

/// A Java that can also compile: the launcher is compiled by the Java that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jdk {
    /// The folder that has `bin/java` and `bin/javac`.
    pub home: PathBuf,
    /// Its release.
    pub version: JavaVersion,
}

impl Jdk {
    /// The JDK at `home`, or nothing where that is none.
    #[must_use]
    pub fn at(home: &Path) -> Option<Self> {
        let home = home.canonicalize().ok()?;
        if !home.join("bin/javac").is_file() || !home.join("bin/java").is_file() {
            return None;
        }
        let version = std::fs::read_to_string(home.join("release"))
            .ok()
            .and_then(|text| JavaVersion::from_release_file(&text))
            .or_else(|| asked_version(&home))?;
        Some(Self { home, version })
    }

    pub(crate) fn javac(&self) -> PathBuf {
        self.home.join("bin/javac")
    }
}

fn asked_version(home: &Path) -> Option<JavaVersion> {
    let answer =
        Command::new(home.join("bin/java")).arg("-version").stdin(Stdio::null()).output().ok()?;
    JavaVersion::from_banner(&String::from_utf8_lossy(&answer.stderr))
}

/// Every JDK in the usual places, in the order they are tried: `JAVA_HOME`, the `java` on
/// `PATH`, then the folders where packages and version managers put theirs.
#[must_use]
pub fn find_jdks() -> Vec<Jdk> {
    let mut seen = BTreeSet::new();
    homes()
        .iter()
        .filter_map(|home| Jdk::at(home))
        .filter(|jdk| seen.insert(jdk.home.clone()))
        .collect()
}

fn homes() -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> = Vec::new();
    homes.extend(std::env::var_os("JAVA_HOME").map(PathBuf::from));
    homes.extend(home_on_path());
    homes.extend(folders_in(Path::new("/usr/lib/jvm")));
    homes.extend(folders_in(Path::new("/opt")).into_iter().filter(|path| is_java_folder(path)));
    homes.extend(folders_in(Path::new("/opt/java")));
    if let Some(user) = std::env::home_dir() {
        homes.extend(folders_in(&user.join(".sdkman/candidates/java")));
        homes.extend(folders_in(&user.join(".jdks")));
    }
    let mac = folders_in(Path::new("/Library/Java/JavaVirtualMachines"));
    homes.extend(mac.into_iter().map(|bundle| bundle.join("Contents/Home")));
    homes
}

fn home_on_path() -> Option<PathBuf> {
    let java = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join("java"))
        .find(|java| java.is_file())?;
    let java = java.canonicalize().ok()?;
    Some(java.parent()?.parent()?.to_path_buf())
}

fn is_java_folder(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("java") || name.starts_with("jdk")
}

/// The folders in `parent`, sorted by name so that every machine of a kind chooses alike.
fn folders_in(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_every_style() {
        for (text, feature) in [
            ("17.0.15", Some(17)),
            ("25.0.1+8-LTS", Some(25)),
            ("21", Some(21)),
            ("22-ea", Some(22)),
            ("1.8.0_292", Some(8)),
            ("", None),
            ("ea-22", None),
            ("1", None),
        ] {
            assert_eq!(JavaVersion::parse(text).map(|v| v.feature), feature, "{text:?}");
        }
    }

    #[test]
    fn a_release_file_names_its_version() {
        let text = "IMPLEMENTOR=\"Eclipse Adoptium\"\nJAVA_RUNTIME_VERSION=\"9.9\"\nJAVA_VERSION=\"25.0.3\"\n";
        assert_eq!(JavaVersion::from_release_file(text), Some(JavaVersion { feature: 25 }));
        assert_eq!(JavaVersion::from_release_file("IMPLEMENTOR=\"x\"\n"), None);
    }

    #[test]
    fn a_banner_names_its_version() {
        let text = "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment\n";
        assert_eq!(JavaVersion::from_banner(text), Some(JavaVersion { feature: 17 }));
        assert_eq!(JavaVersion::from_banner("no java here"), None);
    }

    #[test]
    fn a_folder_without_a_compiler_is_no_jdk() {
        let folder = tempfile::tempdir().expect("temp folder");
        std::fs::create_dir(folder.path().join("bin")).expect("bin");
        std::fs::write(folder.path().join("bin/java"), "").expect("java");
        std::fs::write(folder.path().join("release"), "JAVA_VERSION=\"25\"\n").expect("release");
        assert_eq!(Jdk::at(folder.path()), None);
        std::fs::write(folder.path().join("bin/javac"), "").expect("javac");
        assert_eq!(Jdk::at(folder.path()).map(|jdk| jdk.version.feature), Some(25));
    }
}
