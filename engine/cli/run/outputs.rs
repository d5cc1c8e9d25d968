//! What jobs leave in `output` of their work trees, brought to where the user wants it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cli::output::note;
use crate::engine::JobView;
use crate::files::{Layout, Opened, create_file_beneath, create_work_tree, open_beneath};
use crate::job::State;

/// Where outputs go, and from where.
pub(super) struct Outputs {
    to: PathBuf,
    layout: Layout,
}

impl Outputs {
    pub(super) fn new(store: &Path, to: PathBuf) -> Outputs {
        Outputs { to, layout: Layout::new(store) }
    }

    /// Copies the outputs of the jobs that have succeeded, each to a directory with the name of the job, or its id where it
    /// has none. Links and what is neither file nor directory stay behind.
    pub(super) fn bring(&self, views: &[JobView]) -> io::Result<()> {
        for view in views.iter().filter(|view| view.state() == State::Succeeded) {
            let from = self.layout.work(view.job.id, view.job.status.attempt).join("output");
            if !from.is_dir() {
                continue;
            }
            let name = view.job.spec.name.clone().unwrap_or_else(|| view.job.id.to_string());
            let to = self.to.join(name);
            let count = copy(&from, &to)?;
            if count > 0 {
                note(&format!("{count} output files are in {}", to.display()));
            }
        }
        Ok(())
    }
}

/// Copies what is beneath a directory; how many files there were. The job has ended, and all of it is still treated as
/// what a stranger has left: nothing leads out of either directory.
fn copy(from: &Path, to: &Path) -> io::Result<usize> {
    let mut count = 0;
    let mut ahead = vec![PathBuf::new()];
    while let Some(path) = ahead.pop() {
        match open_beneath(from, &path)? {
            Some(Opened::Directory(_, names)) => {
                let directory = path.to_str().filter(|it| !it.is_empty());
                create_work_tree(to, directory.as_slice())?;
                ahead.extend(names.into_iter().map(|name| path.join(name)));
            }
            Some(Opened::File(mut file)) => {
                let Some(name) = path.to_str() else {
                    note(&format!("{} has a name that is not UTF-8 and stays behind", path.display()));
                    continue;
                };
                let mut copy = create_file_beneath(to, name)?;
                io::copy(&mut file, &mut copy)?;
                copy.set_permissions(fs::Permissions::from_mode(mode(&file)?))?;
                count += 1;
            }
            None => note(&format!("{} is neither file nor directory and stays behind", path.display())),
        }
    }
    Ok(count)
}

/// Whether it can be run goes along; who may write it does not.
fn mode(file: &fs::File) -> io::Result<u32> {
    Ok(if file.metadata()?.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 })
}
