//! The items of a request.

use serde::{Deserialize, Serialize};
use windlass_plugin::{Error, Item, Page, Result};
use windlass_s3_client::{Bucket, Listed, Listing, ask, refusal};

use crate::options::{Options, Wanted};

/// What `fetch` is to know of an object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    pub(crate) key: String,
    pub(crate) etag: Option<String>,
}

/// A page from the cursor on, which is the last key before it.
pub(crate) fn page(options: &Options, cursor: Option<&str>) -> Result<Page<Item>> {
    let bucket = Bucket::of(options.bucket.as_deref())?;
    let wanted = options.wanted();
    let prefix = match wanted {
        Wanted::One(key) => {
            let entries = vec![item(wanted, one(&bucket, key)?)?];
            return Ok(Page { entries, next: None });
        }
        Wanted::Under(prefix) => prefix,
    };
    let page = Listing::page(&bucket, prefix, cursor)?;
    // What ends with a slash stands for a folder in consoles, and is no file.
    let objects = page.objects.into_iter().filter(|object| !object.key.ends_with('/'));
    let entries = objects.map(|object| item(wanted, object)).collect::<Result<Vec<Item>>>()?;
    Ok(Page { entries, next: page.next })
}

fn item(wanted: Wanted<'_>, object: Listed) -> Result<Item> {
    let Listed { key, size, etag } = object;
    let name = wanted.name_of(&key).to_owned();
    let reference = serde_json::to_vec(&Reference { key, etag: etag.clone() })?;
    Ok(Item { name, size: Some(size), version: etag.map(|etag| etag.trim_matches('"').to_owned()), reference })
}

/// One object as a list would have it. Its first byte is asked for: an answer to HEAD cannot say what is missing.
fn one(bucket: &Bucket, key: &str) -> Result<Listed> {
    let about = bucket.about(Some(key));
    let answer = match ask(&about, || Ok(bucket.object("GET", key)?.header("range", "bytes=0-0"))) {
        // An object without a byte has no first one.
        Err(error) if matches!(error.code.as_deref(), Some("InvalidRange" | "416")) => {
            ask(&about, || bucket.object("HEAD", key))?
        }
        answer => answer?,
    };
    let etag = answer.header("etag").map(str::to_owned);
    let whole = answer.header("content-range").and_then(|range| range.rsplit_once('/')).map(|(_, whole)| whole);
    let size = whole.or_else(|| answer.header("content-length")).and_then(|size| size.parse().ok());
    match (answer.status, size) {
        (200..300, Some(size)) => Ok(Listed { key: key.to_owned(), size, etag }),
        (200..300, None) => Err(Error::internal("the store does not say how large the object is")),
        _ => Err(refusal(&about, answer)),
    }
}
