//! Documents: job configs, pipelines, schedules and output types as they were given, under names, in revisions that never change.
//!
//! Whoever changes documents has looked at others (what refers to what). So every change says which state of all
//! documents it was decided on, and is refused when there is a newer one.

use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::group::{Op, Refusal, Reply};
use super::keys::{open_value, reseal_value, seal_value};
use super::records::{decode_document, encode_document};
use super::schedules::ScheduleWrite;
use super::tables::{DOCUMENT, REVISION};
use super::writer::Urgency;
use super::{Store, lock, storage};
use crate::error::Error;
use crate::job::{Private, Timestamp};
use crate::secret::{KeyId, Keyring, Sealed};

/// Revisions that are sealed anew at a time.
const RESEAL_BATCH: usize = 500;

/// What kinds of documents there are; the numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A job config.
    Config = 1,
    /// A schedule.
    Schedule = 2,
    /// A pipeline.
    Pipeline = 3,
    /// A type of output records.
    OutputType = 4,
}

impl DocumentKind {
    /// The word used in the API and on screen.
    pub fn word(self) -> &'static str {
        match self {
            DocumentKind::Config => "config",
            DocumentKind::Schedule => "schedule",
            DocumentKind::Pipeline => "pipeline",
            DocumentKind::OutputType => "output type",
        }
    }
}

/// Which document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DocumentName {
    pub(crate) kind: DocumentKind,
    pub(crate) project: String,
    pub(crate) name: String,
}

impl DocumentName {
    pub(crate) fn new(kind: DocumentKind, project: &str, name: &str) -> Self {
        DocumentName { kind, project: project.to_owned(), name: name.to_owned() }
    }

    /// As a key of the tables. No name holds a slash, so the projects are apart and in order.
    fn text(&self) -> String {
        format!("{}/{}", self.project, self.name)
    }

    /// What binds what is sealed to its revision.
    fn aad(&self, revision: u32) -> Vec<u8> {
        aad(self.kind as u8, &self.text(), revision)
    }
}

fn aad(kind: u8, text: &str, revision: u32) -> Vec<u8> {
    [b"document/private/".as_slice(), &[kind], text.as_bytes(), b"/", &revision.to_be_bytes()].concat()
}

/// A revision of a document.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) name: DocumentName,
    pub(crate) revision: u32,
    /// Of how many, the forgotten ones included.
    pub(crate) latest: u32,
    pub(crate) stored_at: Timestamp,
    /// What it says, but for what is private.
    pub(crate) body: Vec<u8>,
    sealed: Option<Sealed>,
}

/// A revision as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DocumentRecord {
    stored_at: Timestamp,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
    /// What is private, sealed; `None` when there is nothing.
    sealed: Option<Sealed>,
}

/// What is to become of a document.
#[derive(Debug)]
pub(crate) struct DocumentChange {
    pub(crate) name: DocumentName,
    /// What it says from now on; `None` deletes it with all its revisions.
    pub(crate) content: Option<DocumentContent>,
}

/// What a new revision says.
#[derive(Clone, Debug)]
pub(crate) struct DocumentContent {
    pub(crate) body: Vec<u8>,
    pub(crate) private: Private,
}

/// One document as the writer changes it.
#[derive(Debug)]
pub(super) struct DocumentWrite {
    pub(super) kind: u8,
    pub(super) name: String,
    /// The new revision, or the last one there was.
    pub(super) revision: u32,
    pub(super) row: Option<Vec<u8>>,
}

/// What became of a change of documents.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is on disk.
    Stored,
    /// Something has changed since it was decided: decide again.
    Stale,
}

impl Store {
    /// The state of all documents; take it before looking at any, and give it with the change.
    pub(crate) fn documents_seen(&self) -> u64 {
        lock(&self.index).documents
    }

    /// A document: this revision of it, or the latest one.
    pub(crate) fn document(&self, name: &DocumentName, revision: Option<u32>) -> Result<Option<Document>, Error> {
        let read = self.writer.begin_read()?;
        let (kind, text) = (name.kind as u8, name.text());
        let head = read.open_table(DOCUMENT).map_err(storage)?.get((kind, text.as_str())).map_err(storage)?;
        let Some((latest, true)) = head.map(|head| head.value()) else { return Ok(None) };
        let revision = revision.unwrap_or(latest);
        let rows = read.open_table(REVISION).map_err(storage)?;
        let row = rows.get((kind, text.as_str(), revision)).map_err(storage)?;
        row.map(|row| document(name.clone(), revision, latest, row.value())).transpose()
    }

