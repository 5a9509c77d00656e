//! The file of one shard's inventory.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use segue_model::audit::Numbers;
use segue_model::id::{SeqNo, Shard};

use super::made::Counts;
use super::run::{Content, Entry, HEADER, Head, Run, RunError, seal_settled};
use crate::error::Error;

/// The inventory of one shard, open for appending.
#[derive(Debug)]
pub struct Inventory {
    path: PathBuf,
    file: File,
    end: Relied,
    synced: u64,
    held: Numbers,
    made: Counts,
    places: Vec<Place>,
}

/// How far a file goes: what a checkpoint relies on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relied {
    /// Its length in bytes.
    pub bytes: u64,
    /// The hash of its last run: tells it from another file of that length.
    pub mark: u64,
}

/// Where a run of entries stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    offset: u64,
    head: Head,
}

impl Inventory {
    /// Opens the inventory of `shard` under `folder`, empty if there is none. `None` if the file is
    /// not what the checkpoint relies on any more (it was lost, or this is another machine).
    ///
    /// What stands beyond is kept: a process that died had noted it, and may have sent it.
    pub fn open(folder: &Path, shard: Shard, relied: Relied) -> Result<Option<Inventory>, Error> {
        let mut inventory = Inventory::file(folder, shard)?;
        match inventory.read_all(relied) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(io("reading", &inventory.path, error)),
        }
        // Bytes of a run that was not finished.
        let length = inventory.end.bytes;
        inventory.file.set_len(length).map_err(|e| io("cutting", &inventory.path, e))?;
        Ok(Some(inventory))
    }

    /// Begins an empty one in place of whatever is there.
    pub fn begin(folder: &Path, shard: Shard) -> Result<Inventory, Error> {
        let inventory = Inventory::file(folder, shard)?;
        inventory.file.set_len(0).map_err(|e| io("cutting", &inventory.path, e))?;
        Ok(inventory)
    }

    fn file(folder: &Path, shard: Shard) -> Result<Inventory, Error> {
        let path = folder.join(format!("shard-{shard}.inventory"));
        std::fs::create_dir_all(folder).map_err(|e| io("creating", folder, e))?;
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let file = opened.map_err(|e| io("opening", &path, e))?;
        Ok(Inventory {
            path,
            file,
            end: Relied::default(),
            synced: 0,
            held: Numbers::default(),
            made: Counts::default(),
            places: Vec::new(),
        })
    }

    /// Reads run by run, as far as they are whole; whether that is at least what is relied on.
    fn read_all(&mut self, relied: Relied) -> std::io::Result<bool> {
        let mut reader = BufReader::with_capacity(1 << 20, self.file.try_clone()?);
        reader.seek(SeekFrom::Start(0))?;
        let mut found = relied == Relied::default();
        while let Some((head, content)) = next(&mut reader)? {
            self.take(head, &content);
            found |= relied.bytes == self.end.bytes && relied.mark == self.end.mark;
        }
        Ok(found)
    }

    fn take(&mut self, head: Head, content: &Content) {
        match content {
            Content::Entries(entries) => {
                let numbers: Vec<_> = entries.iter().map(|entry| entry.seq_no).collect();
                self.hold(head, &numbers);
                for entry in entries {
                    if let Some(keys) = &entry.keys {
                        self.made.note(entry.seq_no, entry.class, keys.len() as u64);
                    }
                }
            }
            Content::Settled(numbers) => self.release(head, numbers),
        }
    }

    fn hold(&mut self, head: Head, numbers: &[SeqNo]) {
        for number in numbers {
            self.held.insert(*number);
        }
        self.places.push(Place { offset: self.end.bytes, head });
        self.advance(head);
    }

    fn release(&mut self, head: Head, numbers: &[SeqNo]) {
        for number in numbers {
            self.held.remove(*number);
            self.made.forget(*number);
        }
        self.advance(head);
    }

    fn advance(&mut self, head: Head) {
        self.end.bytes += (HEADER + head.length) as u64;
        self.end.mark = head.hash;
    }

    /// Notes documents that are about to be sent.
    pub fn add(&mut self, run: &Run) -> Result<(), Error> {
        if run.is_empty() {
            return Ok(());
        }
        let (head, bytes) = run.seal();
        self.append(&bytes)?;
        self.hold(head, run.numbers());
        run.made().for_each(|(number, class, made)| self.made.note(number, class, made));
        Ok(())
    }

    /// Notes that `numbers`, ascending, need no further look.
    pub fn settle(&mut self, numbers: &[SeqNo]) -> Result<(), Error> {
        if numbers.is_empty() {
            return Ok(());
        }
        let (head, bytes) = seal_settled(numbers);
        self.append(&bytes)?;
        self.release(head, numbers);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|e| io("writing", &self.path, e))
    }

    /// Makes everything appended so far durable; returns what a checkpoint may rely on.
    pub fn sync(&mut self) -> Result<Relied, Error> {
        if self.synced < self.end.bytes {
            self.file.sync_data().map_err(|e| io("syncing", &self.path, e))?;
            self.synced = self.end.bytes;
        }
        Ok(self.end)
    }

    /// Whether nothing was ever noted.
    pub fn is_empty(&self) -> bool {
        self.end.bytes == 0
    }

    /// The numbers that were read and are not settled.
    pub fn held(&self) -> &Numbers {
        &self.held
    }

    /// The runs in which some of `numbers` may stand.
    pub fn places(&self, numbers: &Numbers) -> Vec<Place> {
        let some = |place: &&Place| numbers.count_in(place.head.window) > 0;
        self.places.iter().filter(some).copied().collect()
    }

    /// The entries of a run.
    pub fn entries(&mut self, place: Place) -> Result<Vec<Entry>, Error> {
        match self.read(place) {
            Ok(Content::Entries(entries)) => Ok(entries),
            Ok(Content::Settled(_)) => Ok(Vec::new()),
            Err(error) => Err(io("reading", &self.path, error)),
        }
    }

    /// How many documents of the target were made of the numbers that are held, where the pipeline makes
    /// keys: of the written ones, and of the refused ones, whose other documents may stand there.
    pub fn made(&self) -> (u64, u64) {
        self.made.sums()
    }

    fn read(&mut self, place: Place) -> std::io::Result<Content> {
        self.file.seek(SeekFrom::Start(place.offset + HEADER as u64))?;
        let mut payload = vec![0; place.head.length];
        self.file.read_exact(&mut payload)?;
        place.head.content(&payload).map_err(std::io::Error::other)
    }
}

