//! What the engine keeps on disk beside the store: the logs of attempts, their work trees, the files of projects.

mod attempt_log;
mod beneath;
mod frame;
mod inputs;
mod layout;
mod log;
mod log_reader;
mod mask;
mod merge;
mod outgoing;
mod outputs;
mod payload;
#[cfg(feature = "plugin")]
mod private;
mod projects;
mod uploads;
mod value;

pub use attempt_log::AttemptLog;
pub use beneath::{Opened, WORK_TREE, create_file_beneath, create_work_tree, open_beneath, remove_tree};
pub use frame::{LogChunk, LogStream, decode_frames};
pub use inputs::{pack_inputs, place_inputs, unpack_inputs};
pub use layout::Layout;
pub use log::{LogLimits, LogTotals, LogWriter};
pub use log_reader::{LogPage, read_log};
pub use mask::Masker;
pub use merge::merge_tree;
pub use outgoing::files_beneath;
pub use outputs::{output_files, output_type_of, read_output_file};
pub use payload::{read_payload, write_payload};
#[cfg(feature = "plugin")]
pub use private::{PrivateDir, read_file};
pub use projects::{FileError, FileLimits, FilePage, FileView, ProjectFiles, Staged};
pub use uploads::{append_upload, place_uploads};
pub use value::read_value;
