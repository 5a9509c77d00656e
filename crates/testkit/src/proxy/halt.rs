//! The halt: the proxy stands still after one of the requests that change something, so that a client
//! can be killed exactly there.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Endpoints that only look, whatever their method.
const LOOKS: [&str; 9] = [
    "_search",
    "_msearch",
    "_mget",
    "_count",
    "_refresh",
    "_field_caps",
    "_validate",
    "_simulate",
    "_pit",
];
/// How often a request that is held is asked whether anybody still waits for it.
const GLANCE: Duration = Duration::from_millis(1);

/// Where the proxy stands still, and what came before.
pub(super) struct Halt {
    state: Mutex<State>,
    still: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// Requests that changed something, as method and path, in the order in which they were answered.
    changes: Vec<String>,
    /// So many of them are let through.
    after: Option<usize>,
}

impl Default for Halt {
    fn default() -> Self {
        Self { state: Mutex::default(), still: watch::Sender::new(false) }
    }
}

impl Halt {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was, and halts after so many changes from here on.
    pub(super) fn after(&self, changes: usize) {
        *self.state() = State { changes: Vec::new(), after: Some(changes) };
        self.still.send_replace(changes == 0);
    }

    pub(super) fn is_still(&self) -> bool {
        *self.still.borrow()
    }

    pub(super) fn go_on(&self) {
        self.state().after = None;
        self.still.send_replace(false);
    }

    pub(super) fn changes(&self) -> Vec<String> {
        self.state().changes.clone()
    }

    /// Holds up what comes while the proxy stands still. `false`: nobody waits for it any more.
    pub(super) async fn pass(&self, client: &TcpStream) -> bool {
        if !self.is_still() {
            return true;
        }
        let mut still = self.still.subscribe();
        if still.wait_for(|still| !still).await.is_err() {
            return false;
        }
        // A client that was killed meanwhile has closed its end, which shows at once.
        sleep(GLANCE).await;
        let mut byte = [0];
        !matches!(timeout(GLANCE, client.peek(&mut byte)).await, Ok(Ok(0) | Err(_)))
    }

    /// The engine has answered a request.
    pub(super) fn answered(&self, method: &str, path: &str) {
        if !changes(method, path) {
            return;
        }
        let mut state = self.state();
        if self.is_still() {
            return;
        }
        state.changes.push(format!("{method} {path}"));
        if state.after == Some(state.changes.len()) {
            self.still.send_replace(true);
        }
    }
}

/// Whether a request changes something that outlives its client. Leases are renewed by the clock and
/// would make no two runs alike.
fn changes(method: &str, path: &str) -> bool {
    let looks = method == "GET" || method == "HEAD";
    !looks && !path.contains("segue-leases") && !LOOKS.iter().any(|look| path.contains(look))
}

#[cfg(test)]
mod tests {
    use super::{Halt, changes};

    #[test]
    fn what_changes_nothing_is_no_step() {
        assert!(changes("PUT", "/a/_block/write"));
        assert!(changes("POST", "/_aliases"));
        assert!(changes("POST", "/a/_bulk?require_alias=true"));
        for (method, path) in [
            ("GET", "/a"),
            ("POST", "/a/_search"),
            ("POST", "/_mget"),
            ("PUT", "/segue-leases/_doc/x"),
        ] {
            assert!(!changes(method, path), "{method} {path}");
        }
    }

    #[test]
    fn it_halts_after_so_many_changes_and_goes_on_when_told() {
        let halt = Halt::default();
        halt.after(2);
        halt.answered("PUT", "/a");
        halt.answered("GET", "/a");
        assert!(!halt.is_still());
        halt.answered("POST", "/_aliases");
        assert!(halt.is_still());
        halt.answered("POST", "/late");
        assert_eq!(halt.changes(), ["PUT /a", "POST /_aliases"]);
        halt.go_on();
        assert!(!halt.is_still());
    }
}
