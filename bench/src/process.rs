//! A process seen from outside: how long it runs, what it uses.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What a process used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// From start to end, in seconds.
    pub wall_s: f64,
    /// CPU time, user and system, in seconds.
    pub cpu_s: f64,
    /// Largest resident memory, in MB.
    pub peak_mb: f64,
}

/// Runs a program to its end, and calls `look` with its number every 20 milliseconds.
///
/// # Errors
/// It does not start, fails, or does not end in time; or `look` fails. It is ended then.
pub fn run(
    command: &mut Command,
    patience: Duration,
    mut look: impl FnMut(u32) -> anyhow::Result<()>,
) -> anyhow::Result<Used> {
    let name = command.get_program().to_string_lossy().into_owned();
    let before = children_cpu()?;
    let begun = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let mut peak = 0.0_f64;
    let status = loop {
        peak = peak.max(peak_mb(child.id()));
        let looked = look(child.id());
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if looked.is_err() || begun.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            looked?;
            anyhow::bail!("{name} did not end within {} s", patience.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let wall_s = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "{name} ended with {status}");
    Ok(Used { wall_s, cpu_s: children_cpu()? - before, peak_mb: peak })
}

/// User and system time of a running process so far, in seconds: fields 14 and 15, in hundredths.
///
/// # Errors
/// The process has ended.
pub fn cpu_s(process: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: Result<Vec<f64>, _> = ticks.map(str::parse).collect();
    Ok(ticks?.iter().sum::<f64>() / 100.0)
}

/// CPU time of all children that have ended, in seconds.
fn children_cpu() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let milliseconds =
        usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a short run")]
    Ok(milliseconds as f64 / 1000.0)
}

/// The largest resident memory so far, in MB; 0 where the process has ended.
fn peak_mb(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1000.0
}
