//! What the fuzz targets may do with what a plugin is, and with what it says and hands over while it is called.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::candidate::{Candidate, Refusal};
use super::component::{ComponentError, Encoding, Interface, MOST_NAMES, read_component};
use super::contract::{
    Attempt, Definition, Descriptor, ErrorKind, FetchItem, Fetched, Handle, MOST_CURSOR_BYTES, MOST_HANDLE_BYTES,
    MOST_MESSAGE_BYTES, MOST_REFERENCE_BYTES, Observation, Page, Phase, PluginError, Retry, Run, RunOutcome, RunStatus,
    Stored,
};
use super::manifest::{MOST_BYTES, PluginKind};
use super::room::Room;
use super::{archive, claims};
use crate::error::Problem;
use crate::secret::sha256;

/// Bytes that any one line about a component may have.
const MOST_LINE: usize = 4_096;
/// Bytes of a name or a word that are kept.
const MOST_NAME: usize = 1_024;

/// Any bytes as a component, and any as the manifest beside it: what is read is in there, and every way to look at it says the
/// same.
pub(crate) fn fuzz_component(bytes: &[u8], beside: Option<&[u8]>) {
    let read = read_component(bytes);
    match &read {
        Ok(_) => assert_eq!(Encoding::of(bytes), Some(Encoding::Component)),
        Err(ComponentError::Module) => assert_eq!(Encoding::of(bytes), Some(Encoding::Module)),
        Err(error @ ComponentError::Malformed(_)) => assert!(error.to_string().len() <= MOST_LINE),
    }
    if let Ok(info) = &read {
        assert_eq!(info.bytes, bytes.len() as u64);
        assert!(info.imports.len() <= MOST_NAMES && info.exports.len() <= MOST_NAMES);
        assert!(info.manifest.as_ref().is_none_or(|text| text.len() <= MOST_BYTES + 1));
        for name in info.imports.iter().chain(&info.exports) {
            assert_eq!(Interface::of(&name.to_string()), *name);
        }
        for kind in PluginKind::ALL {
            let problems = info.problems(kind);
            assert!(info.kinds().contains(&kind) || !problems.is_empty());
            assert!(problems.len() <= info.imports.len() + 1);
            check_shown(&problems);
        }
    }
    match Candidate::new(Cow::Owned(bytes.to_vec()), beside.map(<[u8]>::to_vec)) {
        Ok(candidate) => {
            assert_eq!(Ok(&candidate.info), read.as_ref());
            assert_eq!(candidate.sha256(), sha256(bytes));
            let text = beside.or(candidate.info.manifest.as_deref());
            assert_eq!(text.and_then(|text| super::parse_manifest(text).ok()).as_ref(), Some(&candidate.manifest));
        }
        Err(Refusal::Unfit(problems)) => {
            assert!(!problems.is_empty());
            check_shown(&problems);
        }
        Err(refusal) => unreachable!("{refusal}"),
    }
}

/// People see them: none floods a terminal or steers it.
fn check_shown(problems: &[Problem]) {
    for problem in problems {
        let line = problem.to_string();
        assert!(line.len() <= MOST_LINE && !line.contains(char::is_control), "{line:?}");
    }
}

/// Unpacks an archive beneath a work tree.
pub(crate) fn fuzz_unpack(archive: &[u8], dir: &Path, most_bytes: u64) -> io::Result<()> {
    archive::unpack(archive, dir, &Room::new(most_bytes))
}

/// Packs a directory.
pub(crate) fn fuzz_pack(dir: &Path) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    archive::pack(dir, &mut archive).map(|()| archive)
}

