//! Every journal that was met, each with the state it adds up to. A world holds a number instead of
//! the records; the folding is [`PartState::apply`], the same as live and on replay.

use segue_model::journal::Event;
use segue_model::part::PartState;

/// A journal, by the order in which it was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JournalId(u32);

struct Known {
    state: PartState,
    epoch: u8,
    from: Option<JournalId>,
    longer: Vec<(Event, JournalId)>,
}

/// Every journal that was met.
pub struct Journals(Vec<Known>);

impl Default for Journals {
    /// The empty journal, and nothing else.
    fn default() -> Journals {
        let state = PartState::default();
        Journals(vec![Known { state, epoch: 0, from: None, longer: Vec::new() }])
    }
}

impl Journals {
    /// The empty journal.
    pub fn empty(&self) -> JournalId {
        JournalId(0)
    }

    fn known(&self, id: JournalId) -> &Known {
        &self.0[id.0 as usize]
    }

    /// What a journal adds up to.
    pub fn state(&self, id: JournalId) -> &PartState {
        &self.known(id).state
    }

    /// The last epoch a journal announced; 0 = none.
    pub fn epoch(&self, id: JournalId) -> u8 {
        self.known(id).epoch
    }

    /// `id` with one more record; `None` where the phase does not allow it.
    pub fn append(&mut self, id: JournalId, event: &Event) -> Option<JournalId> {
        if let Some((_, longer)) = self.known(id).longer.iter().find(|(known, _)| known == event) {
            return Some(*longer);
        }
        let mut state = self.state(id).clone();
        state.apply(event).ok()?;
        let epoch = state.epoch.and_then(|epoch| u8::try_from(epoch.0).ok()).unwrap_or(0);
        let longer = JournalId(u32::try_from(self.0.len()).ok()?);
        self.0.push(Known { state, epoch, from: Some(id), longer: Vec::new() });
        self.0[id.0 as usize].longer.push((event.clone(), longer));
        Some(longer)
    }

    /// Whether `beginning` is how `whole` begins.
    pub fn begins_with(&self, whole: JournalId, beginning: JournalId) -> bool {
        let mut at = Some(whole);
        while let Some(id) = at {
            if id == beginning {
                return true;
            }
            at = self.known(id).from;
        }
        false
    }
}
