//! Asking whoever sits at the terminal, and heeding an interrupt.

use std::io::{BufRead, IsTerminal, Write};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Usage;

/// The first signal to stop stops cleanly; the second one at once.
pub fn stop_on_interrupt(cancel: CancellationToken) {
    tokio::spawn(async move {
        if asked_to_stop().await.is_ok() {
            eprintln!("stopping; once more to stop at once");
            cancel.cancel();
        }
        if asked_to_stop().await.is_ok() {
            std::process::exit(130);
        }
    });
}

/// Waits for Ctrl-C or a request to terminate.
async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Asks a question that "yes" answers; anything else is an error, as is nobody to answer.
pub fn confirm(question: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(Usage("nobody is there to confirm: give --yes".to_owned()).into());
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "yes") {
        Ok(())
    } else {
        Err(Usage("not confirmed; nothing was done".to_owned()).into())
    }
}
