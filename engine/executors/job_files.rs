//! The files of an attempt: what it finds in `input` of its work tree, and what it is to leave in `output`.

use std::io;
use std::path::{Path, PathBuf};

use super::StartError;
use crate::files::{
    FileError, Layout, ProjectFiles, create_work_tree, merge_tree, place_inputs, place_uploads, read_payload,
    unpack_inputs,
};
use crate::job::{InputFile, Job, Private, RunOptions};

/// Where the work is told of the files of its project that it reads, one path a line.
const INPUTS: &str = "WINDLASS_INPUTS";
/// Where it is told of those that it writes.
const OUTPUTS: &str = "WINDLASS_OUTPUTS";

/// The files of an attempt. The default is none.
#[derive(Clone, Debug, Default)]
pub struct JobFiles {
    /// The tree of what was uploaded for it, where something was.
    uploaded: Option<PathBuf>,
    /// Input files of the job that come from its record.
    given: Vec<InputFile>,
    /// The file with its input files, where it has some that do not.
    inputs: Option<PathBuf>,
    /// The tree of what was fetched for it, where something is.
    fetched: Option<PathBuf>,
    /// The files of its project, where it reads any.
    project: Option<(ProjectFiles, String)>,
    reads: Vec<String>,
    writes: Vec<String>,
}

impl JobFiles {
    pub(crate) fn new(job: &Job, private: &Private, layout: &Layout, files: &ProjectFiles) -> JobFiles {
        let spec = &job.spec;
        let given = spec.inputs.iter().zip(&private.inputs);
        let given: Vec<InputFile> =
            given.map(|(input, content)| InputFile { path: input.path.clone(), content: content.to_vec() }).collect();
        let lie_beside = !spec.inputs.is_empty() && given.is_empty();
        let fetched = || layout.fetched(job.id, job.status.attempt);
        JobFiles {
            uploaded: spec.item.as_ref().filter(|item| item.uploaded).map(|_| layout.upload(job.seq())),
            inputs: lie_beside.then(|| layout.input(job.seq())),
            given,
            fetched: (!spec.fetches.is_empty()).then(fetched),
            project: (!spec.reads.is_empty()).then(|| (files.clone(), spec.project.clone())),
            reads: spec.reads.clone(),
            writes: spec.writes.clone(),
        }
    }

    /// Whether there are none, so that the attempt needs no work tree for them.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_none()
            && self.given.is_empty()
            && self.uploaded.is_none()
            && self.fetched.is_none()
            && self.reads.is_empty()
            && self.writes.is_empty()
    }

    /// What the work is told of them. The paths begin with `at`, which is empty for paths that are relative to the work tree.
    pub fn told(&self, at: &str) -> RunOptions {
        let mut told = RunOptions::new();
        for (variable, folder, paths) in [(INPUTS, "input", &self.reads), (OUTPUTS, "output", &self.writes)] {
            if !paths.is_empty() {
                let lines: Vec<String> = paths.iter().map(|path| format!("{at}{folder}/{path}")).collect();
                told.set(variable, lines.join("\n"));
            }
        }
        told
    }

    /// Puts them into a work tree, what was fetched first, and makes the folders in `output` that those it writes are to be in.
    pub(crate) async fn place(&self, work: &Path) -> Result<(), StartError> {
        let folders: Vec<&str> =
            self.writes.iter().filter_map(|path| path.rsplit_once('/')).map(|(it, _)| it).collect();
        if !folders.is_empty() {
            create_work_tree(&work.join("output"), &folders).map_err(no_work_tree)?;
        }
        if let Some(fetched) = self.fetched.clone() {
            let work = work.to_owned();
            let merged = tokio::task::spawn_blocking(move || merge_tree(&fetched, &work)).await;
            merged.map_err(io::Error::other).and_then(|merged| merged).map_err(no_work_tree)?;
        }
        if let Some(inputs) = &self.inputs {
            let placed = read_payload(inputs).and_then(|packed| unpack_inputs(&packed));
            let placed = placed.and_then(|inputs| place_inputs(&inputs, &work.join("input")));
            placed.map_err(no_work_tree)?;
        }
        if let Some(uploaded) = self.uploaded.clone() {
            let to = work.join("input");
            let placed = tokio::task::spawn_blocking(move || place_uploads(&uploaded, &to)).await;
            placed.map_err(io::Error::other).and_then(|placed| placed).map_err(no_work_tree)?;
        }
        if !self.given.is_empty() {
            place_inputs(&self.given, &work.join("input")).map_err(no_work_tree)?;
        }
        let Some((files, project)) = self.project.clone() else { return Ok(()) };
        let (paths, to) = (self.reads.clone(), work.join("input"));
        let place = move || paths.iter().try_for_each(|path| files.place(&project, path, &to));
        match tokio::task::spawn_blocking(place).await {
            Ok(placed) => placed.map_err(|error| no_input(&error)),
            Err(error) => Err(StartError { message: error.to_string(), permanent: false }),
        }
    }
}

fn no_work_tree(error: io::Error) -> StartError {
    StartError { message: format!("no work tree: {error}"), permanent: false }
}

fn no_input(error: &FileError) -> StartError {
    let permanent = !matches!(error, FileError::Io { .. });
    StartError { message: format!("an input is not there: {error}"), permanent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_folders_of_what_is_written_are_there() {
        let work = tempfile::tempdir().unwrap();
        let files = JobFiles { writes: vec!["a/b/file".into(), "other".into()], ..JobFiles::default() };
        files.place(work.path()).await.unwrap();
        assert!(work.path().join("output/a/b").is_dir() && !work.path().join("output/other").exists());
    }

    #[test]
    fn the_work_is_told_of_its_files_in_their_order() {
        let files = JobFiles { reads: vec!["b".into(), "a/c".into()], ..JobFiles::default() };
        let told = files.told("/work/");
        let told: Vec<_> = told.iter().map(|(name, value)| (name, value.value.as_str())).collect();
        assert_eq!(told, [("WINDLASS_INPUTS", "/work/input/b\n/work/input/a/c")]);
        assert!(!files.is_empty() && JobFiles::default().is_empty());
    }
}
