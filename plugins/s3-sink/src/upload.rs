//! Uploads: a small file by one request, a larger one in parts that are sent again one by one, a copy within the store.
//! What arrives is held to its MD5, which every store checks.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use windlass_plugin::http::Request;
use windlass_plugin::{Error, ErrorKind, Result, Retry};
use windlass_s3_client::{Bucket, ask, within};

/// A file of at most as many bytes is sent by one request; larger ones in parts of it.
const PART: u64 = 16 << 20;
/// What is copied by one request, and the parts of a larger copy.
const COPY: u64 = 1 << 30;
/// Parts of one upload, and bytes of one object: the limits of S3.
const MOST_PARTS: u64 = 10_000;
const MOST_BYTES: u64 = 5 << 40;
const MOST_ANSWER: u64 = 1 << 20;

/// A part of an object: its number, from 1, the first byte and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    number: u64,
    first: u64,
    bytes: u64,
}

/// Stores a file under a key.
pub(crate) fn file(bucket: &Bucket, key: &str, path: &Path) -> Result<()> {
    let size = std::fs::metadata(path)?.len();
    let send = |request: Request, part: Part| -> Result<Request> {
        let request = request.header("content-md5", md5(path, part)?);
        // What is sent as bytes says its length by itself.
        if part.bytes == 0 {
            return Ok(request.body(Vec::new()));
        }
        Ok(request.header("content-length", part.bytes.to_string()).stream(opened(path, part)?))
    };
    if size <= PART {
        let whole = Part { number: 1, first: 0, bytes: size };
        ask(&bucket.about(Some(key)), || send(bucket.object("PUT", key)?, whole))?;
        return Ok(());
    }
    in_parts(
        bucket,
        key,
        &parts(size, PART)?,
        |part, request| send(request, part),
        |answer, _| {
            answer
                .header("etag")
                .map(str::to_owned)
                .ok_or_else(|| Error::internal("the store does not say the ETag of a part"))
        },
    )
    .map(|_| ())
}

/// Copies an object to another key; its ETag there.
pub(crate) fn copy(bucket: &Bucket, from: &str, to: &str, size: u64) -> Result<Option<String>> {
    let source = bucket.source(from);
    let about = bucket.about(Some(to));
    if size > COPY {
        let copy = |part: Part, request: Request| {
            let range = format!("bytes={}-{}", part.first, part.first + part.bytes - 1);
            Ok(request.header("x-amz-copy-source", source.clone()).header("x-amz-copy-source-range", range))
        };
        return in_parts(bucket, to, &parts(size, COPY)?, copy, |answer, about| {
            let etag = within(about, &answer.bytes(MOST_ANSWER)?)?.value("ETag").map(str::to_owned);
            etag.ok_or_else(|| Error::internal("the store does not say the ETag of a part"))
        });
    }
    let answer = ask(&about, || Ok(bucket.object("PUT", to)?.header("x-amz-copy-source", source.clone())))?;
    Ok(within(&about, &answer.bytes(MOST_ANSWER)?)?.value("ETag").map(str::to_owned))
}

/// Forgets an upload that was not finished. Not there is fine.
pub(crate) fn abort_upload(bucket: &Bucket, key: &str, id: &str) -> Result<()> {
    match ask(&bucket.about(Some(key)), || Ok(bucket.object("DELETE", key)?.query("uploadId", id))) {
        Err(error) if error.code.as_deref() == Some("NoSuchUpload") => Ok(()),
        answer => answer.map(|_| ()),
    }
}

type Answered = windlass_plugin::http::Response;
type About<'a> = windlass_s3_client::About<'a>;

/// Makes an object of parts. Nothing of it is there before all of it is.
fn in_parts(
    bucket: &Bucket,
    key: &str,
    parts: &[Part],
    fill: impl Fn(Part, Request) -> Result<Request>,
    etag: impl Fn(Answered, &About<'_>) -> Result<String>,
) -> Result<Option<String>> {
    let about = bucket.about(Some(key));
    let begun = ask(&about, || Ok(bucket.object("POST", key)?.query("uploads", "")))?;
    let begun = within(&about, &begun.bytes(MOST_ANSWER)?)?;
    let id = begun.value("UploadId").ok_or_else(|| Error::internal("the store does not say the id of an upload"))?;
    let sent = || -> Result<Option<String>> {
        let mut list = String::new();
        for part in parts {
            let number = part.number;
            let answer = ask(&about, || {
                let request = bucket.object("PUT", key)?.query("partNumber", number).query("uploadId", id);
                fill(*part, request)
            })?;
            let etag = escaped(&etag(answer, &about)?);
            list.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
        }
        let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
        complete(bucket, key, id, &list, parts.iter().map(|part| part.bytes).sum())
    };
    sent().inspect_err(|_| {
        // What is left is forgotten by `abort`; the error of the upload is the one that counts.
        let _ = abort_upload(bucket, key, id);
    })
}

fn complete(bucket: &Bucket, key: &str, id: &str, list: &str, size: u64) -> Result<Option<String>> {
    let about = bucket.about(Some(key));
    let ended = ask(&about, || Ok(bucket.object("POST", key)?.query("uploadId", id).body(list)));
    let ended = ended.and_then(|answer| within(&about, &answer.bytes(MOST_ANSWER)?));
    match ended {
        Ok(answer) => Ok(answer.value("ETag").map(str::to_owned)),
        // The answer to the first try was lost: then the object is there.
        Err(error) if error.code.as_deref() == Some("NoSuchUpload") => {
            let found = ask(&about, || bucket.object("HEAD", key)).map_err(|_| error.clone())?;
            let is_whole = found.header("content-length").and_then(|bytes| bytes.parse().ok()) == Some(size);
            if is_whole { Ok(found.header("etag").map(str::to_owned)) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

/// Parts of equal size but for the last, as few as there have to be.
fn parts(size: u64, least: u64) -> Result<Vec<Part>> {
    if size > MOST_BYTES {
        let message = format!("the file has {size} bytes; an object may have {MOST_BYTES}");
        return Err(Error::new(ErrorKind::Exhausted, message).retry(Retry::Never));
    }
    let each = least.max(size.div_ceil(MOST_PARTS));
    let part = |place: u64| Part { number: place + 1, first: place * each, bytes: each.min(size - place * each) };
    Ok((0..size.div_ceil(each)).map(part).collect())
}

fn opened(path: &Path, part: Part) -> Result<impl Read + 'static> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(part.first))?;
    Ok(file.take(part.bytes))
}

fn md5(path: &Path, part: Part) -> Result<String> {
    let (mut part, mut digest, mut piece) = (opened(path, part)?, Md5::new(), vec![0; 256 << 10]);
    loop {
        let count = part.read(&mut piece)?;
        match piece.get(..count) {
            Some(bytes) if !bytes.is_empty() => digest.update(bytes),
            _ => return Ok(STANDARD.encode(digest.finalize())),
        }
    }
}

/// As the text of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_byte_within_the_limits_of_s3() {
        for size in [PART + 1, 3 * PART, 200 << 30, MOST_BYTES] {
            let parts = parts(size, PART).unwrap();
            assert!(parts.len() as u64 <= MOST_PARTS && parts.iter().all(|part| part.bytes > 0));
            assert!(parts[..parts.len() - 1].iter().all(|part| part.bytes >= 5 << 20));
            let mut at = 0;
            for part in &parts {
                assert_eq!(part.first, at);
                at += part.bytes;
            }
            assert_eq!(at, size);
        }
        assert_eq!(parts(MOST_BYTES + 1, PART).unwrap_err().kind, ErrorKind::Exhausted);
    }
}
