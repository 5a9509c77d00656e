//! Scenarios: how much may happen in a world. Each is walked through to the end.

/// What may still happen. Everything here can happen at any moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Writes and deletes of the application.
    pub writes: u8,
    /// Replicas that become primary.
    pub failovers: u8,
    /// Processes that die, their watchdogs not.
    pub crashes: u8,
    /// Machines lost: a process with its watchdogs.
    pub machines: u8,
    /// Processes that are started besides the first.
    pub starts: u8,
    /// Bulks whose answer is lost or late, so that they are sent again.
    pub faults: u8,
    /// Switches that arrive after they were given up.
    pub late_switches: u8,
    /// Cutovers that are given up for want of time or for an error.
    pub give_ups: u8,
    /// Refreshes that the source makes by itself.
    pub refreshes: u8,
    /// Dead letters that are written after the switch.
    pub replays: u8,
}

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What may happen.
    pub budget: Budget,
    /// Documents that the application writes, one or two.
    pub ids: u8,
    /// Windows that are read at once.
    pub lanes: usize,
    /// Whether numbers are given out before operations are searchable.
    pub gaps: bool,
    /// Whether the name is an alias, so that the source stays after the switch.
    pub alias: bool,
    /// Passes before the cutover.
    pub passes: u8,
    /// Whether the checkpoint moves in the middle of a pass.
    pub saves: bool,
    /// Whether a process is started only where no other one runs.
    pub alone: bool,
    /// Whether nothing happens to a cutover: what may is the scenario "cutover".
    pub calm: bool,
    /// Whether the cutover redirects writes; the application only indexes then.
    pub redirect: bool,
}

const NOTHING: Budget = Budget {
    writes: 0,
    failovers: 0,
    crashes: 0,
    machines: 0,
    starts: 0,
    faults: 0,
    late_switches: 0,
    give_ups: 0,
    refreshes: 0,
    replays: 0,
};

/// A scenario with one lane, and nothing that is out of the ordinary.
const PLAIN: Scenario = Scenario {
    name: "",
    budget: NOTHING,
    ids: 2,
    lanes: 1,
    gaps: false,
    alias: false,
    passes: 1,
    saves: false,
    alone: false,
    calm: false,
    redirect: false,
};

/// Every scenario, with as much as fits continuous integration.
pub const SCENARIOS: [Scenario; 9] = [
    Scenario {
        name: "copy",
        budget: Budget { writes: 2, refreshes: 1, ..NOTHING },
        lanes: 2,
        gaps: true,
        passes: 2,
        ..PLAIN
    },
    Scenario { name: "failover", budget: Budget { writes: 2, failovers: 1, ..NOTHING }, ..PLAIN },
    Scenario { name: "late bulks", budget: Budget { writes: 2, faults: 1, ..NOTHING }, ..PLAIN },
    Scenario {
        name: "taken over",
        budget: Budget { writes: 1, faults: 1, starts: 1, ..NOTHING },
        ..PLAIN
    },
    Scenario {
        name: "after the switch",
        budget: Budget { writes: 3, replays: 1, ..NOTHING },
        alias: true,
        ..PLAIN
    },
    Scenario {
        name: "cutover",
        budget: Budget {
            writes: 1,
            crashes: 1,
            starts: 1,
            late_switches: 1,
            give_ups: 1,
            ..NOTHING
        },
        ..PLAIN
    },
    Scenario {
        name: "failover and crash",
        budget: Budget { writes: 2, failovers: 1, crashes: 1, starts: 1, ..NOTHING },
        ids: 1,
        saves: true,
        alone: true,
        calm: true,
        ..PLAIN
    },
    Scenario {
        name: "machine lost",
        budget: Budget { writes: 1, machines: 1, starts: 1, ..NOTHING },
        ..PLAIN
    },
    Scenario {
        name: "redirect",
        budget: Budget { writes: 3, ..NOTHING },
        alias: true,
        calm: true,
        redirect: true,
        ..PLAIN
    },
];
