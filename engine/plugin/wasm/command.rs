//! One run of a program: a fresh instance that sees its arguments, its environment and its directories, and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::{FsPerms, I32Exit, ResourceTableError, WasiCtxBuilder, WasiView};

use super::call::Call;
use super::code::Program;
use super::guest::{Guest, Memory};
use super::log::Printed;
use super::sandbox::Sandbox;
use crate::files::{AttemptLog, LogStream};
use crate::job::Outcome;

/// Where a guest finds its work tree, and where it starts.
pub(super) const WORK: &str = "/work";
/// Where it finds the directory of its chain.
pub(super) const CHAIN: &str = "/chain";

/// What a run is given.
pub(super) struct Command {
    /// Its own name first.
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) work_dir: PathBuf,
    pub(super) chain_dir: Option<PathBuf>,
    pub(super) memory_bytes: u64,
    /// Files and the like that it may have open at once.
    pub(super) handles: usize,
    pub(super) log: Arc<AttemptLog>,
}

impl Command {
    /// Runs the program to its end. Dropping the future ends it at once.
    pub(super) async fn run(self, sandbox: &Sandbox, program: &Program) -> Outcome {
        // The semaphore is never closed.
        let _place = sandbox.instances.acquire().await;
        let log = self.log.clone();
        let outcome = match self.store(sandbox) {
            Ok(store) => {
                let _running = sandbox.ticker.running();
                run(program, store).await
            }
            Err(error) => Outcome::NotStarted { message: format!("no sandbox: {error:#}"), permanent: false },
        };
        log.finish();
        outcome
    }

    fn store(self, sandbox: &Sandbox) -> wasmtime::Result<Store<Guest>> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.args(&self.args).envs(&self.env).initial_cwd(WORK);
        wasi.stdout(Printed::to(self.log.clone(), LogStream::Stdout));
        wasi.stderr(Printed::to(self.log.clone(), LogStream::Stderr));
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        wasi.preopened_dir(&self.work_dir, WORK, FsPerms::ReadWrite)?;
        // Programs of WASI 0.1 resolve relative paths against this one.
        wasi.preopened_dir(&self.work_dir, ".", FsPerms::ReadWrite)?;
        if let Some(dir) = &self.chain_dir {
            wasi.preopened_dir(dir, CHAIN, FsPerms::ReadWrite)?;
        }
        let mut wasi = wasi.build_p1();
        WasiView::ctx(&mut wasi).table.set_max_capacity(self.handles);
        let memory = Memory::new(sandbox.budget.clone(), self.memory_bytes);
        let guest = Guest { wasi, memory, call: Call::default() };
        let mut store = Store::new(&sandbox.engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        Ok(store)
    }
}

async fn run(program: &Program, mut store: Store<Guest>) -> Outcome {
    let ended = match program {
        Program::Component(program) => match program.instantiate_async(&mut store).await {
            Ok(command) => command.wasi_cli_run().call_run(&mut store).await,
            Err(error) => Err(error),
        },
        Program::Module(program) => start(program, &mut store).await.map(Ok),
        _ => Err(wasmtime::Error::msg("a plugin is no program")),
    };
    match ended {
        Ok(Ok(())) => Outcome::Succeeded,
        Ok(Err(())) => Outcome::Exit { code: 1 },
        Err(error) => outcome_of(&error, store.data().memory.refused),
    }
}

async fn start(program: &wasmtime::InstancePre<Guest>, store: &mut Store<Guest>) -> wasmtime::Result<()> {
    let instance = program.instantiate_async(&mut *store).await?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    start.call_async(&mut *store, ()).await
}

/// A program that was refused memory and then failed is taken to have failed for that.
fn outcome_of(error: &wasmtime::Error, was_refused_memory: bool) -> Outcome {
    match (error.downcast_ref::<I32Exit>(), was_refused_memory) {
        (Some(I32Exit(0)), _) => Outcome::Succeeded,
        (_, true) => Outcome::OutOfMemory,
        (Some(I32Exit(code)), false) => Outcome::Exit { code: *code },
        (None, false) => Outcome::Error { message: failure(error), permanent: false },
    }
}

fn failure(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => format!("the program trapped: {trap}"),
        None if error.root_cause().is::<ResourceTableError>() => "the program has too many files open".to_owned(),
        None => format!("the program could not go on: {}", error.root_cause()),
    }
}
