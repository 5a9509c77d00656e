//! A proxy that makes the network between a client and the engine go wrong, on purpose and
//! repeatably.
//!
//! It understands just enough HTTP/1.1 to see where a request ends: a request has a
//! `content-length` or no body. Towards the engine each request has a connection of its own.

mod exchange;
mod halt;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::background::{handle, wait};
use crate::engine::Engine;
use halt::Halt;

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The request is passed on late.
    Delay(Duration),
    /// The connection is closed at once, and the engine gets the request so much later: to the client
    /// a time-out, to the engine a straggler.
    Late(Duration),
    /// The connection is closed in the middle of the request: the engine never sees it whole.
    CutRequest,
    /// The engine acts, and the connection is closed in the middle of its answer.
    CutResponse,
    /// The engine acts, and the connection is closed without any answer.
    DropResponse,
    /// The engine never sees the request; the client gets this status, such as 429 or 503.
    Refuse(u16),
}

/// Which faults, how often, and of which requests.
#[derive(Debug, Clone)]
pub struct Faults {
    rng: Rng,
    only: Option<String>,
    rates: Vec<(Fault, u16)>,
    spared: u32,
    left: u32,
}

impl Faults {
    /// No faults yet; those added will strike in an order that follows from the seed, as far as the
    /// requests come in the same order.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), only: None, rates: Vec::new(), spared: 0, left: u32::MAX }
    }

    /// Adds a fault that strikes so many requests of a thousand.
    #[must_use]
    pub fn with(mut self, fault: Fault, per_mille: u16) -> Self {
        self.rates.push((fault, per_mille));
        self
    }

    /// Only requests whose path contains this text are struck.
    #[must_use]
    pub fn only(mut self, text: &str) -> Self {
        self.only = Some(text.to_owned());
        self
    }

    /// The first so many of the requests that are meant are not struck.
    #[must_use]
    pub fn after(mut self, count: u32) -> Self {
        self.spared = count;
        self
    }

    /// At most so many faults in all; then the proxy is faithful.
    #[must_use]
    pub fn at_most(mut self, count: u32) -> Self {
        self.left = count;
        self
    }

    fn strike(&mut self, path: &str) -> Option<Fault> {
        let meant = self.only.as_ref().is_none_or(|text| path.contains(text.as_str()));
        if !meant || self.left == 0 {
            return None;
        }
        if self.spared > 0 {
            self.spared -= 1;
            return None;
        }
        let mut dice = self.rng.u16(..1_000);
        let hit = self.rates.iter().find(|(_, rate)| {
            let hit = dice < *rate;
            dice = dice.saturating_sub(*rate);
            hit
        });
        let fault = hit.map(|(fault, _)| *fault);
        self.left -= u32::from(fault.is_some());
        fault
    }
}

/// What the proxy did so far.
#[derive(Debug, Default)]
struct Struck {
    requests: u64,
    faults: BTreeMap<Fault, u64>,
}

struct Shared {
    upstream: SocketAddr,
    watched: Mutex<Vec<(String, Arc<AtomicU64>)>>,
    faults: Mutex<Faults>,
    halt: Halt,
    struck: Mutex<Struck>,
}

/// A running proxy; it ends when it is dropped.
pub struct Proxy {
    /// Its URL, on loopback.
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy before an engine on this machine.
    ///
    /// # Panics
    /// If the engine's URL is not an address and port, or no port is free.
    #[must_use]
    #[track_caller]
    pub fn start(engine: &Engine, faults: Faults) -> Self {
        let address = engine.url.trim_start_matches("http://").trim_end_matches('/');
        let address = address.replace("localhost", "127.0.0.1");
        let Ok(upstream) = address.parse() else { panic!("{address} is not an address and port") };
        let shared = Arc::new(Shared {
            upstream,
            watched: Mutex::default(),
            faults: Mutex::new(faults),
            halt: Halt::default(),
            struck: Mutex::new(Struck::default()),
        });
        let listening = wait(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let port = listener.local_addr()?.port();
            std::io::Result::Ok((listener, port))
        });
        match listening {
            Ok((listener, port)) => {
                let task = handle().spawn(accept(listener, Arc::clone(&shared)));
                Self { url: format!("http://127.0.0.1:{port}"), shared, task }
            }
            Err(error) => panic!("no port for the proxy: {error}"),
        }
    }

    /// How often each fault struck.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<Fault, u64> {
        self.shared.struck().faults.clone()
    }

    /// Requests seen, struck or not.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.struck().requests
    }

    /// Counts the requests whose path contains `text`, from the next one on, when they come in and
    /// before any fault strikes. It ends when the counter is dropped.
    #[must_use]
    pub fn watch(&self, text: &str) -> Arc<AtomicU64> {
        let count = Arc::new(AtomicU64::new(0));
        self.shared.watched().push((text.to_owned(), Arc::clone(&count)));
        count
    }

    /// Replaces the faults from the next request on.
    pub fn set(&self, faults: Faults) {
        *self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }
}

/// Standing still at a step, so that a client can be killed there.
impl Proxy {
    /// Stands still once the engine has answered so many requests that change something, counted from
    /// here: the client hears neither that answer nor any other. 0: at once.
    pub fn halt_after(&self, changes: usize) {
        self.shared.halt.after(changes);
    }

    /// Whether it stands still.
    #[must_use]
    pub fn is_still(&self) -> bool {
        self.shared.halt.is_still()
    }

    /// Goes on, without the requests of clients that are gone.
    pub fn go_on(&self) {
        self.shared.halt.go_on();
    }

    /// The requests that changed something since [`Proxy::halt_after`], as method and path.
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        self.shared.halt.changes()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn struck(&self) -> std::sync::MutexGuard<'_, Struck> {
        self.struck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Vec<(String, Arc<AtomicU64>)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strike(&self, path: &str) -> Option<Fault> {
        self.watched().retain(|(text, count)| {
            if path.contains(text.as_str()) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            Arc::strong_count(count) > 1
        });
        let fault = self.faults.lock().unwrap_or_else(PoisonError::into_inner).strike(path);
        let mut struck = self.struck();
        struck.requests += 1;
        if let Some(fault) = fault {
            *struck.faults.entry(fault).or_default() += 1;
        }
        fault
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, so that no connection outlives the proxy.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    // An error on either side ends the connection, which is all that a client would see of it.
    while let Ok(true) = exchange::one(&mut client, &shared).await {}
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    #[test]
    fn faults_are_seeded_bounded_and_meant_for_a_path() {
        let faults = || {
            Faults::seeded(5)
                .with(Fault::DropResponse, 300)
                .with(Fault::Refuse(429), 300)
                .only("_bulk")
                .at_most(40)
        };
        let strikes = |mut faults: Faults| -> Vec<Option<Fault>> {
            (0..500).map(|_| faults.strike("/x/_bulk")).collect()
        };
        let first = strikes(faults());
        assert_eq!(first, strikes(faults()));
        assert_eq!(first.iter().flatten().count(), 40);
        assert!(first.contains(&Some(Fault::DropResponse)));
        assert!(first.contains(&Some(Fault::Refuse(429))));
        assert!((0..500).all(|_| faults().strike("/x/_search").is_none()));
    }
}
