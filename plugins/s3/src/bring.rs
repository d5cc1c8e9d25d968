//! Brings one object in: as it was listed, or not at all.
//!
//! It is written beside its place and put there when it is whole. A connection that is cut is gone on with where it ended,
//! as long as the object is still the one that was listed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use windlass_plugin::http::Response;
use windlass_plugin::{Error, ErrorKind, FetchRequest, Fetched, Item, Result, Retry, work};
use windlass_s3_client::{Bucket, Patience, refusal};

use crate::items::Reference;
use crate::options::Options;

/// Bytes that one request asks for: the engine bounds the body of an answer.
const WINDOW: u64 = 1 << 30;
const PIECE: usize = 256 << 10;

/// An object on its way.
struct Transfer<'a> {
    bucket: &'a Bucket,
    key: &'a str,
    etag: Option<&'a str>,
    size: u64,
    /// Bytes that are written.
    at: u64,
}

/// Brings the object of an item.
pub(crate) fn object(request: &FetchRequest<Options>, item: &Item) -> Result<Fetched> {
    let stranger = || Error::not_found(format!("there is no item {:?} in this request", item.name));
    let reference: Reference = serde_json::from_slice(&item.reference).map_err(|_| stranger())?;
    let wanted = request.options.wanted();
    let Some(size) = item.size.filter(|_| wanted.has(&reference.key)) else { return Err(stranger()) };
    let name = wanted.name_of(&reference.key);
    let place = place(&request.destination, name)?;
    let bucket = Bucket::of(request.options.bucket.as_deref())?;
    let etag = reference.etag.as_deref();
    let mut transfer = Transfer { bucket: &bucket, key: &reference.key, etag, size, at: 0 };
    let (half, begun) = transfer.begin(&place)?;
    let done = transfer.run(begun).and_then(|()| fs::rename(&half, &place).map_err(|error| of_file(error, name)));
    if done.is_err() {
        // What cannot be removed is replaced by the next try.
        let _ = fs::remove_file(&half);
    }
    done?;
    Ok(Fetched { path: name.to_owned(), bytes: size, version: item.version.clone() })
}

/// Where a file goes to. A key that is no path of a file is refused rather than changed.
fn place(destination: &str, name: &str) -> Result<PathBuf> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let parts_are_plain = Path::new(name).components().all(is_plain) && !name.contains("//");
    if name.is_empty() || name.starts_with('/') || name.ends_with('/') || name.contains('\0') || !parts_are_plain {
        return Err(Error::unsupported(format!("{name:?} can be no path of a file")));
    }
    Ok(work::path().join(destination).join(name))
}

/// An error of the work tree; one key may be what is the directory of another one there.
fn of_file(error: io::Error, name: &str) -> Error {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotADirectory | Kind::IsADirectory | Kind::AlreadyExists | Kind::DirectoryNotEmpty => {
            let message = format!("{name}: another object is a file where this one needs a directory, or the reverse");
            Error::new(ErrorKind::Conflict, message)
        }
        _ => error.into(),
    }
}

impl Transfer<'_> {
    /// Waits for the first answer before a file is made: what is not there leaves nothing.
    fn begin(&mut self, place: &Path) -> Result<(PathBuf, (File, Response))> {
        let mut patience = Patience::new();
        let answer = self.answer(&mut patience)?;
        if let Some(dir) = place.parent() {
            fs::create_dir_all(dir).map_err(|error| of_file(error, self.key))?;
        }
        let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // A name may have as many bytes as a file system takes, so it is not made longer.
        let half = place.with_file_name(format!(".half-{:016x}", name_hash(name)));
        let file = File::create(&half)?;
        Ok((half, (file, answer)))
    }

    /// Writes everything, however often the connection is cut.
    fn run(&mut self, begun: (File, Response)) -> Result<()> {
        let (mut file, answer) = begun;
        let mut patience = Patience::new();
        let mut next = Some(answer);
        loop {
            let answer = match next.take() {
                Some(answer) => answer,
                None => self.answer(&mut patience)?,
            };
            let before = self.at;
            let ended = self.write(answer, &mut file);
            if self.at > before {
                patience.progressed();
            }
            match ended {
                // A cut after the last byte is none.
                _ if self.at == self.size => break,
                Ok(()) => {}
                Err(error) => patience.wait(error)?,
            }
        }
        file.flush()?;
        Ok(())
    }

    /// The answer that goes on where the file ends.
    fn answer(&self, patience: &mut Patience) -> Result<Response> {
        loop {
            let asked = self.ask().and_then(|answer| self.looked_at(answer));
            match asked {
                Ok(answer) => return Ok(answer),
                Err(error) => patience.wait(error)?,
            }
        }
    }

    fn ask(&self) -> Result<Response> {
        let mut request = self.bucket.object("GET", self.key)?;
        if let Some(etag) = self.etag {
            request = request.header("if-match", etag);
        }
        // An object without a byte has no range.
        if self.size > 0 {
            let last = self.at.saturating_add(WINDOW).min(self.size) - 1;
            request = request.header("range", format!("bytes={}-{last}", self.at));
        }
        request.send()
    }

    /// Whether it is the object that was listed, from the right byte on. Not every store heeds `If-Match`.
    fn looked_at(&self, answer: Response) -> Result<Response> {
        let about = self.bucket.about(Some(self.key));
        let changed = || {
            let message = format!("{} has changed since it was listed", self.bucket.location(self.key));
            Error::new(ErrorKind::Conflict, message).code("PreconditionFailed")
        };
        let begins = match answer.status {
            200 => 0,
            206 => range(&answer).map_or(u64::MAX, |(first, _)| first),
            // It is shorter than it was listed.
            416 => return Err(changed()),
            _ => return Err(refusal(&about, answer)),
        };
        if matches!((self.etag, answer.header("etag")), (Some(listed), Some(found)) if listed != found) {
            return Err(changed());
        }
        let whole = match answer.status {
            200 => answer.header("content-length").and_then(|size| size.parse().ok()),
            _ => range(&answer).map(|(_, whole)| whole),
        };
        if whole.is_some_and(|whole| whole != self.size) {
            return Err(changed());
        }
        if begins != self.at {
            return Err(Error::unsupported("the store does not answer with the range that was asked for"));
        }
        Ok(answer)
    }

    fn write(&mut self, answer: Response, file: &mut File) -> Result<()> {
        let mut body = answer.body();
        let mut piece = vec![0; PIECE];
        let before = self.at;
        loop {
            let count = body.read(&mut piece)?;
            let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            self.at += u64::try_from(count).unwrap_or(u64::MAX);
            if self.at > self.size {
                return Err(Error::internal("the store sends more than the object has").retry(Retry::Backoff));
            }
            file.write_all(bytes)?;
        }
        if self.at == before && self.size > 0 {
            return Err(Error::unavailable("the store sends nothing of the object"));
        }
        Ok(())
    }
}

/// The first byte and the size of the whole: `bytes 5-9/10`.
fn range(answer: &Response) -> Option<(u64, u64)> {
    let (range, whole) = answer.header("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, whole.parse().ok()?))
}

/// The same for the same name, so that the next try replaces what this one leaves (FNV-1a).
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
