//! A thread with a large stack, for the few runs that may nest values deeply.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::ScriptRule;
use crate::Error;

/// Values are measured, copied and dropped with a call for each level. This holds the deepest ones that
/// the bounds allow, some ten thousand levels; only what is used of it is real.
const STACK_BYTES: usize = 64 << 20;

type Answer = Result<Option<Vec<u8>>, String>;

/// A run, with what it is given.
struct Job {
    rule: Arc<ScriptRule>,
    from: usize,
    document: Vec<u8>,
    rows: Vec<Option<Vec<u8>>>,
}

/// A worker's own thread, which begins with the first run that needs it and ends with the worker.
#[derive(Debug, Default)]
pub(crate) struct Room {
    thread: Option<(Sender<Job>, Receiver<Answer>)>,
}

impl Room {
    /// Runs a script there, from these bounds on.
    ///
    /// # Errors
    /// [`Error::Thread`] if the system gives no thread, or took it away. Within: why the document must be
    /// refused.
    pub(super) fn run(
        &mut self,
        rule: &Arc<ScriptRule>,
        from: usize,
        document: &[u8],
        rows: &[Option<&[u8]>],
    ) -> Result<Answer, Error> {
        let (jobs, answers) = match self.thread.take() {
            Some(thread) => thread,
            None => begin().map_err(Error::Thread)?,
        };
        let rows = rows.iter().map(|row| row.map(<[u8]>::to_vec)).collect();
        let job = Job { rule: Arc::clone(rule), from, document: document.to_vec(), rows };
        let gone = |_| Error::Thread(std::io::Error::other("it ended by itself"));
        jobs.send(job).map_err(|_| gone(()))?;
        let answer = answers.recv().map_err(|_| gone(()))?;
        self.thread = Some((jobs, answers));
        Ok(answer)
    }
}

fn begin() -> std::io::Result<(Sender<Job>, Receiver<Answer>)> {
    let (jobs, todo) = channel::<Job>();
    let (done, answers) = channel();
    let work = move || {
        while let Ok(job) = todo.recv() {
            let rows: Vec<Option<&[u8]>> = job.rows.iter().map(Option::as_deref).collect();
            let answer = job.rule.run_from(job.from, &job.document, &rows);
            if done.send(answer).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("script".to_owned()).stack_size(STACK_BYTES).spawn(work)?;
    Ok((jobs, answers))
}
