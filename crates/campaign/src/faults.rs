//! What goes wrong in a run: with the network, with segue's process, with nodes, with the target.

use std::time::Duration;

use fastrand::Rng;
use segue_testkit::{Fault, Faults};

/// What a cluster allows to be done to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    /// How many nodes it has.
    pub nodes: u32,
    /// In how many of a hundred runs one of them is killed.
    pub kills: u8,
    /// Whether requests other than bulk may reach the cluster after segue has given them up.
    pub stragglers: bool,
}

/// One start of segue, and what happens to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempt {
    /// Done before the start.
    pub before: Vec<Tampering>,
    pub network: Option<Network>,
    pub kill: Option<Kill>,
    pub node: Option<NodeKill>,
    pub rival: Option<Rival>,
}

/// A second segue with the same recipe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rival {
    pub after: Duration,
    /// As on another machine: with local state of its own.
    pub elsewhere: bool,
}

/// What is done to segue's things while it does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tampering {
    /// The target is closed and opened again.
    CloseAndOpenTarget,
    /// Source and target forget deletes after a second.
    ExpireTombstones,
    /// The local state is lost: inventories, views.
    LoseState,
}

/// Faults between segue and the cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    pub fault: Fault,
    pub per_mille: u16,
    /// Only requests whose path contains this.
    pub only: Option<&'static str>,
    pub at_most: u32,
}

/// kill -9 of segue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    pub moment: Moment,
    /// Its watchdog dies too, as if the machine were gone.
    pub with_watchdog: bool,
}

/// When segue is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// So long after its start.
    After(Duration),
    /// So long after it sent a request whose path contains this text, the `nth` time.
    Request { text: &'static str, nth: u64, later: Duration },
}

/// kill -9 of a node, and its return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeKill {
    /// Counted from 1.
    pub node: usize,
    pub after: Duration,
    pub down_for: Duration,
}

/// Requests around which kills and lost answers hurt most.
const STEPS: [&str; 8] = [
    "_block/write",
    "_aliases",
    "_clone",
    "segue-journal/",
    "segue-checkpoints/",
    "_bulk",
    "_settings",
    "_refresh",
];

impl Attempt {
    /// The rough starts of a run; calm ones follow.
    pub(crate) fn draw(rng: &mut Rng, surroundings: Surroundings) -> Vec<Self> {
        let mut attempts: Vec<Self> =
            (0..rng.u32(1..=4)).map(|_| Self::rough(rng, surroundings)).collect();
        if rng.u8(..100) < surroundings.kills {
            let at = rng.usize(..attempts.len());
            // One fault of this size at a time; the kill would often be the end of it.
            attempts[at] = Self {
                node: Some(NodeKill {
                    node: rng.usize(1..=surroundings.nodes.max(1) as usize),
                    after: Duration::from_millis(rng.u64(0..2_500)),
                    down_for: Duration::from_millis(rng.u64(200..6_000)),
                }),
                ..Self::default()
            };
        }
        attempts
    }

    fn rough(rng: &mut Rng, surroundings: Surroundings) -> Self {
        let mut attempt = Self::default();
        match rng.u8(..10) {
            0..=5 => attempt.kill = Some(Kill::draw(rng)),
            6..=7 => attempt.network = Some(Network::draw(rng)),
            _ => {
                attempt.kill = Some(Kill::draw(rng));
                attempt.network = Some(Network::draw(rng));
            }
        }
        if rng.u8(..5) == 0 {
            let after = Duration::from_millis(rng.u64(..1_500));
            attempt.rival = Some(Rival { after, elsewhere: rng.bool() });
        }
        if let Some(network) = &mut attempt.network
            && matches!(network.fault, Fault::Late(_))
            && !surroundings.stragglers
        {
            network.only = Some("_bulk");
        }
        for tampering in
            [Tampering::CloseAndOpenTarget, Tampering::ExpireTombstones, Tampering::LoseState]
        {
            // A straggler of the running process is held off by a tombstone and by nothing else, so
            // that an operator who makes tombstones expire takes this protection away.
            let straggler = tampering == Tampering::ExpireTombstones
                && attempt.network.is_some_and(|network| matches!(network.fault, Fault::Late(_)));
            if rng.u8(..8) == 0 && !straggler {
                attempt.before.push(tampering);
            }
        }
        attempt
    }
}

impl Kill {
    fn draw(rng: &mut Rng) -> Self {
        let moment = if rng.bool() {
            Moment::After(Duration::from_millis(rng.u64(20..2_500)))
        } else {
            Moment::Request {
                text: STEPS[rng.usize(..STEPS.len())],
                nth: rng.u64(1..=3),
                later: Duration::from_millis(rng.u64(..60)),
            }
        };
        Self { moment, with_watchdog: rng.u8(..4) == 0 }
    }
}

impl Network {
    fn draw(rng: &mut Rng) -> Self {
        let fault = match rng.u8(..7) {
            0 => Fault::CutRequest,
            1 => Fault::CutResponse,
            2 => Fault::DropResponse,
            3 => Fault::Late(Duration::from_millis(rng.u64(50..3_000))),
            4 => Fault::Delay(Duration::from_millis(rng.u64(50..1_500))),
            5 => Fault::Refuse(429),
            _ => Fault::Refuse(503),
        };
        // Either a few everywhere, a storm, or one kind of request struck for sure.
        match rng.u8(..3) {
            0 => Self { fault, per_mille: rng.u16(5..60), only: None, at_most: 40 },
            1 => Self { fault, per_mille: rng.u16(200..700), only: None, at_most: 25 },
            _ => {
                let only = Some(STEPS[rng.usize(..STEPS.len())]);
                Self { fault, per_mille: 1_000, only, at_most: rng.u32(1..=3) }
            }
        }
    }

    /// As the proxy takes it.
    pub(crate) fn faults(self, seed: u64) -> Faults {
        let faults = Faults::seeded(seed).with(self.fault, self.per_mille).at_most(self.at_most);
        match self.only {
            Some(text) => faults.only(text),
            None => faults,
        }
    }
}

/// The name under which a fault of the network is counted.
pub(crate) fn name(fault: Fault) -> String {
    match fault {
        Fault::Delay(_) => "delayed".to_owned(),
        Fault::Late(_) => "arrived_late".to_owned(),
        Fault::CutRequest => "request_cut".to_owned(),
        Fault::CutResponse => "response_cut".to_owned(),
        Fault::DropResponse => "response_lost".to_owned(),
        Fault::Refuse(status) => format!("refused_{status}"),
    }
}
