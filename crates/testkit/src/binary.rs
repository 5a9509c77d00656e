//! The binary under test: run with a limit, watched, and killed if a test wants it.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A command line of the binary. A test gives its path: `Segue::new(env!("CARGO_BIN_EXE_segue"))`.
#[derive(Debug, Clone)]
pub struct Segue {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    patience: Duration,
}

/// How a run of the binary ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Segue {
    /// The binary at `path`, without arguments, with two minutes to end.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            patience: Duration::from_secs(120),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the cluster (`SEGUE_CLUSTER`).
    #[must_use]
    pub fn cluster(self, url: &str) -> Self {
        self.env("SEGUE_CLUSTER", url)
    }

    /// Sets how long it may run.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// If it does not start or does not end in time.
    #[must_use]
    #[track_caller]
    pub fn run(&self) -> Ended {
        let running = self.start();
        let patience = self.patience;
        match running.end_within(patience) {
            (ended, true) => ended,
            (ended, false) => panic!("not ended within {patience:?}: {self:?}\n{}", ended.told()),
        }
    }

    /// Runs for `delay`, then kills it (signal 9) if it has not ended by itself.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    #[track_caller]
    pub fn kill_after(&self, delay: Duration) -> Ended {
        self.start().end_within(delay).0
    }

    /// Runs for `delay`, then sends it a signal if it has not ended by itself, and waits.
    ///
    /// # Panics
    /// If it does not start, or does not end in time after the signal.
    #[must_use]
    #[track_caller]
    pub fn signal_after(&self, delay: Duration, signal: Signal) -> Ended {
        let mut running = self.start();
        if running.wait(delay).is_none() {
            running.signal(signal);
        }
        match running.end_within(self.patience) {
            (ended, true) => ended,
            (ended, false) => panic!("does not heed {signal}: {self:?}\n{}", ended.told()),
        }
    }

    /// Runs until `reached` says so, then sends it a signal, and waits.
    ///
    /// # Panics
    /// If it does not start, if it ends before `reached` says so, or if it does not end in time.
    #[must_use]
    #[track_caller]
    pub fn signal_when(&self, mut reached: impl FnMut() -> bool, signal: Signal) -> Ended {
        let mut running = self.start();
        let until = Instant::now() + self.patience;
        while !reached() {
            let over = running.wait(Duration::from_millis(10)).is_some();
            if over || Instant::now() >= until {
                let (ended, _) = running.end_within(Duration::ZERO);
                panic!("not reached: {self:?}\n{}", ended.told());
            }
        }
        running.signal(signal);
        match running.end_within(self.patience) {
            (ended, true) => ended,
            (ended, false) => panic!("does not heed {signal}: {self:?}\n{}", ended.told()),
        }
    }

    /// Starts it and lets it run.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    #[track_caller]
    pub fn start(&self) -> Running {
        let spawned = Command::new(&self.path)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match spawned {
            Ok(mut child) => {
                let stdout = Some(collect(child.stdout.take()));
                let stderr = Some(collect(child.stderr.take()));
                let (begun, patience) = (Instant::now(), self.patience);
                Running { child, stdout, stderr, begun, patience }
            }
            Err(error) => panic!("cannot start {}: {error}", self.path.display()),
        }
    }
}

impl Ended {
    /// Standard output as one JSON value.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("stdout is not JSON ({error})\n{}", self.told()),
        }
    }

    /// The last line of standard output as JSON.
    ///
    /// # Panics
    /// If there is no such line.
    #[must_use]
    #[track_caller]
    pub fn last_json_line(&self) -> Value {
        let line = self.stdout.lines().next_back().unwrap_or_default();
        match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => panic!("no JSON line ({error})\n{}", self.told()),
        }
    }

    /// Asserts the exit code.
    ///
    /// # Panics
    /// If it is another, with everything the binary said.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code\n{}", self.told());
        self
    }

    fn told(&self) -> String {
        let Self { code, signal, stdout, stderr, .. } = self;
        format!("code {code:?}, signal {signal:?}\n-- stdout\n{stdout}\n-- stderr\n{stderr}")
    }
}

impl Segue {
    /// Reads a JSON file that the binary wrote, such as its report.
    ///
    /// # Panics
    /// If there is none, or it is not JSON.
    #[must_use]
    #[track_caller]
    pub fn report(path: &Path) -> Value {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) => panic!("no report at {}: {error}", path.display()),
        };
        match serde_json::from_slice(&text) {
            Ok(report) => report,
            Err(error) => panic!("{} is not JSON: {error}", path.display()),
        }
    }
}

