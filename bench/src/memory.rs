//! Memory does not grow with the file: a small one and a large one, one after the other.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use segue_testkit::Engine;
use serde_json::json;

use crate::figures::Figures;
use crate::load::clear;
use crate::program::Program;

/// What is loaded.
#[derive(Debug, Args)]
pub struct Memory {
    /// Size of the large file, in MB. The small one is a twentieth.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    megabytes: u32,
    /// Where the files are made; they are deleted afterwards. The system's folder for such things if not
    /// given.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Bytes of a row, its line break included.
const ROW: u32 = 500;

/// Loads both files.
///
/// # Errors
/// There is no room for the file, or a load fails.
pub fn measure(segue: &Path, wanted: &Memory, engine: &Engine) -> anyhow::Result<Figures> {
    let folder = wanted.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::tempdir_in(folder).context("cannot make a folder for the files")?;
    let mut figures = Figures::new(rows(wanted.megabytes));
    for megabytes in [wanted.megabytes / 20, wanted.megabytes] {
        eprintln!("making a file of {megabytes} MB");
        let file = folder.path().join("rows.csv");
        make(&file, rows(megabytes))?;
        // Nothing is made searchable: it is segue's memory that is looked at.
        let template = json!({
            "settings": { "number_of_shards": 1, "number_of_replicas": 0 },
            "mappings": { "dynamic": false, "properties": {} }
        });
        let program = Program::new(segue, &engine.url)?;
        let ran = program.load(&file, "bench-loaded", &template, rows(megabytes))?;
        clear(engine);
        figures.add(&format!("{megabytes} MB: peak memory, MB"), ran.peak_mb);
        figures.other(&format!("{megabytes} MB: loading"), ran.backfill_s);
        figures.other(&format!("{megabytes} MB: verification"), ran.verify_s);
    }
    Ok(figures)
}

fn rows(megabytes: u32) -> u32 {
    megabytes * (1_000_000 / ROW)
}

fn make(path: &Path, rows: u32) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "number,code,text")?;
    let text = "words of a text, and more of them; ".repeat(14);
    for number in 0..rows {
        writeln!(file, "{number:010},c{:06},\"{}\"", number % 999_983, &text[..478])?;
    }
    file.flush().context("cannot write the file")
}
