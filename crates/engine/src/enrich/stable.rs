//! Trying on documents of a source whether the pipeline leaves alone what it has made.

use segue_model::enrich::{Rule, UNSTABLE, Verdict};
use segue_model::id::IndexName;
use segue_model::lint::Note;
use segue_model::plan::Plan;
use segue_transform::{Bound, Document, Program};
use serde_json::json;

use super::batch::judge;
use crate::error::{Doing, Error, chain};
use crate::session::Session;

/// Documents of each source that are tried, the newest.
const DOCUMENTS: usize = 100;

/// Where documents are to be enriched after the switch: adds a note for each part for whose documents
/// the pipeline is not stable. Rows are pinned by a run only: with lookups the run tries it.
pub(crate) async fn probe_stable(session: &Session, plan: &mut Plan) {
    if !session.recipe().enriches_in_place() || plan.errors().next().is_some() {
        return;
    }
    let program = Program::compile(&session.recipe().pipeline);
    let Ok(program) = program.and_then(|program| program.bind(Vec::new())) else { return };
    let mut notes = Vec::new();
    for part in plan.active().filter(|part| part.shards > 0) {
        let problem = match try_part(session, &program, &part.all_sources()).await {
            Ok(problem) => problem,
            Err(error) => Some(format!("it could not be tried: {}", chain(&error))),
        };
        if let Some(what) = problem {
            notes.push(Note::error("SEG-P163", part.source.as_str(), what, HINT));
        }
    }
    plan.notes.extend(notes);
}

const HINT: &str = "let each step find nothing to do in its own result, or use another \
                    cutover.after_switch";

/// As [`probe_stable`], with the pinned rows, before a part is begun.
///
/// # Errors
/// [`Error::Recipe`] where the pipeline is not stable.
pub(crate) async fn check_stable(
    session: &Session,
    program: &Bound,
    source: &IndexName,
) -> Result<(), Error> {
    if !session.recipe().enriches_in_place() {
        return Ok(());
    }
    match try_part(session, program, source).await? {
        None => Ok(()),
        Some(what) => Err(Error::Recipe(format!("SEG-P163: {source}: {what}; {HINT}"))),
    }
}

async fn try_part(
    session: &Session,
    program: &Bound,
    source: &IndexName,
) -> Result<Option<String>, Error> {
    let query = json!({ "size": DOCUMENTS, "sort": [{ "_seq_no": "desc" }], "_source": true });
    let reading = || format!("reading documents of {source}");
    let page = session.cluster().search(source.as_str(), &query).await.doing(reading)?;
    let mut worker = program.worker();
    let (mut tried, mut unstable) = (0u32, Vec::new());
    for hit in &page.hits {
        let Some(document) = &hit.source else { continue };
        tried += 1;
        let source = document.get().as_bytes();
        let document = Document { id: &hit.id, routing: hit.routing.as_deref(), source };
        let judged = judge(&mut worker, Rule::Fixpoint, document)?;
        if let Verdict::Leave { kind: UNSTABLE, reason } = judged {
            unstable.push(format!("{:?}: {reason}", hit.id));
        }
    }
    Ok(unstable.first().map(|first| {
        let count = unstable.len();
        format!("{count} of {tried} documents can't be enriched in place: {first}")
    }))
}