/// The next whole run; `None` at the end, or where the bytes are no run.
fn next(reader: &mut impl Read) -> std::io::Result<Option<(Head, Content)>> {
    let mut bytes = [0; HEADER];
    if !fill(reader, &mut bytes)? {
        return Ok(None);
    }
    let Ok(head) = Head::read(&bytes) else { return Ok(None) };
    let mut payload = Vec::new();
    reader.take(head.length as u64).read_to_end(&mut payload)?;
    match head.content(&payload) {
        Ok(content) => Ok(Some((head, content))),
        Err(RunError::Cut | RunError::Damaged) => Ok(None),
    }
}

fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use segue_transform::DocumentKey;

    use super::super::run::Class;
    use super::*;

    fn run(numbers: &[i64]) -> Run {
        let mut run = Run::default();
        for number in numbers {
            run.push(SeqNo(*number), &format!("id-{number}"), None, Class::Written);
        }
        run
    }

    fn held(inventory: &Inventory) -> Vec<i64> {
        inventory.held().iter().map(|number| number.0).collect()
    }

    #[test]
    fn everything_noted_is_there_again_less_what_was_settled() {
        let folder = tempfile::tempdir().unwrap();
        let mut inventory = Inventory::begin(folder.path(), Shard(0)).unwrap();
        inventory.add(&run(&[12, 14])).unwrap();
        inventory.add(&run(&[3])).unwrap();
        inventory.settle(&[SeqNo(12)]).unwrap();
        let relied = inventory.sync().unwrap();
        inventory.add(&run(&[20])).unwrap();
        drop(inventory);
        let mut again = Inventory::open(folder.path(), Shard(0), relied).unwrap().unwrap();
        assert_eq!(held(&again), [3, 14, 20], "also what no checkpoint relied on");
        let places = again.places(&[SeqNo(14)].into_iter().collect());
        assert_eq!(places.len(), 1);
        let ids: Vec<_> = again.entries(places[0]).unwrap().into_iter().map(|e| e.id).collect();
        assert_eq!(ids, ["id-12", "id-14"]);
        again.add(&run(&[21])).unwrap();
        assert_eq!(held(&again), [3, 14, 20, 21], "reading does not move where it is appended");
        drop(again);
        let third = Inventory::open(folder.path(), Shard(0), relied).unwrap().unwrap();
        assert_eq!(held(&third), [3, 14, 20, 21]);
    }

    #[test]
    fn what_was_noted_last_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut inventory = Inventory::begin(folder.path(), Shard(0)).unwrap();
        let key = |id: &str| DocumentKey { id: id.to_owned(), routing: None };
        let mut first = Run::default();
        first.push_keyed(SeqNo(1), ("a", None), Class::Written, &[key("a1"), key("a2")]);
        first.push_keyed(SeqNo(2), ("b", None), Class::Written, &[key("b1")]);
        first.push_keyed(SeqNo(3), ("c", None), Class::Filtered, &[]);
        first.push_keyed(SeqNo(4), ("d", None), Class::Written, &[key("d1"), key("d2")]);
        inventory.add(&first).unwrap();
        let mut second = Run::default();
        second.push_keyed(SeqNo(2), ("b", None), Class::Refused, &[key("b1"), key("b2")]);
        inventory.add(&second).unwrap();
        assert_eq!(inventory.made(), (4, 2));
        inventory.settle(&[SeqNo(4)]).unwrap();
        assert_eq!(inventory.made(), (2, 2));
        let relied = inventory.sync().unwrap();
        drop(inventory);
        let again = Inventory::open(folder.path(), Shard(0), relied).unwrap().unwrap();
        assert_eq!(again.made(), (2, 2));
    }

    #[test]
    fn a_run_that_was_not_finished_is_cut_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut inventory = Inventory::begin(folder.path(), Shard(0)).unwrap();
        inventory.add(&run(&[3])).unwrap();
        let relied = inventory.sync().unwrap();
        let (_, bytes) = run(&[7]).seal();
        inventory.append(&bytes[..bytes.len() - 1]).unwrap();
        drop(inventory);
        let mut again = Inventory::open(folder.path(), Shard(0), relied).unwrap().unwrap();
        assert_eq!(held(&again), [3]);
        again.add(&run(&[9])).unwrap();
        drop(again);
        let third = Inventory::open(folder.path(), Shard(0), relied).unwrap().unwrap();
        assert_eq!(held(&third), [3, 9]);
    }

    #[test]
    fn a_lost_a_cut_and_another_file_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let mut inventory = Inventory::begin(folder.path(), Shard(0)).unwrap();
        inventory.add(&run(&[3])).unwrap();
        inventory.add(&run(&[4])).unwrap();
        let relied = inventory.sync().unwrap();
        let open = |folder: &Path| Inventory::open(folder, Shard(0), relied).unwrap();
        assert!(open(folder.path()).is_some());
        assert!(open(elsewhere.path()).is_none(), "lost");
        let mut other = Inventory::begin(elsewhere.path(), Shard(0)).unwrap();
        other.add(&run(&[5])).unwrap();
        other.add(&run(&[6])).unwrap();
        assert_eq!(other.sync().unwrap().bytes, relied.bytes);
        assert!(open(elsewhere.path()).is_none(), "another one");
        inventory.file.set_len(relied.bytes - 1).unwrap();
        assert!(open(folder.path()).is_none(), "cut");
    }
}
