//! What cannot be opened is refused in clear words and left as it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use redb::{Database, ReadableDatabase, TableDefinition};
use tempfile::TempDir;
use windlass::secret::Entropy;
use windlass::{Engine, Error, JobId, JobSpec};

use crate::power::on_a_thread;
use crate::stage::scratch;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const OTHER_KEY: &str = "windlass-key-1:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=\n";

fn spec() -> JobSpec {
    JobSpec { hold: true, ..JobSpec::function("work", "null") }.option("NAME", "value")
}

async fn open(dir: &Path) -> Result<Engine, Error> {
    Engine::builder(dir).function("work", |_, (): ()| async { Ok(()) }).open().await
}

/// A store with a job in it, closed politely.
async fn store() -> (TempDir, JobId) {
    let dir = scratch();
    let engine = open(dir.path()).await.unwrap();
    let id = engine.submit(spec()).await.unwrap();
    engine.submit(spec()).await.unwrap();
    engine.shutdown().await;
    (dir, id)
}

async fn refused(dir: &Path) -> Error {
    match open(dir).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// The files of a store and what is in them.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file());
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

fn rows(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let db = Database::open(dir.join("store.redb")).unwrap();
    let table = db.begin_read().unwrap().open_table(META).unwrap();
    let rows = redb::ReadableTable::iter(&table).unwrap().map(Result::unwrap);
    rows.map(|(key, value)| (key.value().to_owned(), value.value().to_vec())).collect()
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_changes_nothing() {
    let (dir, id) = store().await;
    let key = std::fs::read(dir.path().join("key")).unwrap();
    std::fs::write(dir.path().join("key"), OTHER_KEY).unwrap();
    let before = (contents(dir.path()), rows(dir.path()));
    let error = refused(dir.path()).await;
    assert!(matches!(&error, Error::Key(text) if text.contains("key")), "{error}");
    assert_eq!(rows(dir.path()), before.1);
    assert_eq!(contents(dir.path())[0], before.0[0], "the key file is left alone");
    std::fs::write(dir.path().join("key"), key).unwrap();
    assert!(open(dir.path()).await.unwrap().get(id).is_ok());
}

#[tokio::test]
async fn a_missing_key_is_refused_and_no_new_one_is_made() {
    let (dir, id) = store().await;
    let (key, aside) = (dir.path().join("key"), dir.path().join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    for _ in 0..2 {
        let error = refused(dir.path()).await;
        assert!(matches!(&error, Error::Key(_)), "{error}");
        assert!(!key.exists(), "a fresh key opens nothing");
    }
    std::fs::rename(&aside, &key).unwrap();
    assert!(open(dir.path()).await.unwrap().get(id).is_ok());
}

#[tokio::test]
async fn a_newer_format_is_refused_with_what_to_do() {
    let (dir, _) = store().await;
    {
        let db = Database::open(dir.path().join("store.redb")).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(META).unwrap().insert("format", 2_u32.to_le_bytes().as_slice()).unwrap();
        txn.commit().unwrap();
    }
    let before = rows(dir.path());
    let error = refused(dir.path()).await;
    let Error::Unusable(text) = &error else { panic!("{error:?}") };
    assert!(text.contains("format 2") && text.contains("start the newer windlass again"), "{text}");
    assert_eq!(rows(dir.path()), before);
}

#[tokio::test]
async fn a_store_has_one_owner() {
    let (dir, _) = store().await;
    let first = open(dir.path()).await.unwrap();
    assert!(matches!(refused(dir.path()).await, Error::InUse(_)));
    first.shutdown().await;
    drop(first);
    open(dir.path()).await.unwrap();
}

/// The bytes of a store that was cut short, overwritten or never was one.
fn damaged(whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    let dice = Entropy::seeded(11);
    let mut found: Vec<(String, Vec<u8>)> = vec![
        ("text".into(), b"this is no store".repeat(1_000)),
        ("a short text".into(), b"hi".to_vec()),
        ("one zero".into(), vec![0]),
    ];
    let cuts = [1, 8, 9, 63, 319, 320, 511, 512, 4_095, 4_096, 4_097, 8_192, 12_288, 65_536];
    let lens =
        cuts.into_iter().chain((1..16).map(|part| whole.len() * part / 16 / 4_096 * 4_096)).chain([whole.len() - 1]);
    found.extend(lens.map(|len| (format!("the first {len} bytes"), whole[..len].to_vec())));
    found.push(("grown".into(), [whole, &[0; 5_000]].concat()));
    for number in 0..150 {
        let mut bytes = whole.to_vec();
        // Damage where there is something, half of the time in the head.
        let used: Vec<usize> = (0..bytes.len()).step_by(64).filter(|at| bytes[*at..*at + 64] != [0; 64]).collect();
        let at =
            if number % 2 == 0 { dice.next_u64() as usize % 320 } else { used[dice.next_u64() as usize % used.len()] };
        let len = [1, 64, 512, 4_096][number % 4].min(bytes.len() - at);
        bytes[at..at + len].iter_mut().for_each(|byte| *byte = dice.next_u64() as u8);
        found.push((format!("{len} bytes at {at} changed (number {number})"), bytes));
    }
    found
}

/// What a life on a damaged store came to.
enum Came {
    Refused(Error),
    /// It was opened, and redb tripped over the damage later or not.
    Opened {
        tripped: bool,
    },
}

fn live_on_damage(dir: &Path, id: JobId) -> Came {
    let opened = on_a_thread(async {
        open(dir).await?.shutdown().await;
        Ok::<(), Error>(())
    });
    let used = || {
        on_a_thread(async {
            let Ok(engine) = open(dir).await else { return };
            let _ = engine.get(id);
            // Nobody is kept waiting, whatever is found.
            let submitted = tokio::time::timeout(Duration::from_secs(20), engine.submit(spec()));
            let _ = submitted.await.expect("an answer");
            engine.shutdown().await;
        });
    };
    match opened {
        Err(error) => Came::Refused(error),
        Ok(()) => Came::Opened { tripped: catch_unwind(AssertUnwindSafe(used)).is_err() },
    }
}

#[test]
fn a_damaged_store_is_refused_or_opened_and_no_open_panics() {
    let (dir, id) = on_a_thread(store());
    let whole = std::fs::read(dir.path().join("store.redb")).unwrap();
    let (mut opened, mut refused, mut tripped) = (0, 0, 0);
    for (what, bytes) in damaged(&whole) {
        let copy = scratch();
        std::fs::copy(dir.path().join("key"), copy.path().join("key")).unwrap();
        std::fs::write(copy.path().join("store.redb"), bytes).unwrap();
        let came = catch_unwind(AssertUnwindSafe(|| live_on_damage(copy.path(), id)));
        match came.unwrap_or_else(|_| panic!("{what}: the open panics")) {
            Came::Opened { tripped: false } => opened += 1,
            Came::Opened { tripped: true } => tripped += 1,
            Came::Refused(Error::Unusable(_) | Error::Storage(_) | Error::Key(_)) => refused += 1,
            Came::Refused(other) => panic!("{what}: {other:?}"),
        }
    }
    println!("{opened} opened, {refused} refused, redb panicked later in {tripped}");
}
