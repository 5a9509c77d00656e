//! A run, drawn from its seed alone: data, workload, recipe and faults.

use std::str::FromStr;
use std::time::Duration;

use fastrand::Rng;

use crate::faults::{Attempt, Surroundings};
use crate::oracle::Pipeline;

/// How names move. A mode is added here, in `Mode::allowed` and in the recipe's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Writers are refused for a moment.
    Block,
    /// Their writes are sent on; only for writers that index and do nothing else.
    Redirect,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Block, Self::Redirect].into_iter().find(|mode| mode.word() == text);
        found.ok_or_else(|| format!("{text:?} is neither block nor redirect"))
    }
}

impl Mode {
    /// The name in a recipe.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Redirect => "redirect",
        }
    }

    /// The modes that the plan allows for a workload.
    fn allowed(workload: &Workload, bounds: &Bounds) -> &'static [Self] {
        match (bounds.mode, bounds.redirect && workload.only_indexes()) {
            (Some(Self::Block), _) | (None, false) => &[Self::Block],
            (Some(Self::Redirect), _) => &[Self::Redirect],
            // Drawn more often than it comes up: only a share of the workloads allows it.
            (None, true) => &[Self::Redirect, Self::Redirect, Self::Block],
        }
    }
}

/// By which name the application writes and reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldName {
    /// The index itself.
    Concrete,
    /// An alias of it.
    Alias,
    /// An alias that says it is the one to write through.
    WriteAlias,
}

/// What the writers do, in shares of a hundred operations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    pub writers: u32,
    pub update: u8,
    pub delete: u8,
    /// Of the writes, those that bring a document back that was deleted.
    pub recreate: u8,
    /// Of the requests, those with one document only.
    pub single: u8,
    /// Of the requests, those that refresh.
    pub refresh: u8,
    /// Of the writes, those that go to a few hot documents.
    pub hot: u8,
    /// Longest pause between two requests of a writer.
    pub pause: Duration,
    /// Whether every third document has a routing of its own.
    pub routed: bool,
    /// Whether every fourth document gets its id from the engine.
    pub unnamed: bool,
    /// Whether a document may become one that the pipeline leaves out, or the other way round.
    pub turning: bool,
    /// Whether the writers give versions themselves, and expect them to be kept.
    pub versioned: bool,
}

impl Workload {
    /// Whether the writers do nothing but index whole documents.
    pub(crate) fn only_indexes(&self) -> bool {
        self.update == 0 && self.delete == 0 && !self.versioned
    }
}

/// What may be asked of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most documents at the start.
    pub documents: u32,
    /// Whether documents are deleted while segue runs.
    pub deletes: bool,
    /// Whether segue knows the cutover mode `redirect`.
    pub redirect: bool,
    /// The only mode; `None`: any that is allowed.
    pub mode: Option<Mode>,
    /// Whether every workload gives versions itself.
    pub versioned: bool,
    /// Whether documents may become several.
    pub fan_out: bool,
    /// Nodes of the cluster, and whether they can be killed.
    pub surroundings: Surroundings,
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub seed: u64,
    pub documents: u32,
    pub shards: u32,
    pub target_shards: Option<u32>,
    pub replicas: u32,
    pub refresh_interval: &'static str,
    pub old_name: OldName,
    /// Whether a second alias is read through.
    pub read_alias: bool,
    pub pipeline: Pipeline,
    pub mode: Mode,
    pub batch_docs: u32,
    pub lanes: u32,
    pub workload: Workload,
    pub attempts: Vec<Attempt>,
    /// Whether a run after the last one must find nothing to do.
    pub run_again: bool,
    /// What the writers get done before segue's first start.
    pub ahead: Duration,
}

