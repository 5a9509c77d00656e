//! What can happen next.

use std::fmt;

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The application writes a document.
    Write(u8),
    /// The application deletes a document.
    Delete(u8),
    /// The write of a document gets further.
    Advance(u8),
    /// A process does what it does next.
    Step(u8, &'static str),
    /// A process moves the checkpoint in the middle of a pass.
    Save(u8),
    /// A bulk arrives and is answered.
    Deliver(u8, u8),
    /// A bulk arrives and its answer is lost.
    LoseAnswer(u8, u8),
    /// A bulk is given up and sent again; the first may still arrive.
    TimeOut(u8, u8),
    /// A bulk arrives that nobody waits for.
    Late(u8),
    /// A process gives the cutover up.
    GiveUp(u8),
    /// The request to switch is held up.
    HoldSwitch(u8),
    /// The request to switch arrives late.
    LateSwitch,
    /// The request to close is held up.
    HoldClose(u8),
    /// The request to close arrives late.
    LateClose,
    /// The watch of a process is over.
    EndWatch(u8),
    /// A process dies.
    Crash(u8),
    /// A process dies with its watchdogs.
    LoseMachine(u8),
    /// A process is started.
    Start(u8),
    /// A process is started to give the part up.
    Abandon(u8),
    /// A watchdog begins to take back.
    Bark(u8),
    /// A watchdog does what it does next.
    Dog(u8),
    /// The source's replica becomes primary; writes under way are made again, or not.
    FailOver(bool),
    /// The source refreshes by itself.
    Refresh,
    /// The target forgets what was deleted.
    Forget,
    /// A dead letter is written after the switch.
    Replay(u8),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Write(id) => write!(f, "application: writes document {id}"),
            Action::Delete(id) => write!(f, "application: deletes document {id}"),
            Action::Advance(id) => write!(f, "source: the write of document {id} gets further"),
            Action::Step(run, what) => write!(f, "process {run}: {what}"),
            Action::Save(run) => write!(f, "process {run}: moves the checkpoint meanwhile"),
            Action::Deliver(run, _) => write!(f, "target: takes a bulk of process {run}"),
            Action::LoseAnswer(run, _) => {
                write!(f, "target: takes a bulk of process {run}; the answer is lost")
            }
            Action::TimeOut(run, _) => {
                write!(f, "process {run}: gives a bulk up and sends it again; the first is late")
            }
            Action::Late(_) => f.write_str("target: a late bulk arrives"),
            Action::GiveUp(run) => write!(f, "process {run}: gives the cutover up"),
            Action::HoldSwitch(run) => write!(f, "process {run}: its switch is held up"),
            Action::LateSwitch => f.write_str("cluster: a late switch arrives"),
            Action::HoldClose(run) => write!(f, "process {run}: its request to close is held up"),
            Action::LateClose => f.write_str("cluster: a late request to close arrives"),
            Action::EndWatch(run) => write!(f, "process {run}: its watch is over"),
            Action::Crash(run) => write!(f, "process {run}: dies"),
            Action::LoseMachine(run) => write!(f, "process {run}: dies with its watchdog"),
            Action::Start(run) => write!(f, "process {run}: is started"),
            Action::Abandon(run) => write!(f, "process {run}: is started to give the part up"),
            Action::Bark(dog) => write!(f, "watchdog {dog}: begins to take back"),
            Action::Dog(dog) => write!(f, "watchdog {dog}: takes back, one step"),
            Action::FailOver(true) => {
                f.write_str("source: the replica becomes primary; writes under way are made again")
            }
            Action::FailOver(false) => {
                f.write_str("source: the replica becomes primary; writes under way are lost")
            }
            Action::Refresh => f.write_str("source: refreshes"),
            Action::Forget => f.write_str("target: forgets what was deleted"),
            Action::Replay(id) => write!(f, "process: writes the dead letter of document {id}"),
        }
    }
}
