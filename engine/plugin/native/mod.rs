//! Plugins that are shared libraries with the C interface of `plugins/native/windlass_plugin.h`.
//!
//! A library has all the rights of the process that loads it, and takes that process with it when it crashes. So it is loaded
//! by a process of its own (this program again, started with a hidden argument), which speaks the contract over a socket:
//!
//! | the plugin | costs |
//! |---|---|
//! | crashes, aborts, exits | the call; the next one gets a new process |
//! | does not return in time | the call; the process and its process group are killed |
//! | says, prints, answers or allocates too much | the same |
//! | answers what the contract does not allow | the call |
//! | fails again and again | a pause before it is started once more, doubled each time |
//!
//! The process ends with the engine, however that ends. What is to outlive it leaves its process group (`setsid`).
//!
//! | file | |
//! |---|---|
//! | `abi`, `lend`, `take`, `host`, `call` | the C interface: what is passed, what is taken back, one call through it |
//! | `library` | loads a library and checks its version |
//! | `frame`, `worker` | the protocol, and the process at the other end |
//! | `conversation`, `answer`, `spawned` | the engine's side of it; `plugin/child` has the processes |
//! | `service` | what the engine does for a plugin meanwhile |
//! | `in_process` | all of it without another process |

mod abi;
mod answer;
mod call;
mod conversation;
mod frame;
mod host;
mod in_process;
mod lend;
mod library;
mod plugin;
mod service;
mod spawned;
mod take;
mod worker;

#[cfg(fuzzing)]
pub(crate) use frame::fuzz_frames;
pub use plugin::NativePlugin;
pub(crate) use worker::serve_if_asked;
