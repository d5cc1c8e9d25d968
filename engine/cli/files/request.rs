//! What is asked about files, and how it is answered.
//!
//! A file goes in pieces, so that none is in memory whole. It is opened or begun on a connection, and the pieces that
//! follow on that connection are of it.

use serde::{Deserialize, Serialize};

use crate::cli::request::base64_bytes;
use crate::files::{FilePage, FileView};

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "file")]
pub(in crate::cli) enum FileRequest {
    List {
        project: String,
        prefix: String,
        after: Option<String>,
        limit: usize,
    },
    Delete {
        project: String,
        path: String,
    },
    /// Opens a file for [`FileRequest::Read`].
    Open {
        project: String,
        path: String,
    },
    /// The next piece of it; empty at its end.
    Read,
    /// Begins to put a file.
    Put {
        project: String,
        path: String,
    },
    /// The next piece of it; an empty one says that there will be more.
    Piece {
        #[serde(with = "base64_bytes")]
        bytes: Vec<u8>,
    },
    /// There is no more of it. Answered when it is on disk.
    Finish,
}

impl FileRequest {
    /// Whether it changes nothing and needs nothing that came before.
    pub(in crate::cli) fn is_question(&self) -> bool {
        matches!(self, FileRequest::List { .. })
    }
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of_file")]
pub(in crate::cli) enum FileReply {
    List(FileListWire),
    /// The file that was opened, or put.
    File(FileWire),
    Piece {
        #[serde(with = "base64_bytes")]
        bytes: Vec<u8>,
    },
    /// It goes on, or is done.
    Done,
}

/// A file or a folder as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct FileWire {
    pub(in crate::cli) path: String,
    pub(in crate::cli) bytes: u64,
    pub(in crate::cli) modified: String,
    pub(in crate::cli) is_folder: bool,
}

impl From<FileView> for FileWire {
    fn from(view: FileView) -> Self {
        let FileView { path, bytes, modified, is_folder } = view;
        FileWire { path, bytes, modified: modified.to_string(), is_folder }
    }
}

/// A page of files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct FileListWire {
    pub(in crate::cli) files: Vec<FileWire>,
    /// After which path the next page begins.
    pub(in crate::cli) next: Option<String>,
}

impl From<FilePage> for FileListWire {
    fn from(page: FilePage) -> Self {
        FileListWire { files: page.files.into_iter().map(FileWire::from).collect(), next: page.next }
    }
}
