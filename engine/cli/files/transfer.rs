//! The file that goes over a connection, at the side of whoever holds the store.

use std::fs::File;
use std::io::{self, Read};

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::request::{FileReply, FileRequest};
use crate::cli::failure::{FAILED, Failure};
use crate::engine::Engine;
use crate::error::Error;
use crate::files::FileView;

/// Bytes of a file that are answered at once.
const READ_BYTES: u64 = 256 * 1024;

/// Pieces that have come and are not written yet.
const PIECES: usize = 4;

/// What is on its way over one connection. A file that is put is given up when this is dropped before its end.
#[derive(Default)]
pub(in crate::cli) enum Transfer {
    #[default]
    Nothing,
    Reading(File),
    Putting {
        pieces: mpsc::Sender<Coming>,
        put: JoinHandle<Result<FileView, Error>>,
    },
}

/// What comes of a file that is put.
pub(in crate::cli) enum Coming {
    Piece(Vec<u8>),
    End,
}

impl Transfer {
    /// Answers a request on this connection.
    pub(in crate::cli) async fn answer(&mut self, engine: &Engine, request: FileRequest) -> Result<FileReply, Failure> {
        Ok(match request {
            FileRequest::List { project, prefix, after, limit } => {
                FileReply::List(engine.files(&project, &prefix, after.as_deref(), limit).await?.into())
            }
            FileRequest::Delete { project, path } => {
                engine.delete_file(&project, &path).await?;
                FileReply::Done
            }
            FileRequest::Open { project, path } => {
                let (view, file) = engine.open_file(&project, &path).await?;
                *self = Transfer::Reading(file);
                FileReply::File(view.into())
            }
            FileRequest::Read => FileReply::Piece { bytes: self.read().await? },
            FileRequest::Put { project, path } => {
                self.begin(engine.clone(), project, path);
                FileReply::Done
            }
            FileRequest::Piece { bytes } => {
                self.take(Coming::Piece(bytes)).await?;
                FileReply::Done
            }
            FileRequest::Finish => {
                self.take(Coming::End).await?;
                FileReply::File(self.end().await?.into())
            }
        })
    }

    async fn read(&mut self) -> Result<Vec<u8>, Failure> {
        let Transfer::Reading(file) = std::mem::take(self) else { return Err(no_transfer()) };
        let read = move || {
            let mut bytes = Vec::new();
            (&file).take(READ_BYTES).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>((file, bytes))
        };
        let (file, bytes) = spawn_blocking(read).await.map_err(|error| Failure::new(FAILED, error))??;
        if !bytes.is_empty() {
            *self = Transfer::Reading(file);
        }
        Ok(bytes)
    }

    fn begin(&mut self, engine: Engine, project: String, path: String) {
        let (pieces, coming) = mpsc::channel(PIECES);
        let content = Content { coming, piece: io::Cursor::default(), ended: false };
        let put = tokio::spawn(async move { engine.put_file(&project, &path, content).await });
        *self = Transfer::Putting { pieces, put };
    }

    async fn take(&mut self, coming: Coming) -> Result<(), Failure> {
        let Transfer::Putting { pieces, .. } = self else { return Err(no_transfer()) };
        if pieces.send(coming).await.is_ok() {
            return Ok(());
        }
        // Nobody reads it any more: it was refused.
        self.end().await.and_then(|_| Err(no_transfer()))
    }

    async fn end(&mut self) -> Result<FileView, Failure> {
        let Transfer::Putting { put, pieces } = std::mem::take(self) else { return Err(no_transfer()) };
        let put = put.await.map_err(|error| Failure::new(FAILED, error))?;
        drop(pieces);
        Ok(put?)
    }
}

fn no_transfer() -> Failure {
    Failure::new(FAILED, "no file is on its way over this connection")
}

/// The pieces as one file, for a thread that may wait for them. Without the end it breaks off.
struct Content {
    coming: mpsc::Receiver<Coming>,
    piece: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl Read for Content {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(bytes)?;
            if read > 0 || self.ended {
                return Ok(read);
            }
            match self.coming.blocking_recv() {
                Some(Coming::Piece(piece)) => self.piece = io::Cursor::new(piece),
                Some(Coming::End) => self.ended = true,
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it broke off before its end")),
            }
        }
    }
}
