//! `segue doctor`.

use std::process::ExitCode;

use segue_engine::Ending;
use segue_engine::doctor::{Chart, Examined, examine};
use segue_engine::progress::Listener;
use segue_engine::session::Session;
use segue_model::doctor::{Finding, word};
use segue_model::id::IndexName;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::abandon::choose;
use super::ask::stop_on_interrupt;
use super::plan::{Bounds, open};
use crate::args::{PartsOptions, RecipeFile};
use crate::exit;

/// Says what in the cluster contradicts the journal.
pub async fn run(options: &PartsOptions) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let session = open(&options.file, Bounds::default(), Listener::new(|_| {}), cancel).await?;
    let chart = Chart::read(&session).await;
    let whole = chart.findings();
    // Where the journal is unreadable, nobody knows what has begun.
    let chosen = if whole.is_empty() {
        choose(&session, options, chart.parts())?
    } else {
        chart.parts().map(|(part, _)| part.clone()).collect()
    };
    let mut parts = Vec::new();
    for source in &chosen {
        parts.push(examine(&session, chart.clone(), source).await?);
    }
    let speaker = Speaker { session: &session, file: &options.file };
    if options.json {
        println!("{}", speaker.as_json(&whole, &parts));
    } else {
        speaker.show(&whole, &parts);
    }
    let clean = whole.is_empty() && parts.iter().all(|part| part.findings.is_empty());
    Ok(exit::code((!clean).then_some(Ending::Refused)))
}

/// Knows how the next step is typed.
struct Speaker<'a> {
    session: &'a Session,
    file: &'a RecipeFile,
}

impl Speaker<'_> {
    /// The recipe with its variables, and what chooses `part` alone.
    fn arguments(&self, part: Option<&IndexName>) -> String {
        let mut words = vec![word(&self.file.recipe.to_string_lossy())];
        for (name, value) in &self.file.set {
            words.push(format!("--set {}", word(&format!("{name}={value}"))));
        }
        let captures = part.and_then(|part| self.session.recipe().source.matches(part.as_str()));
        for (key, value) in captures.into_iter().flatten() {
            words.push(format!("--only {}", word(&format!("{key}={value}"))));
        }
        words.join(" ")
    }

    fn command(&self, part: Option<&IndexName>, finding: &Finding) -> String {
        finding.next.command(&self.arguments(part), self.session.cluster().url())
    }

    fn as_json(&self, whole: &[Finding], parts: &[Examined]) -> Value {
        let each = |part: Option<&IndexName>, findings: &[Finding]| -> Vec<Value> {
            let one = |finding: &Finding| {
                let mut value = json!(finding);
                value["next"] = json!(self.command(part, finding));
                value
            };
            findings.iter().map(one).collect()
        };
        let parts: Vec<_> = parts
            .iter()
            .map(|part| {
                let findings = each(Some(&part.source), &part.findings);
                json!({ "source": part.source, "phase": part.phase, "findings": findings })
            })
            .collect();
        json!({
            "migration": self.session.migration(), "findings": each(None, whole), "parts": parts
        })
    }

    fn show(&self, whole: &[Finding], parts: &[Examined]) {
        if !whole.is_empty() {
            println!("{}", self.session.migration());
            self.list(None, whole);
        }
        for part in parts {
            println!("{}\n    {}", part.source, part.phase);
            if part.findings.is_empty() {
                println!("    nothing contradicts the journal");
            }
            self.list(Some(&part.source), &part.findings);
        }
    }

    fn list(&self, part: Option<&IndexName>, findings: &[Finding]) {
        for finding in findings {
            println!("    {} {}: {}", finding.severity, finding.kind.name(), finding.what);
            println!("        next: {}", self.command(part, finding));
        }
    }
}