/// The binary while it runs. Dropped without [`Running::end`], it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    begun: Instant,
    patience: Duration,
}

impl Running {
    /// Waits for its end, as long as a run may take.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    #[track_caller]
    pub fn end(self) -> Ended {
        let patience = self.patience;
        match self.end_within(patience) {
            (ended, true) => ended,
            (ended, false) => panic!("not ended within {patience:?}\n{}", ended.told()),
        }
    }

    /// Waits until `reached` says so.
    ///
    /// # Panics
    /// If it ends before.
    #[track_caller]
    pub fn until(&mut self, mut reached: impl FnMut() -> bool) {
        let until = Instant::now() + self.patience;
        while !reached() {
            let over = self.wait(Duration::from_millis(10)).is_some();
            assert!(!over && Instant::now() < until, "not reached");
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits so long for its end, and says whether it has ended.
    ///
    /// # Panics
    /// If it cannot be waited for.
    #[track_caller]
    pub fn has_ended(&mut self, patience: Duration) -> bool {
        self.wait(patience).is_some()
    }

    /// Kills it (signal 9) if it has not ended by itself, and says how it ended.
    ///
    /// # Panics
    /// If it cannot be waited for.
    #[must_use]
    #[track_caller]
    pub fn kill(self) -> Ended {
        self.end_within(Duration::ZERO).0
    }

    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() >= until => return None,
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(error) => panic!("cannot wait for the binary: {error}"),
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).map(Pid::from_raw);
        // An error means that it has just ended.
        let _ended = pid.map(|pid| kill(pid, signal));
    }

    /// Waits, kills it if time runs out, and says whether it had ended by itself.
    fn end_within(mut self, patience: Duration) -> (Ended, bool) {
        let by_itself = self.wait(patience);
        if by_itself.is_none() {
            self.signal(Signal::SIGKILL);
        }
        let status = match by_itself {
            Some(status) => status,
            None => match self.child.wait() {
                Ok(status) => status,
                Err(error) => panic!("cannot wait for the binary: {error}"),
            },
        };
        let took = self.begun.elapsed();
        let ended = Ended {
            code: status.code(),
            signal: status.signal(),
            stdout: join(self.stdout.take()),
            stderr: join(self.stderr.take()),
            took,
        };
        (ended, by_itself.is_some())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing a test started may outlive it; both fail where it has ended.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn join(thread: Option<JoinHandle<String>>) -> String {
    thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
}

fn collect(from: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            // What came before an error is still worth showing.
            let _partial = from.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::sys::signal::Signal;

    use super::Segue;

    fn shell(script: &str) -> Segue {
        Segue::new("/bin/sh").args(["-c", script])
    }

    #[test]
    fn a_run_is_captured() {
        let ended = shell("echo noise; echo '{\"a\":1}'; echo talk >&2; exit 3").run().expect(3);
        assert_eq!(ended.last_json_line()["a"], 1);
        assert_eq!(ended.stderr, "talk\n");
    }

    #[test]
    fn a_run_can_be_killed_or_told_to_stop() {
        let endless = "trap 'exit 7' INT; while :; do sleep 0.01; done";
        let delay = Duration::from_millis(200);
        assert_eq!(shell(endless).kill_after(delay).signal, Some(9));
        assert_eq!(shell(endless).signal_after(delay, Signal::SIGINT).code, Some(7));
        assert_eq!(shell("exit 0").kill_after(Duration::from_secs(9)).code, Some(0));
    }

    #[test]
    fn a_run_is_told_to_stop_when_it_has_got_somewhere() {
        let mut asked = 0;
        let third_time = || {
            asked += 1;
            asked == 3
        };
        let endless = "trap 'exit 7' INT; while :; do sleep 0.01; done";
        assert_eq!(shell(endless).signal_when(third_time, Signal::SIGKILL).signal, Some(9));
        assert_eq!(asked, 3);
    }

    #[test]
    #[should_panic(expected = "not reached")]
    fn a_run_that_gets_nowhere_fails() {
        let _ended = shell("exit 0").signal_when(|| false, Signal::SIGINT);
    }

    #[test]
    #[should_panic(expected = "not ended within")]
    fn a_run_that_does_not_end_fails() {
        let _ended = shell("exec sleep 5").within(Duration::from_millis(50)).run();
    }
}
