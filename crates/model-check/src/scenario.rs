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
    /// Requests to close that arrive after they were given up.
    pub late_closes: u8,
    /// Watches over the way back that end, as their time is over.
    pub watch_ends: u8,
    /// Processes that are started to give the part up.
    pub abandons: u8,
}

/// Which way documents and names go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the source to the target.
    Forward,
    /// Back: after the switch, from the target to the kept copy. What is called source in the world is
    /// the target then, and what is called target the kept copy.
    Back,
    /// The same, but what was written since the switch stays behind.
    BackAlone,
}

/// In which moment a scenario begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// The target was made, or on the way back the names have moved; a process works on the part.
    Made,
    /// A process has closed the source for a cutover and died; its watchdog lives. Another one gives the
    /// part up.
    Closed,
    /// The target was made; a process gives the part up.
    GivenUp,
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
    /// Which way documents and names go.
    pub way: Way,
    /// In which moment it begins.
    pub begins: Begins,
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
    late_closes: 0,
    watch_ends: 0,
    abandons: 0,
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
    way: Way::Forward,
    begins: Begins::Made,
};

/// A rollback. The old name is an alias then, so that no index goes.
const ROLLBACK: Scenario = Scenario { alias: true, way: Way::Back, ..PLAIN };

/// Every scenario, with as much as fits continuous integration.
pub const SCENARIOS: [Scenario; 19] = [
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
    Scenario { name: "rollback", budget: Budget { writes: 2, ..NOTHING }, ids: 1, ..ROLLBACK },
    Scenario {
        name: "rollback and crash",
        budget: Budget { writes: 1, crashes: 1, starts: 1, ..NOTHING },
        ids: 1,
        ..ROLLBACK
    },
    Scenario {
        name: "rollback late",
        budget: Budget { writes: 1, late_switches: 1, late_closes: 1, give_ups: 1, ..NOTHING },
        ids: 1,
        ..ROLLBACK
    },
    Scenario {
        name: "rollback taken over",
        budget: Budget { writes: 1, starts: 1, ..NOTHING },
        ids: 1,
        calm: true,
        ..ROLLBACK
    },
    Scenario {
        name: "end of the watch",
        budget: Budget { starts: 1, watch_ends: 1, ..NOTHING },
        ids: 1,
        ..ROLLBACK
    },
    Scenario {
        name: "rollback without a feed",
        budget: Budget { writes: 1, crashes: 1, starts: 1, ..NOTHING },
        ids: 1,
        way: Way::BackAlone,
        ..ROLLBACK
    },
    Scenario {
        name: "abandon",
        budget: Budget { writes: 1, crashes: 1, late_closes: 1, abandons: 1, ..NOTHING },
        ids: 1,
        ..PLAIN
    },
    Scenario {
        name: "begun anew",
        budget: Budget { writes: 1, starts: 1, ..NOTHING },
        ids: 1,
        begins: Begins::GivenUp,
        ..PLAIN
    },
    Scenario {
        name: "begun anew after a cutover",
        budget: Budget { writes: 1, starts: 1, ..NOTHING },
        ids: 1,
        calm: true,
        begins: Begins::Closed,
        ..PLAIN
    },
    Scenario {
        name: "redirect taken back",
        budget: Budget { writes: 3, crashes: 1, give_ups: 1, ..NOTHING },
        ids: 1,
        alias: true,
        redirect: true,
        ..PLAIN
    },
];
