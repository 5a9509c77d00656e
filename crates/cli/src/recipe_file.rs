//! A recipe from its file, and the cluster it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use segue_cluster::{Auth, Cluster, ClusterConfig};
use segue_model::recipe::{
    AuthRef, ClusterRef, Error as Fault, MembershipRecipe, Recipe, RollupRecipe, SecretRef,
};
use segue_transform::{Error as TransformError, Program};

use crate::args::RecipeFile;
use crate::exit::Usage;

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Reads and checks the recipe.
pub fn load(file: &RecipeFile) -> anyhow::Result<Recipe> {
    read(file, parse)
}

/// Reads and checks the recipe of a roll-up.
pub fn load_rollup(file: &RecipeFile) -> anyhow::Result<RollupRecipe> {
    read(file, RollupRecipe::parse)
}

/// Whether the file is the recipe of a roll-up, right or wrong.
pub fn is_rollup(file: &RecipeFile) -> bool {
    std::fs::read_to_string(&file.recipe).is_ok_and(|text| RollupRecipe::is_meant(&text))
}

/// Reads and checks the recipe of a membership.
pub fn load_membership(file: &RecipeFile) -> anyhow::Result<MembershipRecipe> {
    read(file, MembershipRecipe::parse)
}

/// Whether the file is the recipe of a membership, right or wrong.
pub fn is_membership(file: &RecipeFile) -> bool {
    std::fs::read_to_string(&file.recipe).is_ok_and(|text| MembershipRecipe::is_meant(&text))
}

/// Reads and checks the recipe, and fills everything in.
pub fn resolve(file: &RecipeFile) -> anyhow::Result<serde_json::Value> {
    read(file, parse)?;
    read(file, Recipe::resolve)
}

/// Reads and checks a recipe, its scripts too.
fn parse(
    text: &str,
    name: &str,
    set: &BTreeMap<String, String>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Recipe, Fault> {
    let recipe = Recipe::parse(text, name, set, env)?;
    // Only the pipeline's compiler knows the language of scripts.
    match Program::compile(&recipe.pipeline) {
        Err(TransformError::Script { script, line, column, problem }) => {
            Err(Fault::in_script(text, name, &script, (line, column), &problem))
        }
        // Anything else is said where the pipeline is prepared.
        _ => Ok(recipe),
    }
}

/// What makes something of a recipe: its text and file, the values that are set, and the environment.
type Read<T> =
    fn(&str, &str, &BTreeMap<String, String>, &dyn Fn(&str) -> Option<String>) -> Result<T, Fault>;

fn read<T>(file: &RecipeFile, read: Read<T>) -> anyhow::Result<T> {
    let path = &file.recipe;
    let text = std::fs::read_to_string(path)
        .map_err(|error| Usage(format!("cannot read the recipe {}: {error}", path.display())))?;
    let set = file.set.iter().cloned().collect();
    let name = path.display().to_string();
    read(&text, &name, &set, &|name| std::env::var(name).ok())
        .map_err(|error| Usage(error.render()).into())
}

/// The folder that the recipe's own files are looked for in.
pub fn folder(file: &RecipeFile) -> PathBuf {
    match file.recipe.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The cluster that the recipe names, with the secrets it refers to. Sends nothing.
pub fn connect(recipe: &Recipe, folder: &Path) -> anyhow::Result<Cluster> {
    connect_to(&recipe.cluster, folder)
}

/// A cluster by reference, with the secrets it refers to. Sends nothing.
pub fn connect_to(reference: &ClusterRef, folder: &Path) -> anyhow::Result<Cluster> {
    let mut config = ClusterConfig::new(&reference.url);
    config.request_timeout = REQUEST_TIMEOUT;
    config.auth = match &reference.auth {
        AuthRef::None => Auth::None,
        AuthRef::Basic { user, password } => {
            Auth::Basic { user: user.clone(), password: secret(password, folder)?.into() }
        }
        AuthRef::ApiKey(key) => Auth::ApiKey(secret(key, folder)?.into()),
    };
    config.tls.verify = reference.tls.verify;
    if let Some(ca) = &reference.tls.ca {
        let path = folder.join(ca);
        let pem = std::fs::read(&path)
            .with_context(|| format!("cannot read the certificates {}", path.display()))?;
        config.tls.ca_pem = Some(pem);
    }
    Ok(Cluster::new(&config)?)
}

fn secret(reference: &SecretRef, folder: &Path) -> anyhow::Result<String> {
    match reference {
        SecretRef::Env(name) => {
            std::env::var(name).map_err(|_| Usage(format!("the variable {name} is not set")).into())
        }
        SecretRef::File(file) => {
            let path = folder.join(file);
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read the secret file {}", path.display()))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}

/// Where local state of this cluster's migrations lives.
pub async fn state_dir(cluster: &Cluster) -> anyhow::Result<PathBuf> {
    let root = std::env::var_os("SEGUE_STATE_DIR").map(PathBuf::from);
    let root = match root {
        Some(root) => root,
        None => user_state().context("neither SEGUE_STATE_DIR, XDG_STATE_HOME nor HOME is set")?,
    };
    let product = cluster.product().await.context("cannot reach the cluster")?;
    Ok(root.join("clusters").join(product.cluster_uuid))
}

/// `XDG_STATE_HOME/segue`, else `~/.local/state/segue`.
pub fn user_state() -> Option<PathBuf> {
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(base.join("segue"))
}
