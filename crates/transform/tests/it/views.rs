//! Views: pinned, found again, and never half read.

use std::fs;
use std::path::Path;

use segue_transform::{Error, LookupSpec, Program, View, ViewBuilder};

use crate::stage::steps;

fn spec() -> LookupSpec {
    let pipeline = "  - lookup: { index: r, key: k, match: id, as: row }\n  - copy: { v: row.v }\n";
    Program::compile(&steps(pipeline)).unwrap().lookups()[0].clone()
}

fn build(path: &Path, rows: impl IntoIterator<Item = u32>) -> View {
    let mut builder = ViewBuilder::new(&spec(), path).unwrap();
    for n in rows {
        builder.add(format!("{{\"id\":\"key-{n}\",\"v\":{n}}}").as_bytes()).unwrap();
    }
    builder.add(b"{\"v\":0}").unwrap();
    builder.finish().unwrap()
}

#[test]
fn every_row_is_found_also_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v");
    let built = build(&path, 0..20_000);
    let opened = View::open(&path, &spec()).unwrap();
    for view in [&built, &opened] {
        assert_eq!((view.rows(), view.keyless()), (20_000, 1));
        for n in (0..20_000).step_by(7) {
            let row = view.get(&format!("key-{n}")).unwrap().unwrap();
            assert_eq!(row, format!("{{\"id\":\"key-{n}\",\"v\":{n}}}").into_bytes());
        }
        for stranger in ["", "key-", "key-20000", "key-1 "] {
            assert_eq!(view.get(stranger).unwrap(), None);
        }
    }
    assert_eq!(built.hash(), opened.hash());
    assert!(!folder.path().join("v.partial").exists());
}

#[test]
fn the_hash_is_of_the_rows_not_of_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let hash = |name: &str, rows: Vec<u32>| build(&folder.path().join(name), rows).hash();
    let forward = hash("a", (0..500).collect());
    assert_eq!(hash("b", (0..500).rev().collect()), forward);
    assert_ne!(hash("c", (0..499).collect()), forward);
    assert_ne!(hash("d", (1..501).collect()), forward);
    assert_ne!(hash("e", Vec::new()), forward);
}

#[test]
fn rows_larger_than_a_read_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v");
    let mut builder = ViewBuilder::new(&spec(), &path).unwrap();
    let row = |n: usize| format!("{{\"id\":\"{n}\",\"v\":\"{}\"}}", "é".repeat(n));
    let sizes = [0, 1, 2000, 2030, 2040, 2048, 5000, 1_000_000];
    for n in sizes {
        builder.add(row(n).as_bytes()).unwrap();
    }
    let view = builder.finish().unwrap();
    for n in sizes {
        assert_eq!(view.get(&n.to_string()).unwrap().unwrap(), row(n).into_bytes());
    }
}

#[test]
fn rows_that_are_no_objects_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = ViewBuilder::new(&spec(), &folder.path().join("v")).unwrap();
    for row in ["", "[]", "5", "{", "{\"id\":1}x", "{\"id\":tru}"] {
        assert!(matches!(builder.add(row.as_bytes()), Err(Error::Row { .. })), "{row}");
    }
    drop(builder);
    assert!(!folder.path().join("v").exists());
}

#[test]
fn a_torn_file_is_never_taken_for_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v");
    drop(build(&path, 0..50));
    let whole = fs::read(&path).unwrap();
    let (spec, keys) = (spec(), (0..50).map(|n| format!("key-{n}")).collect::<Vec<String>>());
    let survives = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let Ok(view) = View::open(&path, &spec) else { return false };
        keys.iter().all(|key| matches!(view.get(key), Ok(Some(_))))
    };
    assert!(survives(&whole));
    for length in 0..whole.len() {
        assert!(!survives(&whole[..length]), "cut at {length}");
    }
    for at in 0..whole.len() {
        let mut bent = whole.clone();
        bent[at] ^= 0x10;
        // The record without a key isn't in the file, so every byte counts.
        assert!(!survives(&bent), "bent at {at}");
    }
    fs::write(&path, [&whole[..], &whole[..]].concat()).unwrap();
    assert!(matches!(View::open(&path, &spec), Err(Error::Torn { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(View::open(&path, &spec), Err(Error::Io { .. })));
}
