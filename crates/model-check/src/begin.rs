//! The first moment of a scenario.

use segue_model::id::{Epoch, IndexName, SeqNo};
use segue_model::journal::{CutoverWindow, Event, VerifySummary};
use segue_model::version::{Incarnation, Rewrite};

use crate::journals::JournalId;
use crate::model::Model;
use crate::run::give_up::making;
use crate::run::pass::version;
use crate::run::{At, Run};
use crate::sabotage::Sabotage;
use crate::scenario::{Begins, Way};
use crate::world::source::{Source, Stage};
use crate::world::target::{Document, Target, bit};
use crate::world::writer::{Hand, Truth};
use crate::world::{Dog, IDS, RUNS, World};

/// From the first epoch to a cutover that has begun.
fn up_to_cutover() -> [Event; 5] {
    let (epoch, positions) = (Epoch(1), vec![SeqNo(0)]);
    [
        Event::EpochOpened { epoch },
        Event::Backfilled,
        Event::VerifyStarted,
        Event::Verified { positions, summary: VerifySummary::default() },
        Event::CutoverStarted {
            epoch,
            keep: IndexName::new("kept"),
            aliases: Vec::new(),
            before: None,
        },
    ]
}

impl Model {
    /// The journal of a part whose target was made.
    fn prepared(&self) -> JournalId {
        let empty = self.journals().empty();
        self.longer(empty, &making(Incarnation::FIRST))
    }

    fn longer(&self, journal: JournalId, events: &[Event]) -> JournalId {
        let mut journals = self.journals_mut();
        events.iter().fold(journal, |id, event| journals.append(id, event).unwrap_or(id))
    }

    /// The journal of a part that was switched.
    fn switched(&self) -> JournalId {
        let position = vec![SeqNo(0)];
        let events = [
            Event::Switching { cursor: position },
            Event::Switched { window: CutoverWindow::default() },
        ];
        self.longer(self.longer(self.prepared(), &up_to_cutover()), &events)
    }

    /// The first moment.
    pub fn first_moment(&self) -> World {
        let back = self.scenario.way != Way::Forward;
        let marked = self.keeps(Sabotage::NoFirstMark);
        let journal = if back { self.switched() } else { self.prepared() };
        let before = version((Incarnation::FIRST, Rewrite::FIRST), 7);
        let empty = self.journals().empty();
        let mut runs: [Run; RUNS] = std::array::from_fn(|_| Run::off(empty));
        runs[0].at = At::Start;
        let mut truth = [Truth::default(); IDS];
        truth[0].acknowledged = Some(0);
        let mut source = Source::with_one_document();
        let mut next_stamp = 1;
        if back {
            // Written after the switch.
            source.number(0, Some(1));
            source.log[1].stage = Stage::Both;
            truth[0].acknowledged = Some(1);
            next_stamp = 2;
        }
        let mut world = World {
            source,
            target: if back { Target::kept(marked, before) } else { Target::made(marked) },
            name_on_target: false,
            journal,
            kept: None,
            runs,
            dogs: Vec::new(),
            late: Vec::new(),
            late_switch: None,
            late_close: None,
            note: None,
            hands: [Hand::Idle; IDS],
            truth,
            left: self.scenario.budget,
            next_stamp,
            machine_lost: false,
            foreign: false,
            refused: false,
        };
        match self.scenario.begins {
            Begins::Made => {}
            Begins::GivenUp => world.runs[0].gives_up = true,
            Begins::Closed => self.close_first(&mut world),
        }
        world
    }

    /// A process has closed the source, and has died since.
    fn close_first(&self, world: &mut World) {
        let epoch = 1;
        world.runs[0].gives_up = true;
        world.journal = self.longer(world.journal, &up_to_cutover());
        world.dogs.push(Dog { of: 0, epoch, back: None });
        let version = version((Incarnation::FIRST, Rewrite::FIRST), 0);
        world.target.documents[0] = Some(Document { version, value: Some(0) });
        (world.target.write, world.target.opening) = (bit(epoch), 0);
        (world.source.closed, world.source.closing) = (true, bit(epoch));
    }
}
