//! The files of projects through the public door.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;

use super::Engine;
use crate::error::Error;
use crate::files::{FilePage, FileView};
use crate::job::validate::check_name;

impl Engine {
    /// Puts a file among those of a project, in the place of one that is there; folders on the way are made. Returns when it
    /// is on disk. Whoever reads it meanwhile has the old one or the new one, whole.
    ///
    /// ```
    /// use windlass::Engine;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let engine = Engine::builder(dir.path()).open().await?;
    /// let put = engine.put_file("default", "data/names.txt", "Ada\nGrace\n".as_bytes()).await?;
    /// assert_eq!((put.path.as_str(), put.bytes), ("data/names.txt", 10));
    /// assert_eq!(engine.read_file("default", "data/names.txt", 4, 100).await?, b"Grace\n");
    /// let page = engine.files("default", "data/", None, 100).await?;
    /// assert_eq!(page.files, [engine.file("default", "data/names.txt").await?]);
    /// engine.delete_file("default", "data").await?;
    /// assert!(engine.file("default", "data/names.txt").await.is_err());
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] for a path that is none, for more than [`FileLimits::bytes`](crate::files::FileLimits::bytes), and
    /// where a folder has the name; [`Error::Storage`], also where the reader fails; [`Error::Closed`].
    pub async fn put_file(
        &self,
        project: &str,
        path: &str,
        content: impl Read + Send + 'static,
    ) -> Result<FileView, Error> {
        let (project, path) = self.file_name(project, path)?;
        self.runtime().with_files(move |files| files.put(&project, &path, content)).await
    }

    /// What there is under a path: a file or a folder.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Invalid`] for a path that is none, [`Error::Storage`], [`Error::Closed`].
    pub async fn file(&self, project: &str, path: &str) -> Result<FileView, Error> {
        let (project, path) = self.file_name(project, path)?;
        self.runtime().with_files(move |files| files.stat(&project, &path)).await
    }

    /// Opens a file. What is opened stays what it is, also when another takes its place.
    ///
    /// # Errors
    /// As [`Engine::file`]; [`Error::Invalid`] for a folder.
    pub async fn open_file(&self, project: &str, path: &str) -> Result<(FileView, File), Error> {
        let (project, path) = self.file_name(project, path)?;
        self.runtime().with_files(move |files| files.open_file(&project, &path)).await
    }

    /// A piece of a file from the offset on, at most `max_bytes` and
    /// [`FileLimits::piece_bytes`](crate::files::FileLimits::piece_bytes). Empty at the end.
    ///
    /// # Errors
    /// As [`Engine::open_file`].
    pub async fn read_file(&self, project: &str, path: &str, from: u64, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let (_, file) = self.open_file(project, path).await?;
        let what = format!("the file {path:?}");
        let read = self.runtime().with_files(move |files| {
            let most = max_bytes.min(files.limits().piece_bytes);
            Ok(read_piece(&file, from, most))
        });
        read.await?.map_err(|error| Error::io(what, &error))
    }

    /// The files of a project whose paths begin with `prefix`, after the path `after`, at most `limit` and
    /// [`FileLimits::page`](crate::files::FileLimits::page), name by name in the order of bytes. What comes and goes meanwhile
    /// may be in the list or not; everything else is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit of 0, [`Error::Storage`], [`Error::Closed`].
    pub async fn files(
        &self,
        project: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<FilePage, Error> {
        let (project, prefix) = self.file_name(project, prefix)?;
        if limit == 0 {
            let most = self.runtime().config.files.page;
            return Err(Error::invalid("limit", "it is 0", format!("1 to {most}")));
        }
        let after = after.unwrap_or_default().to_owned();
        self.runtime().with_files(move |files| files.list(&project, &prefix, &after, limit)).await
    }

    /// Deletes a file, or a folder with all that is in it. Who reads it meanwhile reads it to its end.
    ///
    /// # Errors
    /// As [`Engine::file`].
    pub async fn delete_file(&self, project: &str, path: &str) -> Result<(), Error> {
        let (project, path) = self.file_name(project, path)?;
        self.runtime().with_files(move |files| files.delete(&project, &path)).await
    }

    fn file_name(&self, project: &str, path: &str) -> Result<(String, String), Error> {
        let mut problems = Vec::new();
        check_name("project", project, &self.runtime().config.job_limits, &mut problems);
        if problems.is_empty() { Ok((project.to_owned(), path.to_owned())) } else { Err(Error::Invalid(problems)) }
    }
}

fn read_piece(file: &File, from: u64, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, from.saturating_add(filled as u64))? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