    /// The latest revisions of the documents of a project, in the order of their names, after this name, `most` at most.
    pub(crate) fn documents(
        &self,
        kind: DocumentKind,
        project: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<Document>, Error> {
        let read = self.writer.begin_read()?;
        let heads = read.open_table(DOCUMENT).map_err(storage)?;
        let rows = read.open_table(REVISION).map_err(storage)?;
        let (first, number) = (format!("{project}/"), kind as u8);
        let from = after.map_or_else(|| first.clone(), |after| format!("{first}{after}\0"));
        let mut found = Vec::new();
        for head in heads.range((number, from.as_str())..).map_err(storage)? {
            let (key, head) = head.map_err(storage)?;
            let ((of_kind, text), (latest, is_there)) = (key.value(), head.value());
            let Some(name) = text.strip_prefix(&first).filter(|_| of_kind == number) else { break };
            if found.len() >= most {
                break;
            }
            let Some(row) = rows.get((number, text, latest)).map_err(storage)?.filter(|_| is_there) else { continue };
            found.push(document(DocumentName::new(kind, project, name), latest, latest, row.value())?);
        }
        Ok(found)
    }

    /// The number and the time of each revision of a document.
    pub(crate) fn revisions(&self, name: &DocumentName) -> Result<Vec<(u32, Timestamp)>, Error> {
        let read = self.writer.begin_read()?;
        let rows = read.open_table(REVISION).map_err(storage)?;
        let (kind, text) = (name.kind as u8, name.text());
        let mut found = Vec::new();
        for row in rows.range((kind, text.as_str(), 0)..=(kind, text.as_str(), u32::MAX)).map_err(storage)? {
            let (key, bytes) = row.map_err(storage)?;
            found.push((key.value().2, decode_document(bytes.value())?.stored_at));
        }
        Ok(found)
    }

    /// What is private of a revision.
    ///
    /// # Errors
    /// [`Error::Key`] when the key is not there any more.
    pub(crate) fn document_private(&self, document: &Document) -> Result<Private, Error> {
        open_value(&self.keyring(), &document.name.aad(document.revision), document.sealed.as_ref())
    }

    /// Writes changes of documents, and of the state of schedules that goes with them, all or none.
    pub(crate) async fn change_documents(
        &self,
        seen: u64,
        changes: Vec<DocumentChange>,
        schedules: Vec<ScheduleWrite>,
        now: Timestamp,
    ) -> Result<Written, Error> {
        let answer = {
            let keyring = self.keyring();
            let heads = self.heads(&changes)?;
            let writes = changes.into_iter().zip(heads).map(|(change, latest)| encode(&keyring, change, latest, now));
            let documents = writes.collect::<Result<Vec<_>, Error>>()?;
            self.writer.send(Op::Documents { seen, documents, schedules }, Urgency::Waited)
        };
        match answer.await {
            Ok(Ok(_)) => Ok(Written::Stored),
            Ok(Err(Refusal::Stale)) => Ok(Written::Stale),
            Ok(Err(Refusal::Error(error))) => Err(error),
            Err(_) => Err(Error::Closed),
        }
    }

    /// The latest revision of each, 0 where there never was one. That they are still is checked by the writer.
    fn heads(&self, changes: &[DocumentChange]) -> Result<Vec<u32>, Error> {
        let read = self.writer.begin_read()?;
        let heads = read.open_table(DOCUMENT).map_err(storage)?;
        let latest = |change: &DocumentChange| {
            let head = heads.get((change.name.kind as u8, change.name.text().as_str())).map_err(storage)?;
            Ok(head.map_or(0, |head| head.value().0))
        };
        changes.iter().map(latest).collect()
    }

    /// Seals what is private of every revision with the active key. How many there were.
    pub(super) async fn reseal_documents(&self, active: KeyId) -> Result<u64, Error> {
        let mut resealed = 0;
        loop {
            let rows = self.documents_to_reseal(active)?;
            if rows.is_empty() {
                return Ok(resealed);
            }
            resealed += rows.len() as u64;
            match self.send(Op::ResealDocuments(rows), Urgency::Waited).await? {
                Reply::Done | Reply::Ids(_) | Reply::Number(_) => {}
            }
        }
    }

    fn documents_to_reseal(&self, active: KeyId) -> Result<Vec<DocumentWrite>, Error> {
        let (read, keyring) = (self.writer.begin_read()?, self.keyring());
        let mut found = Vec::new();
        for row in read.open_table(REVISION).map_err(storage)?.iter().map_err(storage)? {
            let (key, bytes) = row.map_err(storage)?;
            let ((kind, name, revision), record) = (key.value(), decode_document(bytes.value())?);
            let Some(sealed) = record.sealed.as_ref().filter(|sealed| sealed.key() != active) else { continue };
            let aad = aad(kind, name, revision);
            let record = DocumentRecord { sealed: Some(reseal_value(&keyring, &aad, sealed)?), ..record };
            let row = Some(encode_document(&record)?);
            found.push(DocumentWrite { kind, name: name.to_owned(), revision, row });
            if found.len() >= RESEAL_BATCH {
                break;
            }
        }
        Ok(found)
    }
}

fn document(name: DocumentName, revision: u32, latest: u32, row: &[u8]) -> Result<Document, Error> {
    let DocumentRecord { stored_at, body, sealed } = decode_document(row)?;
    Ok(Document { name, revision, latest, stored_at, body, sealed })
}

fn encode(keyring: &Keyring, change: DocumentChange, latest: u32, now: Timestamp) -> Result<DocumentWrite, Error> {
    let DocumentChange { name, content } = change;
    let revision = latest + u32::from(content.is_some());
    let row = content.map(|DocumentContent { body, private }| {
        let private = (!private.is_empty()).then_some(private);
        let sealed = seal_value(keyring, &name.aad(revision), private.as_ref())?;
        encode_document(&DocumentRecord { stored_at: now, body, sealed })
    });
    Ok(DocumentWrite { kind: name.kind as u8, name: name.text(), revision, row: row.transpose()? })
}
