//! What executors and plugins there are.

use super::Engine;
use crate::error::Error;
use crate::executors::{DefinitionPage, Registered};
#[cfg(feature = "wasm")]
use crate::plugin::{Changes as PluginChanges, Grants, Places};

impl Engine {
    /// What a platform can run, a page from the cursor on. Empty for executors that list nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an executor that there is not, [`Error::Unavailable`] when the platform cannot be reached.
    pub async fn definitions(&self, executor: &str, cursor: Option<String>) -> Result<DefinitionPage, Error> {
        match self.executor(executor)? {
            Registered::Local(_) => Ok(DefinitionPage::default()),
            Registered::Platform(platform) => {
                platform.definitions(cursor).await.map_err(|error| Error::Unavailable(error.to_string()))
            }
        }
    }

    /// Whether an executor can be used now: a platform is reached and lets this engine in.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an executor that there is not, [`Error::Unavailable`] with the reason.
    pub async fn check_executor(&self, executor: &str) -> Result<(), Error> {
        match self.executor(executor)? {
            Registered::Local(_) => Ok(()),
            Registered::Platform(platform) => {
                platform.check().await.map_err(|error| Error::Unavailable(error.to_string()))
            }
        }
    }

    /// Looks for plugins again, with other grants where there are some: new ones become executors, those with another
    /// content are replaced from the next call on, runs and all. One that is refused goes on as it was. Blocks while it
    /// reads them.
    ///
    /// # Errors
    /// [`Error::Invalid`] where plugins are not enabled, [`Error::Storage`].
    #[cfg(feature = "wasm")]
    pub fn refresh_plugins(&self, grants: Option<Grants>) -> Result<PluginChanges, Error> {
        let Some(fleet) = &self.inner.fleet else {
            return Err(Error::invalid("plugins", "they are not enabled", "an engine that was built with `plugins`"));
        };
        let runtime = self.runtime();
        fleet.refresh(grants, Places { executors: &runtime.executors, transfers: &runtime.transfers })
    }

    fn executor(&self, name: &str) -> Result<Registered, Error> {
        let executors = &self.runtime().executors;
        executors.get(name).ok_or_else(|| {
            let names: Vec<String> = executors.all().into_iter().map(|(name, _)| name).collect();
            Error::invalid("executor", format!("{name:?} is not enabled here"), names.join(", "))
        })
    }
}
