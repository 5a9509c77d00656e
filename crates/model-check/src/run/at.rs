//! What a process does next.

use super::back::Back;
use super::give_up::GiveUp;

/// What a process does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// It does not run.
    Off,
    /// Reads the journal.
    Start,
    /// Announces the next epoch.
    NoteEpoch,
    /// Looks at the marks on the target.
    LookMarks,
    /// Puts a first mark on a target that has none, before it looks again.
    FirstMark,
    /// Puts its own mark in force, and those it saw out of it.
    SwapMarks {
        /// Write marks it saw, as bits.
        write: u16,
        /// Opening marks it saw, as bits.
        opening: u16,
    },
    /// The way back: chooses an incarnation above all of the kept copy, and notes it.
    NoteFeed,
    /// The way back: lets writes into the kept copy.
    OpenKept,
    /// The way back: notes what the target holds.
    Base,
    /// The way back: looks for documents of the kept copy that the target has not any more.
    Sweep,
    /// The way back: lets no writes into the kept copy any more, as the watch is over.
    CloseKept,
    /// The way back: looks at the marks on the kept copy.
    LookKept,
    /// The way back: takes the marks it saw from the kept copy.
    UnmarkKept {
        /// Write marks it saw, as bits.
        write: u16,
        /// Opening marks it saw, as bits.
        opening: u16,
    },
    /// The way back: notes that the watch is over.
    NoteEnd,
    /// Reads the checkpoint.
    Open,
    /// Asks for the primary term.
    Terms,
    /// Asks for the global checkpoint.
    Stats,
    /// Refreshes the source.
    Refresh,
    /// Reads and writes windows.
    Lanes,
    /// Moves the checkpoint.
    Save,
    /// Asks for the primary term once more.
    Check,
    /// Lists what the source has.
    List,
    /// Asks the source for documents it no longer listed, as bits.
    Ask(u8),
    /// Waits for the answer to the deletes.
    Delete,
    /// Notes that source and target are equal. The comparison itself is left out: the protocol has
    /// to hold without it.
    NoteVerified,
    /// Starts the watchdog and notes that the cutover begins.
    NoteCutover,
    /// Sends the source's writes on to the target.
    Redirect,
    /// Waits for requests that began before, and notes that all are redirected.
    DrainRequests,
    /// Marks the source as the one that it may close.
    MarkClosing,
    /// Closes the source.
    Close,
    /// Waits until writes under way have ended.
    Drain,
    /// Notes that the names are about to move.
    NoteSwitching,
    /// Moves the names.
    Move,
    /// Looks at the names.
    Look,
    /// Notes the switch.
    NoteSwitched,
    /// Takes the cutover back.
    Back(Back),
    /// Notes that it was taken back.
    NoteBackedOut,
    /// Gives the part up, or begins it anew.
    GivingUp(GiveUp),
}

/// What a process does next, in words.
pub fn name(at: &At) -> &'static str {
    match at {
        At::Off => "is off",
        At::Start => "reads the journal",
        At::NoteEpoch => "announces the next epoch",
        At::LookMarks => "looks at the marks",
        At::FirstMark => "puts a first mark on the target, which has none",
        At::SwapMarks { .. } => "puts its write mark in force",
        At::Open => "reads the checkpoint",
        At::Terms => "looks at the primary term",
        At::Stats => "asks where the pass ends",
        At::Refresh => "refreshes the source",
        At::Lanes => "reads a window and sends it",
        At::Save => "moves the checkpoint",
        At::Check => "looks at the primary term again",
        At::List => "lists the source for the audit",
        At::Ask(_) => "asks for what is gone and deletes it",
        At::Delete => "waits for its deletes",
        At::NoteVerified => "notes that both are equal",
        At::NoteCutover => "starts the watchdog and notes the cutover",
        At::Redirect => "sends the source's writes on to the target",
        At::DrainRequests => "waits for requests that began before",
        At::NoteFeed => "notes that it feeds back, and in which incarnation",
        At::OpenKept => "lets writes into the kept copy",
        At::Base => "notes what the target holds",
        At::Sweep => "looks for what is in the kept copy alone",
        At::CloseKept => "closes the kept copy, as the watch is over",
        At::LookKept => "looks at the marks on the kept copy",
        At::UnmarkKept { .. } => "takes the marks from the kept copy",
        At::NoteEnd => "notes that the watch is over",
        At::MarkClosing => "marks what it will close",
        At::Close => "closes the source",
        At::Drain => "waits for writes under way",
        At::NoteSwitching => "notes that names will move",
        At::Move => "moves the names",
        At::Look => "looks at the names",
        At::NoteSwitched => "notes the switch",
        At::Back(_) => "takes the cutover back, one step",
        At::GivingUp(step) => match step {
            GiveUp::Note => "notes that the part is given up",
            GiveUp::Mark => "marks the source as one that it gives up",
            GiveUp::Unmark => "takes all such marks from the source",
            GiveUp::UnmarkAll => "takes the marks of who gave up from the source",
            GiveUp::Claim => "looks whether the journal has moved on",
            GiveUp::Look => "looks at the marks on the target",
            GiveUp::Fence { .. } => "takes the marks from the target",
            GiveUp::Delete => "deletes the target",
            GiveUp::Forget => "removes the checkpoint",
            GiveUp::NoteEnd => "notes that it is given up",
            GiveUp::NoteAnew => "notes that the part is begun anew",
            GiveUp::Make => "makes the new target, and notes that",
        },
        At::NoteBackedOut => "notes that it was taken back",
    }
}
