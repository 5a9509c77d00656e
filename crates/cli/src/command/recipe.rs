//! `segue recipe check`, `segue recipe show` and `segue recipe schema`.

use std::process::ExitCode;

use anyhow::Context;

use super::recipe_new;
use crate::args::RecipeCommand;
use crate::recipe_file;

/// What is done with recipes alone.
pub async fn run(command: &RecipeCommand) -> anyhow::Result<ExitCode> {
    match command {
        RecipeCommand::Check(file) if recipe_file::is_rollup(file) => {
            let recipe = recipe_file::load_rollup(file)?;
            println!("{}: roll-up {} is well-formed", file.recipe.display(), recipe.name);
        }
        RecipeCommand::Check(file) if recipe_file::is_membership(file) => {
            let recipe = recipe_file::load_membership(file)?;
            println!("{}: membership {} is well-formed", file.recipe.display(), recipe.name);
        }
        RecipeCommand::Check(file) => {
            let recipe = recipe_file::load(file)?;
            println!("{}: recipe {} is well-formed", file.recipe.display(), recipe.name);
        }
        RecipeCommand::Show(options) => {
            let shown = recipe_file::resolve(&options.file)?;
            if options.json {
                println!("{shown}");
            } else {
                let text = serde_saphyr::to_string(&shown).context("cannot write YAML")?;
                print!("{text}");
            }
        }
        RecipeCommand::Schema(options) => {
            let schema = if options.rollup {
                segue_model::recipe::rollup_schema()
            } else {
                segue_model::recipe::schema()
            };
            println!("{schema:#}");
        }
        RecipeCommand::New(options) => return recipe_new::run(options).await,
    }
    Ok(ExitCode::SUCCESS)
}
