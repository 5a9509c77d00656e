//! The file that a run leaves its report in.

use std::path::Path;

use anyhow::Context;
use segue_engine::report::Report;
use segue_model::lint::Note;
use segue_model::recipe::Recipe;
use serde::Serialize;

use crate::args::RunOptions;
use crate::exit::{PlanRefused, Usage};
use crate::render::invenio;
use crate::render::report::ReportShape;

/// Refuses a recipe whose parts have no place in the report's shape.
pub fn check(options: &RunOptions, recipe: &Recipe) -> anyhow::Result<()> {
    match options.report_shape {
        ReportShape::Segue => Ok(()),
        ReportShape::Invenio => Ok(invenio::check(recipe).map_err(Usage)?),
    }
}

/// Writes the report of a run that came to its end.
pub fn ended(options: &RunOptions, report: &Report) -> anyhow::Result<()> {
    let Some(path) = &options.report else { return Ok(()) };
    match options.report_shape {
        ReportShape::Segue => write(path, report),
        ReportShape::Invenio => write(path, &invenio::shaped(report)),
    }
}

/// Writes that the plan refused; segue's own report is about runs that began.
pub fn refused<'a>(
    options: &RunOptions,
    errors: impl Iterator<Item = &'a Note>,
) -> anyhow::Result<()> {
    match (&options.report, options.report_shape) {
        (Some(path), ReportShape::Invenio) => write(path, &invenio::refused(errors)),
        _ => Ok(()),
    }
}

/// Writes why a run ended before its report; what the plan refused is written already.
pub fn failed(options: &RunOptions, error: &anyhow::Error) -> anyhow::Result<()> {
    match (&options.report, options.report_shape) {
        (Some(path), ReportShape::Invenio) if !error.is::<PlanRefused>() => {
            let engine = error.chain().find_map(|e| e.downcast_ref::<segue_engine::Error>());
            let code = engine.map(segue_engine::Error::code);
            write(path, &invenio::failed(code, format!("{error:#}")))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, report: &impl Serialize) -> anyhow::Result<()> {
    let json = serde_json::to_string(report)?;
    std::fs::write(path, format!("{json}\n"))
        .with_context(|| format!("cannot write the report {}", path.display()))
}