impl Scenario {
    /// The run of a seed.
    pub(crate) fn draw(seed: u64, bounds: &Bounds) -> Self {
        let mut rng = Rng::with_seed(mix(seed));
        let workload = workload(&mut rng, bounds);
        let modes = Mode::allowed(&workload, bounds);
        let shards = rng.u32(1..=3);
        let documents = match rng.u8(..10) {
            0 => rng.u32(0..20),
            1..=7 => rng.u32(300..1_200),
            _ => rng.u32(1_200..=4_000),
        };
        let most = bounds.surroundings.nodes.saturating_sub(1).min(1);
        let mut attempts = Attempt::draw(&mut rng, bounds.surroundings);
        if workload.versioned {
            // Where a primary dies the engine may send an operation again that its copy has applied, and
            // calls that a conflict: its answer proves nothing.
            attempts.iter_mut().for_each(|attempt| attempt.node = None);
        }
        let mode = *pick(&mut rng, modes);
        let pipelines: Vec<_> = Pipeline::ALL
            .into_iter()
            .filter(|pipeline| {
                let plain = mode == Mode::Block && !workload.versioned && bounds.fan_out;
                plain || *pipeline != Pipeline::FanOut
            })
            .collect();
        let replicas = if rng.u8(..5) == 0 { 0 } else { most };
        Self {
            seed,
            documents: documents.min(bounds.documents),
            shards,
            target_shards: (rng.u8(..4) == 0).then(|| rng.u32(1..=3)),
            replicas,
            refresh_interval: *pick(&mut rng, &["1s", "1s", "100ms", "-1"]),
            old_name: *pick(
                &mut rng,
                &[OldName::Concrete, OldName::Concrete, OldName::Alias, OldName::WriteAlias],
            ),
            read_alias: rng.bool(),
            pipeline: *pick(&mut rng, &pipelines),
            mode,
            // Small enough for many steps, large enough to keep up with the writers.
            batch_docs: *pick(&mut rng, &[50, 100, 250, 1_000]),
            lanes: rng.u32(2..=4),
            workload,
            attempts,
            run_again: rng.u8(..4) == 0,
            ahead: Duration::from_millis(rng.u64(..400)),
        }
    }
}

fn workload(rng: &mut Rng, bounds: &Bounds) -> Workload {
    let deletes = bounds.deletes;
    // Workloads that only index are drawn on purpose: some modes allow no others.
    let index_only = rng.u8(..4) == 0 || bounds.mode == Some(Mode::Redirect);
    let index_only = index_only && !bounds.versioned;
    let share = |rng: &mut Rng, most: u8| if index_only { 0 } else { rng.u8(..most) };
    let update = share(rng, 40);
    let delete = share(rng, 25);
    // An update can't be sent with a version, nor can a document without an id.
    let versioned = deletes && !index_only && (rng.u8(..4) == 0 || bounds.versioned);
    Workload {
        writers: rng.u32(1..=3),
        update: if versioned { 0 } else { update },
        delete: if deletes { delete } else { 0 },
        recreate: rng.u8(..50),
        single: rng.u8(..60),
        refresh: *pick(rng, &[0, 2, 30]),
        hot: *pick(rng, &[0, 10, 60]),
        pause: Duration::from_millis(*pick(rng, &[60, 150, 400])),
        routed: rng.u8(..3) == 0,
        unnamed: rng.u8(..3) == 0 && !versioned,
        turning: deletes && !index_only,
        versioned,
    }
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(..from.len())]
}

/// Neighbouring seeds have nothing in common.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(deletes: bool, nodes: u32) -> Bounds {
        let surroundings =
            Surroundings { nodes, kills: if nodes > 1 { 12 } else { 0 }, stragglers: true };
        Bounds {
            documents: 5_000,
            deletes,
            redirect: deletes,
            mode: None,
            versioned: false,
            fan_out: true,
            surroundings,
        }
    }

    #[test]
    fn a_seed_is_a_run_and_another_seed_another() {
        let text = |seed| format!("{:?}", Scenario::draw(seed, &bounds(true, 3)));
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }

    #[test]
    fn everything_is_drawn_and_nothing_that_is_forbidden() {
        let draw = |bounds: &Bounds| -> Vec<Scenario> {
            (0..300).map(|seed| Scenario::draw(seed, bounds)).collect()
        };
        let without = draw(&bounds(false, 1));
        assert!(without.iter().all(|s| s.workload.delete == 0 && s.replicas == 0));
        assert!(without.iter().all(|s| s.mode == Mode::Block));
        assert!(without.iter().flat_map(|s| &s.attempts).all(|a| a.node.is_none()));
        let with = draw(&bounds(true, 3));
        assert!(with.iter().any(|s| s.workload.delete > 0));
        assert!(with.iter().any(|s| s.workload.only_indexes()));
        assert!(with.iter().any(|s| s.workload.versioned));
        assert!(with.iter().any(|s| s.mode == Mode::Redirect));
        assert!(
            with.iter().all(|s| s.mode == Mode::Block || s.workload.only_indexes()),
            "redirect is for writers that only index"
        );
        assert!(with.iter().any(|s| s.replicas == 1) && with.iter().any(|s| s.replicas == 0));
        let fans_out = |s: &&Scenario| s.pipeline == Pipeline::FanOut;
        let plain = |s: &Scenario| s.mode == Mode::Block && !s.workload.versioned;
        assert!(with.iter().filter(fans_out).all(plain), "the plan refuses it elsewhere");
        for pipeline in Pipeline::ALL {
            assert!(with.iter().any(|s| s.pipeline == pipeline), "{pipeline:?}");
        }
        let killed = with.iter().filter(|s| s.attempts.iter().any(|a| a.node.is_some())).count();
        assert!((20..60).contains(&killed), "nodes are killed in {killed} of 300 runs");
    }
}