/// Any texts and bytes as what a plugin says: what is believed is as long as it may be, and the same as was said.
pub(crate) fn fuzz_claims(texts: &[String], data: &[u8], count: usize) {
    let text = |at: usize| texts.get(at % texts.len().max(1)).cloned().unwrap_or_default();
    let handle = Handle { schema: count as u32, data: data.to_vec() };
    let details = (0..count.min(64)).map(|at| (text(at), text(at + 1))).collect();
    let error =
        PluginError { code: Some(text(1)), details, ..PluginError::new(ErrorKind::Denied, Retry::Backoff, text(0)) };
    check_error(&error, &claims::error(error.clone()));
    let fits = data.len() <= MOST_HANDLE_BYTES;
    assert_eq!(claims::handle(handle.clone()).ok(), fits.then(|| handle.clone()));
    let piece = claims::piece(data.len(), &text(0));
    assert_eq!(piece.is_ok(), text(0).len() <= MOST_CURSOR_BYTES && data.len() <= 1 << 20);
    let status = |phase| RunStatus { phase, handle: Some(handle.clone()), ask_after_ms: None };
    let said = [
        Observation::Unknown(error.clone()),
        Observation::Known(status(Phase::Ended(RunOutcome::Failed(error.clone())))),
        Observation::Known(status(Phase::Pending(Some(text(2))))),
        Observation::Gone,
    ];
    assert!(count == said.len() || claims::observations(count, said.to_vec()).is_err());
    let believed = claims::observations(said.len(), said.to_vec());
    let believed = believed.as_deref().unwrap_or_default();
    assert_eq!(believed.len(), said.len());
    said.iter().zip(believed).for_each(|(said, believed)| check_observation(said, believed, fits));
    let features = vec![String::new(); count];
    let descriptor =
        Descriptor { name: text(0), version: text(1), summary: text(2), options_schema: text(3), features };
    match claims::descriptor(descriptor.clone()) {
        Ok(believed) => {
            check_cut(&descriptor.name, &believed.name, MOST_NAME);
            assert_eq!((count, count <= 10_000), (believed.features.len(), true));
        }
        Err(_) => assert!(count > 10_000),
    }
    let problem = Problem { field: text(0), problem: text(1), allowed: text(2) };
    let problems = claims::problems(vec![problem.clone()]).unwrap_or_default();
    assert_eq!(problems.len(), 1);
    problems.iter().for_each(|kept| check_cut(&problem.problem, &kept.problem, MOST_NAME));
    let definition = Definition { name: text(0), version: Some(text(1)), summary: None, options: text(2) };
    match claims::definitions(Page { entries: vec![definition], next: Some(text(3)) }) {
        Ok(page) => page.entries.iter().for_each(|kept| check_cut(&text(0), &kept.name, MOST_NAME)),
        Err(_) => assert!(text(3).len() > MOST_NAME),
    }
    let run = Run { attempt: Attempt { job: text(0), number: 1 }, handle: Some(handle) };
    let page = claims::owned(Page { entries: vec![run; count.min(64)], next: Some(text(1)) });
    assert_eq!(page.is_ok(), text(1).len() <= MOST_NAME && (fits || count == 0));
    assert!(page.is_err() || page.is_ok_and(|page| page.next == Some(text(1))));
    check_transfers(&text(0), &text(1), data, count);
}

/// What names files is kept whole or refused: cut, it would name others.
fn check_transfers(name: &str, version: &str, reference: &[u8], count: usize) {
    let is_whole = (1..=MOST_NAME).contains(&name.len());
    let (bytes, said) = (count as u64, Some(version.to_owned()));
    let item =
        FetchItem { name: name.to_owned(), size: Some(bytes), version: said.clone(), reference: reference.to_vec() };
    match claims::items(Page { entries: vec![item.clone()], next: None }) {
        Ok(page) => page.entries.iter().for_each(|kept| {
            assert_eq!((&kept.name, &kept.reference, kept.size), (&item.name, &item.reference, item.size));
            check_cut(version, kept.version.as_deref().unwrap_or_default(), MOST_NAME);
        }),
        Err(_) => assert!(!is_whole || reference.len() > MOST_REFERENCE_BYTES),
    }
    let fetched = claims::fetched(Fetched { path: name.to_owned(), bytes, version: said.clone() });
    assert_eq!(fetched.ok().map(|kept| (kept.path, kept.bytes)), is_whole.then(|| (name.to_owned(), bytes)));
    let one = Stored { location: name.to_owned(), bytes, version: said };
    let stored = claims::stored(vec![one; count.min(64)]);
    assert_eq!(stored.is_ok(), is_whole || count == 0);
    let kept = stored.unwrap_or_default();
    assert!(kept.iter().all(|kept| (kept.location.as_str(), kept.bytes) == (name, bytes)));
}

fn check_observation(said: &Observation, believed: &Observation, fits: bool) {
    match (said, believed) {
        (Observation::Unknown(said), Observation::Unknown(believed)) => check_error(said, believed),
        // A handle that cannot be kept makes an answer worth nothing.
        (Observation::Known(_), Observation::Unknown(_)) => assert!(!fits),
        (Observation::Known(said), Observation::Known(believed)) => {
            assert!(fits && said.handle == believed.handle);
            match (&said.phase, &believed.phase) {
                (Phase::Ended(RunOutcome::Failed(said)), Phase::Ended(RunOutcome::Failed(believed))) => {
                    check_error(said, believed);
                }
                (Phase::Pending(Some(said)), Phase::Pending(Some(believed))) => check_cut(said, believed, MOST_NAME),
                phases => unreachable!("{phases:?}"),
            }
        }
        both => assert_eq!(both, (&Observation::Gone, &Observation::Gone)),
    }
}

fn check_error(said: &PluginError, believed: &PluginError) {
    assert_eq!((said.kind, said.retry), (believed.kind, believed.retry));
    check_cut(&said.message, &believed.message, MOST_MESSAGE_BYTES);
    let code = |error: &PluginError| error.code.clone().unwrap_or_default();
    check_cut(&code(said), &code(believed), MOST_NAME);
    assert_eq!(believed.details.len(), said.details.len().min(32));
    for (said, believed) in said.details.iter().zip(&believed.details) {
        check_cut(&said.0, &believed.0, MOST_NAME);
        check_cut(&said.1, &believed.1, MOST_NAME);
    }
}

/// A text is kept as it is, or as much of it as may be kept with a sign that there was more.
fn check_cut(said: &str, kept: &str, most: usize) {
    if said.len() <= most {
        return assert_eq!(said, kept);
    }
    let beginning = kept.strip_suffix('…').unwrap_or_default();
    assert!(said.starts_with(beginning) && beginning.len() <= most && beginning.len() + 4 > most, "{kept:?}");
}
