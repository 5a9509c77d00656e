//! `segue copy`: a migration without a recipe of one's own, up to the comparison.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use segue_engine::migrate::Goal;
use segue_model::draft::{copy, copy_name};

use super::run as run_recipe;
use crate::args::{ConnectOptions, CopyOptions, PlanOptions, RecipeFile, RunOptions};
use crate::exit::Usage;
use crate::recipe_file::user_state;
use crate::render::report::ReportShape;

/// Copies and compares.
pub async fn run(options: &CopyOptions) -> anyhow::Result<ExitCode> {
    let (source, target) = (&options.source, &options.target);
    let file = write(source, target, &options.connect, options.template.as_deref())?;
    eprintln!("recipe: {}", file.display());
    let ended =
        run_recipe::run(&run_options(file, options.yes, options.json), Goal::Verify, None).await?;
    eprintln!("next: segue switch ALIAS --from {source} --to {target}");
    Ok(ended)
}

/// How the recipe of a copy is run.
pub fn run_options(recipe: PathBuf, yes: bool, json: bool) -> RunOptions {
    let file = RecipeFile { recipe, set: Vec::new() };
    let plan = PlanOptions { file, only: Vec::new(), json };
    let report_shape = ReportShape::default();
    RunOptions { plan, max_batches: None, at_most: None, yes, report: None, report_shape }
}

/// Where the recipe of a copy lies.
pub fn place(source: &str, target: &str) -> anyhow::Result<PathBuf> {
    let folder = user_state().context("neither XDG_STATE_HOME nor HOME is set")?.join("recipes");
    Ok(folder.join(format!("{}.yaml", copy_name(source, target))))
}

/// Writes the recipe of a copy.
pub fn write(
    source: &str,
    target: &str,
    connect: &ConnectOptions,
    template: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let path = place(source, target)?;
    let writing = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(writing)?;
    }
    let mut name = None;
    if let Some(template) = template {
        let kept = path.with_extension("template.json");
        std::fs::copy(template, &kept)
            .map_err(|error| Usage(format!("cannot read {}: {error}", template.display())))?;
        name = kept.file_name().map(|name| name.to_string_lossy().into_owned());
    } else if path.with_extension("template.json").exists() {
        // A copy that was begun with a template goes on with it.
        let kept = path.with_extension("template.json");
        name = kept.file_name().map(|name| name.to_string_lossy().into_owned());
    }
    let drafted = copy(source, target, &connect.lines(), name.as_deref());
    std::fs::write(&path, drafted.recipe).with_context(writing)?;
    Ok(path)
}
