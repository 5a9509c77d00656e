//! The explorer: walks through every state that can be reached, nearest first, so that the first
//! violation it meets has the shortest trace.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::{Duration, Instant};

use segue_model::invariants::Broken;
use xxhash_rust::xxh3::xxh3_128;

/// What is walked through.
pub trait System {
    /// One moment of it.
    type State: Clone + Hash;
    /// What can happen next.
    type Action: Copy + Display;

    /// Where it begins.
    fn first(&self) -> Self::State;
    /// Everything that can happen in `state`.
    fn actions(&self, state: &Self::State, into: &mut Vec<Self::Action>);
    /// What `action` makes of `state`.
    fn after(&self, state: &Self::State, action: Self::Action) -> Self::State;
    /// Which invariant does not hold in `state`.
    fn judge(&self, state: &Self::State) -> Option<Broken>;
    /// Whether `state` is one that should be reached at least once.
    fn is_goal(&self, state: &Self::State) -> bool;
}

/// What a walk found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Different states that were reached.
    pub states: usize,
    /// Steps that were taken, those into known states included.
    pub steps: u64,
    /// The length of the longest of the shortest ways.
    pub depth: usize,
    /// States in which the goal is reached: a model that never gets there proves nothing.
    pub goals: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether every reachable state was looked at.
    pub complete: bool,
    /// The nearest violation.
    pub violation: Option<Violation>,
}

/// A violation and the shortest way to it.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What does not hold.
    pub broken: Broken,
    /// What happened, in order.
    pub trace: Vec<String>,
}

/// How far a walk goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most states.
    pub states: usize,
    /// The most steps from the beginning.
    pub depth: usize,
}

impl Bounds {
    /// As far as memory goes: some 100 bytes a state.
    pub const WIDE: Bounds = Bounds { states: 50_000_000, depth: usize::MAX };
}

/// Walks through `system` until a violation is met, nothing is left, or a bound is reached.
pub fn explore<S: System>(system: &S, bounds: Bounds) -> Found {
    Walk::new(system, bounds).run()
}

struct Walk<'a, S: System> {
    system: &'a S,
    bounds: Bounds,
    known: HashMap<u128, (), BuildHasherDefault<Already>>,
    /// For every state, in the order of discovery: the state it was reached from, and by which of
    /// that state's actions.
    origins: Vec<(u32, u16)>,
    found: Found,
}

impl<'a, S: System> Walk<'a, S> {
    fn new(system: &'a S, bounds: Bounds) -> Walk<'a, S> {
        let found = Found {
            states: 0,
            steps: 0,
            depth: 0,
            goals: 0,
            took: Duration::ZERO,
            complete: false,
            violation: None,
        };
        Walk { system, bounds, known: HashMap::default(), origins: Vec::new(), found }
    }

    fn run(mut self) -> Found {
        let begun = Instant::now();
        let first = self.system.first();
        let mut layer = Vec::new();
        let violated = self.meet(first, (0, 0), &mut layer);
        let ended = violated.or_else(|| self.layers(layer));
        self.found.violation = ended;
        self.found.states = self.origins.len();
        self.found.took = begun.elapsed();
        self.found
    }

    fn layers(&mut self, mut layer: Vec<(u32, S::State)>) -> Option<Violation> {
        let mut actions = Vec::new();
        while !layer.is_empty() {
            if self.found.depth >= self.bounds.depth {
                return None;
            }
            let mut next = Vec::new();
            for (number, state) in layer {
                actions.clear();
                self.system.actions(&state, &mut actions);
                for (choice, action) in (0u16..).zip(&actions) {
                    let after = self.system.after(&state, *action);
                    self.found.steps += 1;
                    if let Some(violation) = self.meet(after, (number, choice), &mut next) {
                        return Some(violation);
                    }
                }
                if self.origins.len() >= self.bounds.states {
                    return None;
                }
            }
            self.found.depth += 1;
            layer = next;
        }
        self.found.complete = true;
        None
    }

    fn meet(
        &mut self,
        state: S::State,
        origin: (u32, u16),
        next: &mut Vec<(u32, S::State)>,
    ) -> Option<Violation> {
        if self.known.insert(fingerprint(&state), ()).is_some() {
            return None;
        }
        let number = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
        self.origins.push(origin);
        if let Some(broken) = self.system.judge(&state) {
            return Some(Violation { broken, trace: self.trace(number) });
        }
        self.found.goals += u64::from(self.system.is_goal(&state));
        next.push((number, state));
        None
    }

    /// The way to state `number`, walked again from the beginning.
    fn trace(&self, number: u32) -> Vec<String> {
        let mut choices = Vec::new();
        let mut at = number;
        while at != 0 {
            let (from, choice) = self.origins[at as usize];
            choices.push(choice);
            at = from;
        }
        let mut state = self.system.first();
        let mut trace = Vec::new();
        for choice in choices.into_iter().rev() {
            let mut actions = Vec::new();
            self.system.actions(&state, &mut actions);
            let action = actions[usize::from(choice)];
            trace.push(action.to_string());
            state = self.system.after(&state, action);
        }
        trace
    }
}

/// The state as 128 bits. Two states with the same bits would be taken for one; with some millions of
/// states the chance of that is below 10⁻²⁴.
fn fingerprint(state: &impl Hash) -> u128 {
    let mut bytes = Bytes(Vec::with_capacity(512));
    state.hash(&mut bytes);
    xxh3_128(&bytes.0)
}

struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct Already(u64);

impl Hasher for Already {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use segue_model::invariants::Invariant;

    use super::*;

    /// Two counters up to three; forbidden is a pair.
    struct Counters {
        forbidden: Option<(u8, u8)>,
    }

    impl System for Counters {
        type State = (u8, u8);
        type Action = char;

        fn first(&self) -> (u8, u8) {
            (0, 0)
        }

        fn actions(&self, state: &(u8, u8), into: &mut Vec<char>) {
            into.extend((state.0 < 3).then_some('a'));
            into.extend((state.1 < 3).then_some('b'));
        }

        fn after(&self, state: &(u8, u8), action: char) -> (u8, u8) {
            if action == 'a' { (state.0 + 1, state.1) } else { (state.0, state.1 + 1) }
        }

        fn judge(&self, state: &(u8, u8)) -> Option<Broken> {
            (Some(*state) == self.forbidden)
                .then(|| Broken { invariant: Invariant::NothingLost, shows: String::new() })
        }

        fn is_goal(&self, state: &(u8, u8)) -> bool {
            *state == (3, 3)
        }
    }

    #[test]
    fn every_state_is_met_once() {
        let found = explore(&Counters { forbidden: None }, Bounds::WIDE);
        assert!(found.complete && found.violation.is_none());
        assert_eq!((found.states, found.steps, found.goals), (16, 24, 1));
    }

    #[test]
    fn the_first_violation_has_the_shortest_trace() {
        let found = explore(&Counters { forbidden: Some((1, 2)) }, Bounds::WIDE);
        let trace = found.violation.map(|violation| violation.trace).unwrap_or_default();
        assert_eq!(trace.len(), 3, "{trace:?}");
    }

    #[test]
    fn a_walk_that_is_cut_short_says_so() {
        let cut = |bounds| explore(&Counters { forbidden: None }, bounds);
        assert!(!cut(Bounds { states: 5, ..Bounds::WIDE }).complete);
        let shallow = cut(Bounds { depth: 2, ..Bounds::WIDE });
        assert!(!shallow.complete);
        assert_eq!((shallow.states, shallow.depth), (6, 2));
    }
}
