//! What jobs and plugins share: the sandbox and the compiled programs. Made when the first of them runs: an engine that runs
//! none pays nothing.

use std::sync::{Arc, Mutex, PoisonError};

use super::code::Programs;
use super::sandbox::Sandbox;
use crate::config::WasmConfig;
use crate::files::Layout;

/// Where WebAssembly runs.
pub(crate) struct Machine {
    sandbox: Mutex<Option<Arc<Sandbox>>>,
    pub(super) programs: Arc<Programs>,
    pub(super) config: WasmConfig,
}

impl Machine {
    pub(crate) fn new(layout: &Layout, config: WasmConfig) -> Arc<Machine> {
        let programs = Arc::new(Programs::new(layout.compiled(), &config));
        Arc::new(Machine { sandbox: Mutex::default(), programs, config })
    }

    /// # Errors
    /// Says why this machine runs no WebAssembly.
    pub(super) fn sandbox(&self) -> Result<Arc<Sandbox>, String> {
        let mut sandbox = self.sandbox.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sandbox) = &*sandbox {
            return Ok(sandbox.clone());
        }
        let made =
            Sandbox::new(&self.config).map_err(|error| format!("this machine runs no WebAssembly: {error:#}"))?;
        Ok(sandbox.insert(Arc::new(made)).clone())
    }
}
