//! A short fault campaign: some seeds that are always the same, one that never is, and damage done on
//! purpose, which the checker has to find.

use std::path::{Path, PathBuf};
use std::time::Duration;

use segue_campaign::{Kind, Options, Outcome, Plant, campaign};

/// Runs of the fixed seeds.
const FIXED: u32 = 8;
const SEED: u64 = 40;

/// Logs are kept where they are found again after a failure.
fn logs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("campaign-{name}"))
}

fn options(name: &str, seed: u64, runs: u32, seconds: u64) -> Options {
    let url = std::env::var("SEGUE_CLUSTER").unwrap_or_default();
    assert!(!url.is_empty(), "this test needs a real engine: set SEGUE_CLUSTER to its URL");
    Options {
        segue: env!("CARGO_BIN_EXE_segue").into(),
        runs,
        seed,
        cluster: Some(url),
        engine: None,
        nodes: 1,
        node_kills: 0,
        mode: None,
        versioned: false,
        // A write alias that is made late is still left over.
        stragglers: true,
        documents: 1_000,
        logs: logs(name),
        at_most: Some(Duration::from_secs(seconds)),
        plant: None,
        stop: std::sync::Arc::default(),
    }
}

fn assert_clean(options: &Options) {
    let outcome = campaign(options).expect("the campaign can be carried out");
    eprintln!("{}", outcome.json());
    assert!(outcome.is_clean(), "seeds {:?}, see above", outcome.failed_seeds);
}

#[test]
fn random_faults_leave_everything_right() {
    assert_clean(&options("fixed", SEED, FIXED, 70));
    let seed = u64::from(std::process::id()) << 16
        ^ std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
    assert_clean(&options("random", seed, 4, 30));
}

/// The negative control: what is damaged on purpose is found, and nothing else.
#[test]
fn what_is_planted_is_found() {
    for plant in Plant::ALL {
        let mut options = options("planted", 3, 1, 60);
        options.plant = Some(plant);
        options.documents = 300;
        let outcome: Outcome = campaign(&options).expect("the campaign can be carried out");
        let kind = match plant {
            Plant::Lost => Kind::Lost,
            Plant::Stale => Kind::Stale,
            Plant::Extra => Kind::Extra,
            Plant::Block => Kind::LeftOver,
        };
        assert_eq!(outcome.found(kind), 1, "{plant}: {}", outcome.json());
        assert_eq!(outcome.findings.len(), 1, "{plant}: {}", outcome.json());
    }
}
