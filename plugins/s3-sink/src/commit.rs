//! The commit: everything appears, then the record that it did, then what was staged goes.

use serde::{Deserialize, Serialize};
use windlass_plugin::{ErrorKind, Result, SinkRequest, Stored};
use windlass_s3_client::{Bucket, ask};

use crate::options::Options;
use crate::staged::{all, base, remove};
use crate::upload::copy;

const MOST_BYTES: u64 = 32 << 20;

/// One stored file, as the record has it.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    key: String,
    bytes: u64,
    version: Option<String>,
}

/// Has everything appear that is staged. Cut off anywhere and made again it comes to the same.
pub(crate) fn commit(request: &SinkRequest<Options>) -> Result<Vec<Stored>> {
    let bucket = Bucket::of(request.options.bucket.as_deref())?;
    let record = format!("{}stored.json", base(request));
    let entries = match read(&bucket, &record)? {
        Some(entries) => entries,
        None => store(request, &bucket, &record)?,
    };
    for (_, object) in all(request, &bucket)? {
        remove(&bucket, &object.key)?;
    }
    let stored =
        |entry: Entry| Stored { location: bucket.location(&entry.key), bytes: entry.bytes, version: entry.version };
    Ok(entries.into_iter().map(stored).collect())
}

fn store(request: &SinkRequest<Options>, bucket: &Bucket, record: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (name, object) in all(request, bucket)? {
        let key = format!("{}{name}", request.options.prefix);
        let etag = copy(bucket, &object.key, &key, object.size)?;
        let version = etag.map(|etag| etag.trim_matches('"').to_owned());
        entries.push(Entry { key, bytes: object.size, version });
    }
    // Nothing needs no record.
    if !entries.is_empty() {
        let text = serde_json::to_vec(&entries)?;
        ask(&bucket.about(Some(record)), || Ok(bucket.object("PUT", record)?.body(text.clone())))?;
    }
    Ok(entries)
}

/// What an earlier commit has stored.
fn read(bucket: &Bucket, record: &str) -> Result<Option<Vec<Entry>>> {
    match ask(&bucket.about(Some(record)), || bucket.object("GET", record)) {
        Ok(answer) => Ok(Some(serde_json::from_slice(&answer.bytes(MOST_BYTES)?)?)),
        Err(error) if error.kind == ErrorKind::NotFound && error.code.as_deref() != Some("NoSuchBucket") => Ok(None),
        Err(error) => Err(error),
    }
}
