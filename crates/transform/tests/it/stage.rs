//! What the tests share: a pipeline from text, views from rows, one document through.

use std::collections::BTreeMap;
use std::sync::Arc;

use segue_model::recipe::{Recipe, Step};
use segue_transform::{Document, Error, Outcome, Program, View, ViewBuilder, Worker};

/// The steps of a recipe with this pipeline.
pub fn steps(pipeline: &str) -> Vec<Step> {
    let text = format!(
        "segue: 1\nname: t\ncluster: {{ url: http://h }}\nsource: {{ index: a }}\ntarget: {{ index: b }}\n\
         pipeline:\n{pipeline}"
    );
    Recipe::parse(&text, "t.yaml", &BTreeMap::new(), &|_| None)
        .unwrap_or_else(|error| panic!("{}", error.render()))
        .pipeline
}

/// A pipeline with its views, which live as long as it does.
pub struct Stage {
    pub worker: Worker,
    pub views: Vec<Arc<View>>,
    _folder: tempfile::TempDir,
}

/// A pipeline whose lookups have these rows, in the order of the lookups.
pub fn stage(pipeline: &str, rows: &[&[&str]]) -> Stage {
    stage_of(&steps(pipeline), rows).unwrap()
}

pub fn stage_of(steps: &[Step], rows: &[&[&str]]) -> Result<Stage, Error> {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::compile(steps)?;
    let mut views = Vec::new();
    for (at, spec) in program.lookups().iter().enumerate() {
        let mut builder = ViewBuilder::new(spec, &folder.path().join(format!("{at}.view")))?;
        for row in rows[at] {
            builder.add(row.as_bytes())?;
        }
        views.push(Arc::new(builder.finish()?));
    }
    let worker = program.bind(views.clone())?.worker();
    Ok(Stage { worker, views, _folder: folder })
}

/// What became of a document: its new source, or the reason why there is none.
#[derive(Debug, PartialEq, Eq)]
pub enum Became {
    Written(String),
    Filtered(String),
    Refused(String),
}

impl Stage {
    pub fn run(&mut self, source: &str) -> Became {
        // What is in the buffer already must stay.
        let mut out = b"before".to_vec();
        let document = Document { id: "1", routing: None, source: source.as_bytes() };
        let outcome = self.worker.apply(document, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rest = text.strip_prefix("before").unwrap();
        match outcome {
            Outcome::Written => Became::Written(rest.to_owned()),
            Outcome::Filtered { reason } => {
                assert_eq!(rest, "");
                Became::Filtered(reason.to_string())
            }
            Outcome::Refused { reason } => {
                assert_eq!(rest, "");
                Became::Refused(reason)
            }
        }
    }

    #[track_caller]
    pub fn written(&mut self, source: &str) -> String {
        match self.run(source) {
            Became::Written(text) => text,
            other => panic!("{source}: {other:?}"),
        }
    }

    #[track_caller]
    pub fn refused(&mut self, source: &str) -> String {
        match self.run(source) {
            Became::Refused(reason) => reason,
            other => panic!("{source}: {other:?}"),
        }
    }
}
