//! `segue recipe check`.

use std::process::ExitCode;

use crate::args::RecipeCommand;
use crate::recipe_file;

/// Checks a recipe.
pub fn run(command: &RecipeCommand) -> anyhow::Result<ExitCode> {
    let RecipeCommand::Check(file) = command;
    let recipe = recipe_file::load(file)?;
    println!("{}: recipe {} is well-formed", file.recipe.display(), recipe.name);
    Ok(ExitCode::SUCCESS)
}
