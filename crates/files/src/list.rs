//! Finding files by paths with wildcards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path relative to the folder it was looked for in, or as it was named.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub modified_ms: u64,
}

/// Every file that one of `patterns` finds below `folder`, by name, and what stood in the way.
#[must_use]
pub fn list(folder: &Path, patterns: &[String]) -> (Vec<Listed>, Vec<String>) {
    let (mut found, mut faults) = (BTreeMap::new(), Vec::new());
    let mut real_names: BTreeMap<PathBuf, String> = BTreeMap::new();
    for pattern in patterns {
        let whole = escaped(folder).join(pattern);
        let paths = match glob::glob(&whole.to_string_lossy()) {
            Ok(paths) => paths,
            Err(error) => {
                faults.push(format!("`{pattern}` is no path with wildcards: {error}"));
                continue;
            }
        };
        for path in paths {
            match path.map_err(|error| error.to_string()).and_then(|path| look(folder, path)) {
                Ok(Some(file)) => {
                    let real = std::fs::canonicalize(&file.path).unwrap_or(file.path.clone());
                    match real_names.get(&real) {
                        Some(name) if *name != file.name => faults.push(format!(
                            "{} is the same file as {name}: its records would be loaded twice",
                            file.name
                        )),
                        _ => {
                            real_names.insert(real, file.name.clone());
                            found.insert(file.name.clone(), file);
                        }
                    }
                }
                Ok(None) => {}
                Err(why) => faults.push(why),
            }
        }
    }
    (found.into_values().collect(), faults)
}

/// The folder's own name has no wildcards, whatever stands in it.
fn escaped(folder: &Path) -> PathBuf {
    PathBuf::from(glob::Pattern::escape(&folder.to_string_lossy()))
}

fn look(folder: &Path, path: PathBuf) -> Result<Option<Listed>, String> {
    let seen = std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if !seen.is_file() {
        return Ok(None);
    }
    let modified = seen.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified_ms = modified.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(0));
    let Some(name) = path.strip_prefix(folder).unwrap_or(&path).to_str().map(str::to_owned) else {
        return Err(format!("{}: its name is not UTF-8", path.display()));
    };
    Ok(Some(Listed { name, bytes: seen.len(), modified_ms, path }))
}
