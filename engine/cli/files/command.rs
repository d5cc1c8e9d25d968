//! The commands.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::local::{Goal, Source};
use super::request::{FileListWire, FileReply, FileRequest, FileWire};
use super::transfer::Transfer;
use crate::cli::failure::{FAILED, Failure};
use crate::cli::output::{note, print, print_json};
use crate::cli::request::MAX_PAGE;
use crate::cli::store_dir::{Place, open_to_change, open_to_manage};
use crate::cli::table::{printable, seconds, table};
use crate::cli::target::Target;

/// What is done with the files of a project.
#[derive(clap::Args)]
pub(in crate::cli) struct FilesArgs {
    /// The project
    #[arg(long, global = true, default_value = crate::job::spec::DEFAULT_NAME)]
    project: String,
    #[command(subcommand)]
    command: FilesCommand,
}

#[derive(clap::Subcommand)]
enum FilesCommand {
    /// Put a file, in the place of one that is there
    Put {
        /// Where among the files of the project
        #[arg(value_name = "PROJECT_PATH")]
        path: String,
        /// The file, or - for standard input
        #[arg(value_name = "LOCAL_FILE")]
        from: PathBuf,
    },
    /// Get a file
    Get {
        /// Where among the files of the project
        #[arg(value_name = "PROJECT_PATH")]
        path: String,
        /// Where it goes, in the place of what is there, or - for standard output
        #[arg(value_name = "LOCAL_FILE")]
        to: PathBuf,
    },
    /// List files, name by name in the order of bytes
    List {
        /// Only those whose paths begin so
        #[arg(default_value = "")]
        prefix: String,
        /// Go on after this path
        #[arg(long, value_name = "PATH")]
        after: Option<String>,
        /// How many are listed
        #[arg(long, default_value_t = MAX_PAGE as u64, value_parser = clap::value_parser!(u64).range(1..=MAX_PAGE as u64))]
        limit: u64,
    },
    /// Delete a file, or a folder with all that is in it
    Delete {
        /// Where among the files of the project
        #[arg(value_name = "PROJECT_PATH")]
        path: String,
    },
}

#[derive(Serialize)]
struct DeletedWire {
    deleted: String,
}

/// Runs the command.
pub(in crate::cli) async fn files(place: &Place, args: FilesArgs, json: bool) -> Result<u8, Failure> {
    let FilesArgs { project, command } = args;
    let is_put = matches!(command, FilesCommand::Put { .. });
    let target = if is_put { open_to_change(place).await? } else { open_to_manage(place).await? };
    let mut files = Files { target, transfer: Transfer::default() };
    let result = match command {
        FilesCommand::Put { path, from } => put(&mut files, project, path, &from, json).await,
        FilesCommand::Get { path, to } => get(&mut files, project, path, &to, json).await,
        FilesCommand::List { prefix, after, limit } => {
            let limit = usize::try_from(limit).unwrap_or(MAX_PAGE);
            list(&mut files, FileRequest::List { project, prefix, after, limit }, json).await
        }
        FilesCommand::Delete { path } => delete(&mut files, project, path, json).await,
    };
    files.target.close().await;
    result.map(|()| 0)
}

/// Whoever answers, with what is on its way there.
struct Files {
    target: Target,
    transfer: Transfer,
}

impl Files {
    async fn ask(&mut self, request: FileRequest) -> Result<FileReply, Failure> {
        match &self.target {
            Target::Own(engine) => self.transfer.answer(engine, request).await,
            Target::Remote { .. } => self.target.file(request).await,
        }
    }

    async fn file(&mut self, request: FileRequest) -> Result<FileWire, Failure> {
        match self.ask(request).await? {
            FileReply::File(file) => Ok(file),
            _ => Err(unexpected()),
        }
    }

    async fn done(&mut self, request: FileRequest) -> Result<(), Failure> {
        match self.ask(request).await? {
            FileReply::Done => Ok(()),
            _ => Err(unexpected()),
        }
    }
}

fn unexpected() -> Failure {
    Failure::new(FAILED, "the process that holds the store gave an answer to something else")
}

async fn put(files: &mut Files, project: String, path: String, from: &Path, json: bool) -> Result<(), Failure> {
    let mut source = Source::open(from)?;
    files.done(FileRequest::Put { project, path }).await?;
    while let Some(bytes) = source.next().await? {
        files.done(FileRequest::Piece { bytes }).await?;
    }
    let file = files.file(FileRequest::Finish).await?;
    show(&file, json)
}

async fn get(files: &mut Files, project: String, path: String, to: &Path, json: bool) -> Result<(), Failure> {
    let file = files.file(FileRequest::Open { project, path }).await?;
    let mut goal = Goal::open(to)?;
    loop {
        let FileReply::Piece { bytes } = files.ask(FileRequest::Read).await? else { return Err(unexpected()) };
        if bytes.is_empty() {
            break;
        }
        goal.write(&bytes)?;
    }
    let is_shown = !matches!(goal, Goal::Standard);
    goal.finish()?;
    if is_shown { show(&file, json) } else { Ok(()) }
}

async fn list(files: &mut Files, request: FileRequest, json: bool) -> Result<(), Failure> {
    let FileReply::List(list) = files.ask(request).await? else { return Err(unexpected()) };
    if json {
        return print_json(&list);
    }
    let FileListWire { files, next } = list;
    let row = |file: &FileWire| {
        let folder = if file.is_folder { "/" } else { "" };
        vec![format!("{}{folder}", file.path), file.bytes.to_string(), seconds(&file.modified)]
    };
    let rows: Vec<Vec<String>> = files.iter().map(row).collect();
    print(&table(&["path", "bytes", "modified"], &rows))?;
    if let Some(next) = next {
        note(&format!("there are more: --after \"{}\"", printable(&next)));
    }
    Ok(())
}

async fn delete(files: &mut Files, project: String, path: String, json: bool) -> Result<(), Failure> {
    files.done(FileRequest::Delete { project, path: path.clone() }).await?;
    if json {
        return print_json(&DeletedWire { deleted: path });
    }
    print(&format!("{} is deleted\n", printable(&path)))
}

fn show(file: &FileWire, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(file);
    }
    print(&format!("{} ({} bytes)\n", printable(&file.path), file.bytes))
}
