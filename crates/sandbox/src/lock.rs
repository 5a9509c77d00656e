//! Files that one process at a time may hold.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Talk;
use crate::error::{Error, OnFile};

/// A lock that ends with its owner, also when that is killed.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Removes the lock file of something that is gone, and lets go of it.
    pub(crate) fn remove(self, path: &Path) -> Result<(), Error> {
        std::fs::remove_file(path).on("remove", path)
    }

    /// Waits for the lock at `path`, no longer than `patience`.
    pub(crate) fn take(
        path: &Path,
        patience: Duration,
        talk: &mut Talk<'_>,
    ) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).on("make", folder)?;
        }
        let mut file = open(path)?;
        let since = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => return Ok(Self { _file: file }),
                // Its last holder removed it: there is, or will be, another file of that name.
                Ok(()) => {
                    file = open(path)?;
                    continue;
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(source).on("lock", path),
            }
            if since.elapsed() > patience {
                return Err(Error::Busy { path: path.to_path_buf(), waited: patience });
            }
            if !told {
                talk("waiting for another sandbox command to finish");
                told = true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true).open(path).on("open", path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    held.ino() == named.ino() && held.dev() == named.dev()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_waited_for_and_then_given_up() {
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join("a/lock");
        let held = Lock::take(&path, Duration::ZERO, &mut |_| {}).expect("free");
        let mut said = Vec::new();
        let refused =
            Lock::take(&path, Duration::from_millis(150), &mut |l| said.push(l.to_owned()));
        assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
        assert_eq!(said.len(), 1);
        drop(held);
        Lock::take(&path, Duration::ZERO, &mut |_| {}).expect("free again");
    }

    #[test]
    fn a_removed_lock_is_not_taken_for_the_new_one() {
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join("lock");
        let held = Lock::take(&path, Duration::ZERO, &mut |_| {}).expect("free");
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path, Duration::from_secs(5), &mut |_| {})
        });
        std::thread::sleep(Duration::from_millis(200));
        held.remove(&path).expect("removed");
        let _taken = waiting.join().expect("no panic").expect("taken by the one that waited");
        let third = Lock::take(&path, Duration::from_millis(150), &mut |_| {});
        assert!(matches!(third, Err(Error::Busy { .. })), "two hold the same lock");
    }
}
