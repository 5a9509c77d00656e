//! An engine of a test's own, whose nodes it may kill.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use segue_sandbox::{Options, Running, remove, up};
use segue_testkit::Engine;

/// A sandbox of the version under test that is removed in any case.
pub struct Own {
    options: Options,
    /// It, running.
    pub running: Running,
}

impl Own {
    /// Starts one with so many nodes.
    pub fn start(name: &str, nodes: usize) -> Own {
        let version = Engine::get().json.get("/")["version"]["number"].as_str().map(str::to_owned);
        let known = segue_sandbox::Engine::ALL;
        let mut options = Options::named(&format!("{name}-{}", std::process::id())).unwrap();
        options.engine =
            known.into_iter().find(|engine| Some(engine.version()) == version.as_deref());
        options.nodes = Some(nodes);
        options.heap = "512m".parse().unwrap();
        options.fresh = true;
        options.max_life = Duration::from_mins(15);
        let running = up(&options, &mut |_| {}).unwrap();
        Own { options, running }
    }

    /// Starts a node again that was killed. Its ports may be in somebody else's hands for a moment.
    pub fn back(&mut self, node: usize) {
        let mut left = 5;
        while let Err(error) = self.running.start_node(node, &mut |_| {}) {
            left -= 1;
            assert!(left > 0, "node {node} does not come back: {error}");
            std::thread::sleep(Duration::from_secs(3));
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _removed = remove(&self.options, &mut |_| {});
    }
}
