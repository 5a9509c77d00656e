//! Progress: a bar per part on a terminal, plain lines otherwise. All on standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use segue_engine::progress::{Listener, Progress};
use segue_model::id::IndexName;

/// How often a plain line about documents carried is printed for a part.
const EVERY: Duration = Duration::from_secs(5);

/// Shows what a run tells.
#[derive(Clone)]
pub struct Display(Arc<Shared>);

struct Shared {
    bars: MultiProgress,
    terminal: bool,
    parts: Mutex<BTreeMap<IndexName, Part>>,
}

struct Part {
    bar: ProgressBar,
    begun: Instant,
    said: Instant,
    documents: u64,
    bytes: u64,
    expected: u64,
}

impl Display {
    /// Bars if standard error is a terminal.
    pub fn start() -> Display {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        Display(Arc::new(Shared { bars, terminal, parts: Mutex::default() }))
    }

    /// Who a run tells.
    pub fn listener(&self) -> Listener {
        let shared = Arc::clone(&self.0);
        Listener::new(move |progress| shared.take(progress))
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        self.0.bars.clear().ok();
    }
}

impl Shared {
    fn take(&self, progress: Progress) {
        match progress {
            Progress::Phase { part, phase } => {
                self.with(&part, |p| p.bar.set_prefix(phase.clone()));
                if !self.terminal {
                    eprintln!("{part}: {phase}");
                }
            }
            Progress::Expected { part, documents } => self.with(&part, |p| {
                p.bar.set_length(documents);
                (p.begun, p.expected) = (Instant::now(), documents);
            }),
            Progress::Carried { part, documents, bytes } => self.with(&part, |p| {
                p.documents += documents;
                p.bytes += bytes;
                p.bar.inc(documents);
                p.bar.set_message(p.rate());
                if !self.terminal && p.said.elapsed() >= EVERY {
                    p.said = Instant::now();
                    eprintln!("{part}: {} of {} documents, {}", p.documents, p.expected, p.rate());
                }
            }),
            Progress::Compared { .. } => {}
            Progress::Step { part, step, took } => {
                let part = part.map_or_else(|| "run".to_owned(), |part| part.to_string());
                tracing::info!(%part, step, took_ms = took.as_millis(), "step");
            }
            Progress::Waiting { reasons } if reasons.is_empty() => self.say("waiting is over"),
            Progress::Waiting { reasons } => {
                self.say(&format!("waiting on {}", reasons.join("; ")));
            }
            Progress::Note { part: Some(part), text } => self.say(&format!("{part}: {text}")),
            Progress::Note { part: None, text } => self.say(&text),
        }
    }

    fn say(&self, line: &str) {
        if self.terminal {
            self.bars.println(line).ok();
        } else {
            eprintln!("{line}");
        }
    }

    fn with(&self, part: &IndexName, change: impl FnOnce(&mut Part)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let part = parts.entry(part.clone()).or_insert_with(|| Part::new(&self.bars, part));
        change(part);
    }
}

impl Part {
    fn new(bars: &MultiProgress, name: &IndexName) -> Part {
        let style = ProgressStyle::with_template(&format!(
            "{name} {{prefix:12}} {{bar:24}} {{pos}}/{{len}} {{msg}} eta {{eta}}"
        ));
        let bar = bars.add(ProgressBar::new(0));
        if let Ok(style) = style {
            bar.set_style(style);
        }
        let now = Instant::now();
        Part { bar, begun: now, said: now, documents: 0, bytes: 0, expected: 0 }
    }

    fn rate(&self) -> String {
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let (documents, bytes) =
            (self.documents as f64 / seconds, (self.bytes as f64 / seconds) as u64);
        format!("{documents:.0} docs/s, {}/s", HumanBytes(bytes))
    }
}
