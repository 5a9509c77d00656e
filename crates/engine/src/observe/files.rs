//! Looking at files: which there are, and what their columns are.

use std::path::Path;

use segue_files::{Inference, Listed, Shape};
use segue_model::observe::files::{SeenFile, SeenFiles};
use segue_model::recipe::{FileFormat, FilesSpec};

use crate::error::Error;

/// Looks at every file that the recipe names, below `folder`. What cannot be read is a fault of the
/// plan, not an error.
pub(super) async fn look(spec: &FilesSpec, folder: &Path) -> Result<SeenFiles, Error> {
    let (spec, folder) = (spec.clone(), folder.to_owned());
    let looked = tokio::task::spawn_blocking(move || look_at(&spec, &folder));
    looked.await.map_err(|join| Error::Task(join.to_string()))
}

fn look_at(spec: &FilesSpec, folder: &Path) -> SeenFiles {
    let (listed, faults) = segue_files::list(folder, &spec.files);
    let mut seen = SeenFiles { faults, ..SeenFiles::default() };
    let mut inference = Inference::default();
    for file in listed {
        let Some(format) = spec.format.or_else(|| FileFormat::of_name(&file.name)) else {
            seen.faults.push(format!("{}: its name does not say how it is written", file.name));
            continue;
        };
        if format.has_columns()
            && let Err(error) = inference.look(&file.path, &Shape::new(format, spec.delimiter))
        {
            seen.faults.push(crate::error::chain(&error));
        }
        seen.files.push(seen_file(file, format));
    }
    seen.columns = inference.columns();
    for (name, column) in &spec.columns {
        if let Some(known) = seen.columns.get_mut(name) {
            *known = *column;
        }
    }
    seen
}

pub(crate) fn seen_file(file: Listed, format: FileFormat) -> SeenFile {
    let Listed { name: path, bytes, modified_ms, .. } = file;
    SeenFile { path, bytes, modified_ms, format }
}
