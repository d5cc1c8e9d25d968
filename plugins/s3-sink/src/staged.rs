//! What is staged of an attempt: objects, and uploads that were not finished, under keys that only it has.

use windlass_plugin::{Error, Result, SinkRequest, work};
use windlass_s3_client::{Bucket, Listed, Listing, ask, within};

use crate::options::Options;
use crate::upload::{abort_upload, file};

/// Files of one attempt: what the engine takes as the outcome of a commit.
const MOST_FILES: usize = 10_000;
/// Pages of uploads that were not finished, each of up to a thousand.
const MOST_PAGES: usize = 100;
const MOST_BYTES: u64 = 8 << 20;

/// Under which keys everything of an attempt is that is not yet where it belongs.
pub(crate) fn base(request: &SinkRequest<Options>) -> String {
    format!("{}.windlass/{}/", request.options.prefix, request.attempt)
}

fn staging(request: &SinkRequest<Options>) -> String {
    format!("{}staged/", base(request))
}

/// Takes a file.
pub(crate) fn put(request: &SinkRequest<Options>, path: &str, name: &str) -> Result<()> {
    let bucket = Bucket::of(request.options.bucket.as_deref())?;
    // What could not be stored in the end is refused now.
    let _ = bucket.object("PUT", &format!("{}{name}", request.options.prefix))?;
    let path = work::path().join(path);
    if !std::fs::metadata(&path)?.is_file() {
        return Err(Error::invalid(format!("{name} is no file")));
    }
    file(&bucket, &format!("{}{name}", staging(request)), &path)
}

/// All that is staged, with its names.
pub(crate) fn all(request: &SinkRequest<Options>, bucket: &Bucket) -> Result<Vec<(String, Listed)>> {
    let staging = staging(request);
    let listed = Listing::all(bucket, &staging, MOST_FILES)?;
    let named = |object: Listed| Some((object.key.strip_prefix(&staging)?.to_owned(), object));
    Ok(listed.into_iter().filter_map(named).collect())
}

/// Removes all of it.
pub(crate) fn forget(request: &SinkRequest<Options>) -> Result<()> {
    let bucket = Bucket::of(request.options.bucket.as_deref())?;
    for (_, object) in all(request, &bucket)? {
        remove(&bucket, &object.key)?;
    }
    for _ in 0..MOST_PAGES {
        let uploads = uploads(&bucket, &staging(request))?;
        if uploads.is_empty() {
            return Ok(());
        }
        for (key, id) in uploads {
            abort_upload(&bucket, &key, &id)?;
        }
    }
    Err(Error::unavailable("there are always more uploads that are not finished"))
}

/// Removes an object; a store says the same of one that is not there.
pub(crate) fn remove(bucket: &Bucket, key: &str) -> Result<()> {
    ask(&bucket.about(Some(key)), || bucket.object("DELETE", key)).map(|_| ())
}

/// Uploads that were begun and not finished: keys and ids.
fn uploads(bucket: &Bucket, prefix: &str) -> Result<Vec<(String, String)>> {
    let about = bucket.about(None);
    let answer = ask(&about, || Ok(bucket.request("GET").query("uploads", "").query("prefix", prefix)))?;
    let page = within(&about, &answer.bytes(MOST_BYTES)?)?;
    let uploads = page.children.iter().filter(|child| child.name == "Upload");
    let named =
        uploads.filter_map(|upload| Some((upload.value("Key")?.to_owned(), upload.value("UploadId")?.to_owned())));
    // A store that does not heed the prefix lists those of others.
    Ok(named.filter(|(key, _)| key.starts_with(prefix)).collect())
}
