//! Looking at everything that a migration may have touched; judged by [`segue_model::doctor`].

use segue_cluster::{Cluster, IndexState};
use segue_model::cutover::Mark;
use segue_model::doctor::{Evidence, Finding, Life, Next, Place, Severity, judge};
use segue_model::id::{IndexName, IndexUuid};
use segue_model::lease::Known;
use segue_model::part::PartState;
use serde::Serialize;

use crate::cutover::redirect::REDIRECT_PIPELINE;
use crate::error::{Error, chain};
use crate::session::Session;

/// What was found about one part.
#[derive(Clone, Debug, Serialize)]
pub struct Examined {
    /// The part; none for the migration as a whole.
    pub source: Option<IndexName>,
    /// Where it stands by the journal.
    pub phase: String,
    /// What contradicts that.
    pub findings: Vec<Finding>,
}

/// Looks at every part of the journal. Changes nothing.
pub async fn examine(session: &Session) -> Vec<Examined> {
    let journal = match session.journal().read().await {
        Ok(journal) => journal,
        Err(error) => return vec![unreadable(&error)],
    };
    let mut examined = Vec::new();
    for (source, state) in &journal.parts {
        let evidence = look(session, source, state).await;
        let findings = judge(source, state, &evidence);
        let phase = state.phase.to_string();
        examined.push(Examined { source: Some(source.clone()), phase, findings });
    }
    examined
}

/// Without the journal nothing can be compared.
fn unreadable(error: &Error) -> Examined {
    let (name, next) = match error {
        Error::Journal { .. } | Error::JournalDamaged(_) | Error::Stored { .. } => {
            let at = "the documents of segue-journal, and who changed them".to_owned();
            ("journal_damaged", Next::Look { at })
        }
        _ => ("cannot_tell", Next::Look { at: "why the journal cannot be read".to_owned() }),
    };
    let what = chain(error);
    let finding = Finding { name, severity: Severity::Doubt, what, next };
    Examined { source: None, phase: "unknown".to_owned(), findings: vec![finding] }
}

async fn look(session: &Session, source: &IndexName, state: &PartState) -> Evidence {
    let cluster = session.cluster();
    let mut unseen = Vec::new();
    let mut note = |what: String, error: &dyn std::error::Error| {
        unseen.push(format!("{what}: {}", chain(error)));
    };
    let mut places = [None, None, None];
    let keep = state.cutover.as_ref().map(|cutover| cutover.keep.clone());
    let names = [Some(source.clone()), state.target.clone(), keep];
    for (place, name) in places.iter_mut().zip(names) {
        let Some(name) = name else { continue };
        match find(cluster, &name).await {
            Ok(found) => *place = found,
            Err(error) => note(format!("looking at {name}"), &error),
        }
    }
    let mut name_on = Vec::new();
    match cluster.alias(source.as_str()).await {
        Ok(on) => name_on = on.into_keys().map(IndexName::new).collect(),
        Err(error) => note(format!("looking at the alias {source}"), &error),
    }
    let mut holder = Life::Nobody;
    match session.leases().holder_and_life(source).await {
        Ok(Some((by, Known::Dead))) => holder = Life::Dead(by.to_string()),
        Ok(Some((by, Known::No))) => holder = Life::Alive(by.to_string()),
        Ok(None) => {}
        Err(error) => note(format!("looking at the lease of {source}"), &error),
    }
    let [source, target, kept] = places;
    Evidence { source, target, kept, name_on, holder, unseen }
}

async fn find(cluster: &Cluster, name: &IndexName) -> Result<Option<Place>, segue_cluster::Error> {
    let Some(index) = cluster.index(name.as_str()).await? else { return Ok(None) };
    let blocked = cluster.write_blocked(&index.name).await?;
    Ok(Some(place(&index, blocked)))
}

fn place(index: &IndexState, blocked: bool) -> Place {
    let setting = |name: &str| index.settings[name].as_str();
    let redirects = setting("index.default_pipeline")
        .is_some_and(|pipeline| pipeline.starts_with(REDIRECT_PIPELINE));
    // What the target was to have after the switch stands in its own mapping.
    let wanted = &index.mappings["_meta"]["segue"]["after_switch"];
    let after = wanted.as_object().into_iter().flatten();
    let relaxed = after.filter(|(name, value)| index.settings[name.as_str()] != **value);
    Place {
        uuid: Some(IndexUuid::new(index.uuid.as_str())),
        blocked,
        redirects,
        relaxed: relaxed.map(|(name, _)| name.clone()).collect(),
        marks: index.aliases.keys().filter(|alias| Mark::is_one(alias)).cloned().collect(),
    }
}
