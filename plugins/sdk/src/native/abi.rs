//! The C interface, as `plugins/native/windlass_plugin.h` has it, word for word.

use std::ffi::c_void;

/// The version of the interface.
pub(super) const ABI: u32 = 1;
/// A flag of a plugin: several calls at once are fine.
pub(super) const CONCURRENT: u32 = 1;
/// What a call returns that went well.
pub(super) const OK: i32 = 0;
/// What a call returns that did not.
pub(super) const FAILED: i32 = 1;

/// A text.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Str {
    pub(super) ptr: *const u8,
    pub(super) len: usize,
}

/// Bytes.
pub(super) type Bytes = Str;

impl Str {
    pub(super) const NONE: Str = Str { ptr: std::ptr::null(), len: 0 };
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Handle {
    pub(super) schema: u32,
    pub(super) data: Bytes,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    pub(super) job: Str,
    pub(super) number: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) name: Str,
    pub(super) value: Str,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Error {
    pub(super) kind: u32,
    pub(super) retry: u32,
    pub(super) retry_after_ms: u64,
    pub(super) message: Str,
    pub(super) code: Str,
    pub(super) details: *const Pair,
    pub(super) details_len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Problem {
    pub(super) field: Str,
    pub(super) problem: Str,
    pub(super) allowed: Str,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) name: Str,
    pub(super) version: Str,
    pub(super) summary: Str,
    pub(super) options_schema: Str,
    pub(super) features: *const Str,
    pub(super) features_len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Variable {
    pub(super) name: Str,
    pub(super) value: Str,
    pub(super) secret: u32,
}

#[repr(C)]
pub(super) struct Task {
    pub(super) attempt: Attempt,
    pub(super) name: Str,
    pub(super) chain: Str,
    pub(super) options: Str,
    pub(super) environment: *const Variable,
    pub(super) environment_len: usize,
    pub(super) grace_ms: u64,
    pub(super) deadline_at_ms: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) attempt: Attempt,
    pub(super) handle: *const Handle,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Observation {
    pub(super) state: u32,
    pub(super) code: i32,
    pub(super) reason: Str,
    pub(super) error: *const Error,
    pub(super) handle: *const Handle,
    pub(super) ask_after_ms: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Definition {
    pub(super) name: Str,
    pub(super) version: Str,
    pub(super) summary: Str,
    pub(super) options: Str,
}

/// What a plugin may ask of the engine.
#[repr(C)]
pub(super) struct Host {
    pub(super) abi: u32,
    pub(super) size: u32,
    pub(super) ctx: *mut c_void,
    pub(super) settings: Str,
    pub(super) engine_id: Str,
    pub(super) work: Str,
    pub(super) log: unsafe extern "C" fn(*const Host, u32, Str),
    pub(super) checkpoint: unsafe extern "C" fn(*const Host, Handle) -> i32,
    pub(super) write_log: unsafe extern "C" fn(*const Host, u32, Bytes, Str) -> i32,
    pub(super) fail: unsafe extern "C" fn(*const Host, *const Error) -> i32,
    pub(super) give_descriptor: unsafe extern "C" fn(*const Host, *const Descriptor),
    pub(super) give_problem: unsafe extern "C" fn(*const Host, *const Problem),
    pub(super) give_definition: unsafe extern "C" fn(*const Host, *const Definition),
    pub(super) give_handle: unsafe extern "C" fn(*const Host, Handle),
    pub(super) give_observation: unsafe extern "C" fn(*const Host, *const Observation),
    pub(super) give_run: unsafe extern "C" fn(*const Host, *const Run),
    pub(super) give_next: unsafe extern "C" fn(*const Host, Str),
    pub(super) give_over: unsafe extern "C" fn(*const Host),
}

/// A function that takes nothing.
pub(super) type Plain = unsafe extern "C" fn(*const Host) -> i32;
/// A function that takes a text: a cursor, options.
pub(super) type OfText = unsafe extern "C" fn(*const Host, Str) -> i32;
/// A function that takes a run.
pub(super) type OfRun = unsafe extern "C" fn(*const Host, *const Run) -> i32;

/// A plugin's functions.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) abi: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
    pub(super) reserved: u32,
    pub(super) describe: Option<Plain>,
    pub(super) check: Option<Plain>,
    pub(super) definitions: Option<OfText>,
    pub(super) validate: Option<OfText>,
    pub(super) submit: Option<unsafe extern "C" fn(*const Host, *const Task) -> i32>,
    pub(super) observe: Option<unsafe extern "C" fn(*const Host, *const Run, usize, u64) -> i32>,
    pub(super) logs: Option<unsafe extern "C" fn(*const Host, *const Run, Str, u64) -> i32>,
    pub(super) stop: Option<unsafe extern "C" fn(*const Host, *const Run, u64) -> i32>,
    pub(super) collect: Option<OfRun>,
    pub(super) remove: Option<OfRun>,
    pub(super) owned: Option<OfText>,
}
