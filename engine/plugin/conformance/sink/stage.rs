//! What the checks of sinks have in common: attempts with files to store.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::found::{Ended, failed, good};
use super::super::scene::Scene;
use super::super::subject::{Subject, fresh_id};
use super::cases::SinkCases;
use crate::executors::BoxFuture;
use crate::files::{create_file_beneath, create_work_tree};
use crate::plugin::contract::{Attempt, Handle, SinkPlugin, StoreRequest, Stored};

/// Where the checks take place.
pub(super) struct Stage<'s> {
    pub(super) subject: &'s Subject<dyn SinkPlugin>,
    pub(super) cases: &'s SinkCases,
    begun: Mutex<Vec<(StoreRequest, Handle)>>,
}

/// An attempt with its work tree, in which the files of the cases are.
pub(super) struct Output {
    pub(super) request: StoreRequest,
    pub(super) work: PathBuf,
}

/// Where a file is in the work tree: nothing can be told of it by its name.
pub(super) fn path(place: usize) -> String {
    format!("output/file-{place}")
}

impl<'s> Stage<'s> {
    pub(super) fn new(subject: &'s Subject<dyn SinkPlugin>, cases: &'s SinkCases) -> Stage<'s> {
        Stage { subject, cases, begun: Mutex::default() }
    }

    pub(super) fn plugin(&self) -> &Arc<dyn SinkPlugin> {
        self.subject.first()
    }

    /// The names of the files, in the order of their paths.
    pub(super) fn names(&self) -> Vec<&str> {
        self.cases.files.keys().map(String::as_str).collect()
    }

    /// An attempt that the sink has not heard of.
    pub(super) fn output(&self) -> Result<Output, Ended> {
        let attempt = Attempt { job: fresh_id(), number: 1 };
        let work = self.subject.works().join(&attempt.job);
        let made = || -> std::io::Result<()> {
            create_work_tree(&work, &["output"])?;
            for (place, text) in self.cases.files.values().enumerate() {
                std::io::Write::write_all(&mut create_file_beneath(&work, &path(place))?, text.as_bytes())?;
            }
            Ok(())
        };
        made().or_else(|error| failed(format!("no work tree for the suite: {}: {error}", work.display())))?;
        let request = StoreRequest { attempt, options: self.cases.request.clone(), keys: Vec::new() };
        Ok(Output { request, work })
    }

    /// Has it aborted at the end, unless it was committed.
    fn remember(&self, output: &Output, handle: &Handle) {
        let begun = (output.request.clone(), handle.clone());
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(begun);
    }

    pub(super) async fn begin(&self, output: &Output) -> Result<Handle, Ended> {
        let begun = good("begin", self.plugin().begin(output.request.clone()).await)?;
        self.remember(output, &begun);
        Ok(begun)
    }

    pub(super) async fn put(&self, output: &Output, begun: Handle, place: usize) -> Result<Handle, Ended> {
        self.put_by(self.plugin(), output, begun, place).await
    }

    pub(super) async fn put_by(
        &self,
        plugin: &Arc<dyn SinkPlugin>,
        output: &Output,
        begun: Handle,
        place: usize,
    ) -> Result<Handle, Ended> {
        let name = self.names().get(place).copied().unwrap_or_default();
        let put = plugin.put(output.request.clone(), begun, path(place), name.to_owned(), output.work.clone());
        good(&format!("put of {name:?}"), put.await)
    }

    /// Puts every file.
    pub(super) async fn put_all(&self, output: &Output, mut begun: Handle) -> Result<Handle, Ended> {
        for place in 0..self.cases.files.len() {
            begun = self.put(output, begun, place).await?;
        }
        Ok(begun)
    }

    pub(super) async fn commit(&self, output: &Output, begun: Handle) -> Result<Vec<Stored>, Ended> {
        good("commit", self.plugin().commit(output.request.clone(), begun).await)
    }

    pub(super) async fn abort(&self, output: &Output, begun: Handle) -> Result<(), Ended> {
        good("abort", self.plugin().abort(output.request.clone(), begun).await)
    }

    /// Whether what was stored are the files at these places, each once.
    pub(super) fn are(&self, stored: &[Stored], places: &[usize]) -> Result<(), Ended> {
        let sizes: Vec<u64> = self.cases.files.values().map(|text| text.len() as u64).collect();
        let mut wanted: Vec<u64> = places.iter().filter_map(|place| sizes.get(*place).copied()).collect();
        let mut got: Vec<u64> = stored.iter().map(|it| it.bytes).collect();
        wanted.sort_unstable();
        got.sort_unstable();
        if wanted != got {
            return failed(format!("commit: there should be files of {wanted:?} bytes, there are of {got:?}"));
        }
        let mut places: Vec<&str> = stored.iter().map(|it| it.location.as_str()).collect();
        places.sort_unstable();
        match places.windows(2).find(|pair| pair.first() == pair.last()) {
            Some(pair) => failed(format!("commit: two files are at {}", pair.concat())),
            None => Ok(()),
        }
    }

    /// The same for all files.
    pub(super) fn are_all(&self, stored: &[Stored]) -> Result<(), Ended> {
        self.are(stored, &(0..self.cases.files.len()).collect::<Vec<_>>())
    }
}

impl Scene for Stage<'_> {
    type Plugin = dyn SinkPlugin;
    const FEATURES: &'static [&'static str] = &[];

    fn subject(&self) -> &Subject<dyn SinkPlugin> {
        self.subject
    }

    fn options(&self) -> Vec<(&'static str, &str)> {
        vec![("request", &self.cases.request)]
    }

    fn clear(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
            for (request, handle) in begun {
                // What was committed is over; what could not be aborted has failed its check already.
                if let Err(error) = self.plugin().abort(request, handle).await {
                    tracing::debug!(%error, "a store of the conformance suite is not aborted");
                }
            }
            self.subject.tidy_up();
        })
    }
}
