//! The file of one shard's inventory.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use segue_model::id::{SeqNo, Shard};
use segue_model::position::Window;

use super::run::{Entry, Run, read_run};
use crate::error::Error;

/// The inventory of one shard, open for appending.
///
/// Windows finish in any order; a run is appended when all before it are, so the file stays sorted
/// and can be cut back to a checkpoint by its length alone.
#[derive(Debug)]
pub struct Inventory {
    path: PathBuf,
    file: File,
    length: u64,
    synced: u64,
    end: SeqNo,
    waiting: BTreeMap<i64, (Window, Vec<u8>)>,
}

impl Inventory {
    /// Opens the inventory of `shard` under `folder` and cuts it back to `length` bytes, which is
    /// where `position` is. `Ok(None)` if the file is not what the checkpoint relies on any more (it
    /// was lost, or this is another machine).
    pub fn open(
        folder: &Path,
        shard: Shard,
        length: u64,
        position: SeqNo,
    ) -> Result<Option<Inventory>, Error> {
        let path = folder.join(format!("shard-{shard}.inventory"));
        std::fs::create_dir_all(folder).map_err(|e| io("creating", folder, e))?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|e| io("opening", &path, e))?;
        let there = file.metadata().map_err(|e| io("reading", &path, e))?.len();
        if there < length {
            return Ok(None);
        }
        file.set_len(length).map_err(|e| io("cutting", &path, e))?;
        let waiting = BTreeMap::new();
        Ok(Some(Inventory { path, file, length, synced: length, end: position, waiting }))
    }

    /// Begins again with an empty file after `position`: everything is copied anew, or what the
    /// file held was lost.
    pub fn begin(folder: &Path, shard: Shard, position: SeqNo) -> Result<Inventory, Error> {
        match Inventory::open(folder, shard, 0, position)? {
            Some(inventory) => Ok(inventory),
            None => Err(Error::Task("an empty inventory could not be opened".to_owned())),
        }
    }

    /// A pass is repeated from `position`. Windows of the repeated pass need not end where those of
    /// the first did, so the file cannot be cut there: it is emptied, and what it held before
    /// `position` is lost to the audit, which has to rebuild it.
    pub fn step_back(&mut self, position: SeqNo) -> Result<(), Error> {
        self.file.set_len(0).map_err(|e| io("cutting", &self.path, e))?;
        self.waiting.clear();
        (self.length, self.synced, self.end) = (0, 0, position);
        Ok(())
    }

    /// Takes the run of a finished window; it is appended once all windows before it are.
    pub fn add(&mut self, window: Window, run: &Run) -> Result<(), Error> {
        self.waiting.insert(window.from.0, (window, run.seal(window)));
        while let Some((window, bytes)) = self.waiting.remove(&self.end.0) {
            self.file.write_all(&bytes).map_err(|e| io("writing", &self.path, e))?;
            self.length += bytes.len() as u64;
            self.end = window.to;
        }
        Ok(())
    }

    /// Makes everything appended so far durable; returns the length a checkpoint may rely on.
    pub fn sync(&mut self) -> Result<u64, Error> {
        if self.synced < self.length {
            self.file.sync_data().map_err(|e| io("syncing", &self.path, e))?;
            self.synced = self.length;
        }
        Ok(self.length)
    }

    /// Up to which number the file accounts for the shard.
    pub fn end(&self) -> SeqNo {
        self.end
    }
}

/// Every entry of the inventory of `shard`, run by run, for as far as a checkpoint relies on it.
pub fn read_all(
    folder: &Path,
    shard: Shard,
    length: u64,
    mut each: impl FnMut(Entry),
) -> Result<(), Error> {
    let path = folder.join(format!("shard-{shard}.inventory"));
    let mut file = File::open(&path).map_err(|e| io("opening", &path, e))?;
    file.seek(SeekFrom::Start(0)).map_err(|e| io("reading", &path, e))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(|e| io("reading", &path, e))?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (_, entries, taken) =
            read_run(rest).map_err(|error| io("reading", &path, std::io::Error::other(error)))?;
        entries.into_iter().for_each(&mut each);
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(())
}

fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::super::run::Class;
    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window { from: SeqNo(from), to: SeqNo(to) }
    }

    fn run(seq: i64) -> Run {
        let mut run = Run::default();
        run.push(SeqNo(seq), &format!("id-{seq}"), None, Class::Written);
        run
    }

    fn numbers(folder: &Path, length: u64) -> Vec<i64> {
        let mut numbers = Vec::new();
        read_all(folder, Shard(0), length, |entry| numbers.push(entry.seq_no.0)).unwrap();
        numbers
    }

    #[test]
    fn runs_stand_in_order_whatever_the_order_of_windows() {
        let folder = tempfile::tempdir().unwrap();
        let mut inventory = Inventory::begin(folder.path(), Shard(0), SeqNo::NONE).unwrap();
        inventory.add(window(9, 19), &run(12)).unwrap();
        assert_eq!(inventory.sync().unwrap(), 0, "the window before it is missing");
        inventory.add(window(-1, 9), &run(3)).unwrap();
        let length = inventory.sync().unwrap();
        assert_eq!(numbers(folder.path(), length), [3, 12]);
        assert_eq!(inventory.end(), SeqNo(19));
    }

    #[test]
    fn a_restart_cuts_back_to_what_the_checkpoint_relies_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut inventory = Inventory::begin(folder.path(), Shard(0), SeqNo::NONE).unwrap();
        inventory.add(window(-1, 9), &run(3)).unwrap();
        let relied = inventory.sync().unwrap();
        inventory.add(window(9, 19), &run(12)).unwrap();
        drop(inventory);
        let mut again =
            Inventory::open(folder.path(), Shard(0), relied, SeqNo(9)).unwrap().unwrap();
        again.add(window(9, 14), &run(11)).unwrap();
        let length = again.sync().unwrap();
        assert_eq!(numbers(folder.path(), length), [3, 11]);
    }

    #[test]
    fn a_lost_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Inventory::open(folder.path(), Shard(1), 40, SeqNo(9)).unwrap().is_none());
    }
}
