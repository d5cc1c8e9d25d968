//! Lists of the objects of a bucket, page by page.

use windlass_plugin::{Error, ErrorKind, Result, Retry};

use crate::bucket::Bucket;
use crate::patience::ask;
use crate::refusal::within;
use crate::xml::Element;

/// Objects of a page: what stores give at most.
const PAGE: usize = 1_000;
/// Bytes of a page: keys that are all encoded are three times as long.
const MOST_BYTES: u64 = 8 << 20;

/// An object as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// What changes when its content does, with its quotes.
    pub etag: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What is on it, in the order of the keys.
    pub objects: Vec<Listed>,
    /// The last key, where there are more after it.
    pub next: Option<String>,
}

impl Listing {
    /// The objects whose keys begin with `prefix` and come after a key. The tokens of stores are not used: they are of no
    /// use any more when the engine was away for long.
    ///
    /// # Errors
    /// What the store refuses.
    pub fn page(bucket: &Bucket, prefix: &str, after: Option<&str>) -> Result<Listing> {
        let about = bucket.about(None);
        let answer = ask(&about, || {
            let request = bucket.request("GET").query("list-type", 2).query("encoding-type", "url");
            let request = request.query("max-keys", PAGE).query("prefix", prefix);
            Ok(match after {
                Some(key) => request.query("start-after", key),
                None => request,
            })
        })?;
        read(&within(&about, &answer.bytes(MOST_BYTES)?)?, prefix)
    }

    /// All of them; an error where there are more than `most`.
    ///
    /// # Errors
    /// What the store refuses.
    pub fn all(bucket: &Bucket, prefix: &str, most: usize) -> Result<Vec<Listed>> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = Listing::page(bucket, prefix, after.as_deref())?;
            all.extend(page.objects);
            if all.len() > most {
                return Err(
                    Error::new(ErrorKind::Exhausted, format!("there are more than {most} objects")).retry(Retry::Never)
                );
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }
}

fn read(page: &Element, prefix: &str) -> Result<Listing> {
    let is_encoded = page.value("EncodingType") == Some("url");
    let entries = page.children.iter().filter(|child| child.name == "Contents");
    let objects = entries.map(|entry| listed(entry, is_encoded)).collect::<Result<Vec<Listed>>>()?;
    if let Some(stranger) = objects.iter().find(|object| !object.key.starts_with(prefix)) {
        return Err(strange(&format!("the list has {:?}, which does not begin with {prefix:?}", stranger.key)));
    }
    let is_truncated = page.value("IsTruncated") == Some("true");
    let next = objects.last().filter(|_| is_truncated).map(|last| last.key.clone());
    if is_truncated && next.is_none() {
        return Err(strange("a page without objects says that there are more"));
    }
    Ok(Listing { objects, next })
}

fn listed(entry: &Element, is_encoded: bool) -> Result<Listed> {
    let key = entry.value("Key").ok_or_else(|| strange("an object has no key"))?;
    let key = if is_encoded { decoded(key)? } else { key.to_owned() };
    let size =
        entry.value("Size").and_then(|size| size.parse().ok()).ok_or_else(|| strange("an object has no size"))?;
    Ok(Listed { key, size, etag: entry.value("ETag").map(str::to_owned) })
}

/// Takes `%XX` back; a plus sign is a blank, as one that is meant is encoded.
fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |it: Option<u8>| it.and_then(|it| char::from(it).to_digit(16));
                let value = digit(rest.next()).zip(digit(rest.next())).map(|(high, low)| high * 16 + low);
                value.and_then(|value| u8::try_from(value).ok()).ok_or_else(|| strange("a key is not encoded well"))?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| strange("a key is not UTF-8"))
}

fn strange(what: &str) -> Error {
    Error::internal(format!("the store answers strangely: {what}"))
}

#[cfg(test)]
mod tests {
    use windlass_plugin::testing::{self, Reply};

    use super::*;

    fn page(keys: &[&str], more: &str) -> String {
        let entries: String = keys
            .iter()
            .map(|key| format!("<Contents><Key>{key}</Key><Size>3</Size><ETag>&quot;e&quot;</ETag></Contents>"))
            .collect();
        format!(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{more}{entries}</ListBucketResult>"
        )
    }

    #[test]
    fn pages_go_on_after_their_last_key() {
        testing::endpoint("s3").on("GET", "/data", |asked| {
            assert_eq!((asked.query("prefix"), asked.query("encoding-type")), (Some("a/"), Some("url")));
            let more = "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>";
            Reply::bytes(
                200,
                match asked.query("start-after") {
                    None => page(&["a/%C3%BC+x%2B%25", "a/b"], more),
                    Some("a/b") => page(&["a/c"], "<EncodingType>url</EncodingType>"),
                    other => panic!("{other:?}"),
                },
            )
        });
        let bucket = Bucket::of(Some("data")).unwrap();
        let first = Listing::page(&bucket, "a/", None).unwrap();
        let etag = Some("\"e\"".to_owned());
        assert_eq!(first.objects[0], Listed { key: "a/ü x+%".to_owned(), size: 3, etag });
        assert_eq!(first.next.as_deref(), Some("a/b"));
        assert_eq!(Listing::all(&bucket, "a/", 3).unwrap().len(), 3);
        assert_eq!(Listing::all(&bucket, "a/", 2).unwrap_err().kind, ErrorKind::Exhausted);
    }

    #[test]
    fn lists_that_contradict_themselves_are_refused() {
        let bucket = Bucket::of(Some("data")).unwrap();
        let bad = [
            page(&["b"], ""),
            page(&[], "<IsTruncated>true</IsTruncated>"),
            page(&["a%zz"], "<EncodingType>url</EncodingType>"),
            page(&["a%ff"], "<EncodingType>url</EncodingType>"),
            "<L><Contents><Key>a</Key></Contents></L>".to_owned(),
            "<L><Contents><Size>1</Size></Contents></L>".to_owned(),
        ];
        for text in bad {
            testing::endpoint("s3").on("GET", "/data", move |_| Reply::bytes(200, text.clone()));
            assert_eq!(Listing::page(&bucket, "a", None).unwrap_err().kind, ErrorKind::Internal);
        }
    }

    #[test]
    fn a_store_that_does_not_encode_is_read_as_it_is() {
        testing::endpoint("s3").on("GET", "/data", |_| Reply::bytes(200, page(&["a+%41"], "")));
        let bucket = Bucket::of(Some("data")).unwrap();
        assert_eq!(Listing::page(&bucket, "", None).unwrap().objects[0].key, "a+%41");
    }
}
