//! The runtime in the background that all waiting is done on.

use std::future::Future;
use std::sync::{LazyLock, mpsc};

use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| match Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime for the tests: {error}"),
    });

/// The background runtime.
pub(crate) fn handle() -> &'static Handle {
    RUNTIME.handle()
}

/// Waits for a future on the background runtime. May be called on any thread, also on one that
/// belongs to another runtime.
///
/// # Panics
/// If the future panics.
pub fn wait<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (done, result) = mpsc::sync_channel(1);
    handle().spawn(async move {
        // The receiver waits below; it is gone only if its thread is.
        let _unheard = done.send(future.await);
    });
    match result.recv() {
        Ok(result) => result,
        Err(_) => panic!("the work in the background panicked; its message stands above"),
    }
}

#[cfg(test)]
mod tests {
    use super::wait;

    #[test]
    fn waits_on_a_plain_thread() {
        assert_eq!(wait(async { 7 }), 7);
    }

    #[tokio::test]
    async fn waits_inside_another_runtime() {
        assert_eq!(wait(async { tokio::task::yield_now().await }), ());
    }
}
