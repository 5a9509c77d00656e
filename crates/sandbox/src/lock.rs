//! Files that one process at a time may hold.

use std::fs::{File, TryLockError};
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
    /// Waits for the lock at `path`, no longer than `patience`.
    pub(crate) fn take(
        path: &Path,
        patience: Duration,
        talk: &mut Talk<'_>,
    ) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).on("make", folder)?;
        }
        let file =
            File::options().create(true).truncate(false).write(true).open(path).on("open", path)?;
        let since = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
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
}
