//! The functions of a native plugin.
#![expect(unsafe_code, reason = "they are called by the engine, and call it, with pointers")]

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;
use std::time::Duration;

use super::{abi, called, give, read};
use crate::bindings::exports_of_executor::Guest;
use crate::error::Error;
use crate::executor::{Channel, Executor, Export, LogSink};

/// The table of functions of an executor.
#[doc(hidden)]
pub fn table<E: Executor>() -> *const c_void {
    let table: &'static abi::Table = &Entries::<E>::TABLE;
    ptr::from_ref(table).cast()
}

struct Entries<E>(PhantomData<E>);

impl<E: Executor> Entries<E> {
    const TABLE: abi::Table = abi::Table {
        abi: abi::ABI,
        size: size_of::<abi::Table>() as u32,
        // It has no state of its own, and whatever else it shares between threads Rust has looked at.
        flags: abi::CONCURRENT,
        reserved: 0,
        describe: Some(describe::<E>),
        check: Some(check::<E>),
        definitions: Some(definitions::<E>),
        validate: Some(validate::<E>),
        submit: Some(submit::<E>),
        observe: Some(observe::<E>),
        logs: Some(logs::<E>),
        stop: Some(stop::<E>),
        collect: Some(collect::<E>),
        remove: Some(remove::<E>),
        owned: Some(owned::<E>),
    };
}

unsafe extern "C" fn describe<E: Executor>(host: *const abi::Host) -> i32 {
    called(host, |engine| {
        give::descriptor(engine, &Export::<E>::describe());
        Ok(())
    })
}

unsafe extern "C" fn check<E: Executor>(host: *const abi::Host) -> i32 {
    called(host, |_| Export::<E>::check())
}

unsafe extern "C" fn definitions<E: Executor>(host: *const abi::Host, cursor: abi::Str) -> i32 {
    called(host, |engine| {
        let page = Export::<E>::definitions(read::optional(cursor))?;
        page.definitions.iter().for_each(|definition| give::definition(engine, definition));
        give::next(engine, page.next.as_ref());
        Ok(())
    })
}

unsafe extern "C" fn validate<E: Executor>(host: *const abi::Host, options: abi::Str) -> i32 {
    called(host, |engine| {
        Export::<E>::validate(read::text(options)).iter().for_each(|problem| give::problem(engine, problem));
        Ok(())
    })
}

unsafe extern "C" fn submit<E: Executor>(host: *const abi::Host, task: *const abi::Task) -> i32 {
    called(host, |engine| {
        let task = read::task(task).ok_or_else(|| nothing("task"))?;
        give::made(engine, &Export::<E>::submit(task)?);
        Ok(())
    })
}

unsafe extern "C" fn observe<E: Executor>(
    host: *const abi::Host,
    runs: *const abi::Run,
    runs_len: usize,
    wait_ms: u64,
) -> i32 {
    called(host, |engine| {
        let observations = Export::<E>::observe(read::runs(runs, runs_len), wait_ms)?;
        observations.iter().for_each(|observation| give::observation(engine, observation));
        Ok(())
    })
}

unsafe extern "C" fn logs<E: Executor>(
    host: *const abi::Host,
    run: *const abi::Run,
    cursor: abi::Str,
    wait_ms: u64,
) -> i32 {
    called(host, |engine| {
        let run = read::run(run).ok_or_else(|| nothing("run"))?;
        let mut write = |channel, bytes: &[u8], cursor: &str| {
            let number = match channel {
                Channel::Stdout => 1,
                Channel::Stderr => 2,
                Channel::System => 3,
            };
            // SAFETY: both live until the call returns.
            unsafe { (engine.write_log)(engine, number, give::bytes(bytes), give::text(cursor)) == 1 }
        };
        let (cursor, wait) = (read::optional(cursor), Duration::from_millis(wait_ms));
        if Export::<E>::push_logs(run, cursor.as_deref(), wait, &mut LogSink::new(&mut write))? {
            give::over(engine);
        }
        Ok(())
    })
}

unsafe extern "C" fn stop<E: Executor>(host: *const abi::Host, run: *const abi::Run, grace_ms: u64) -> i32 {
    called(host, |engine| {
        let run = read::run(run).ok_or_else(|| nothing("run"))?;
        if let Some(handle) = Export::<E>::stop(run, grace_ms)? {
            give::made(engine, &handle);
        }
        Ok(())
    })
}

unsafe extern "C" fn collect<E: Executor>(host: *const abi::Host, run: *const abi::Run) -> i32 {
    called(host, |_| Export::<E>::collect(read::run(run).ok_or_else(|| nothing("run"))?))
}

unsafe extern "C" fn remove<E: Executor>(host: *const abi::Host, run: *const abi::Run) -> i32 {
    called(host, |_| Export::<E>::remove(read::run(run).ok_or_else(|| nothing("run"))?))
}

unsafe extern "C" fn owned<E: Executor>(host: *const abi::Host, cursor: abi::Str) -> i32 {
    called(host, |engine| {
        let page = Export::<E>::owned(read::optional(cursor))?;
        page.runs.iter().for_each(|run| give::run(engine, run));
        give::next(engine, page.next.as_ref());
        Ok(())
    })
}

fn nothing(what: &str) -> Error {
    Error::internal(format!("the engine passed no {what}"))
}
