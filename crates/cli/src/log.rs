//! The log: diagnostics on standard error or in a file; never data.

use std::fs::OpenOptions;
use std::sync::Mutex;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::args::{LogFormat, LogOptions};

/// Starts logging.
pub fn start(options: &LogOptions) -> anyhow::Result<()> {
    let level = options.log_level.as_deref();
    // Who asks for a file wants to read each step there; a terminal shows steps anyway.
    let level = level.unwrap_or(if options.log_file.is_some() { "info" } else { "warn" });
    let filter =
        EnvFilter::try_new(level).with_context(|| format!("--log-level {level} is no level"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    match &options.log_file {
        None => {
            let builder = builder.with_writer(std::io::stderr).with_ansi(false);
            match options.log_format {
                LogFormat::Text => builder.init(),
                LogFormat::Json => builder.json().init(),
            }
        }
        Some(path) => {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("cannot open the log file {}", path.display()))?;
            let builder = builder.with_writer(Mutex::new(file)).with_ansi(false);
            match options.log_format {
                LogFormat::Text => builder.init(),
                LogFormat::Json => builder.json().init(),
            }
        }
    }
    Ok(())
}
