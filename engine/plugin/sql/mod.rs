//! Databases through real JDBC drivers, for plugins that import `windlass:plugin/sql`.
//!
//! A driver is Java code that somebody else wrote. So each query has a process of its own: this program again, started with a
//! hidden argument, which loads a JVM, the drivers of one folder and nothing else, asks, and ends. A crash, a leak, an exit
//! or a missing Java costs the query.
//!
//! | what would go wrong | what is done |
//! |---|---|
//! | a URL leads to another host, loads a class, writes a file | only listed databases; parameters by name (`reach`) |
//! | a statement writes | it has to be one that reads, the connection is read-only, and what it did is rolled back |
//! | a result has no end | rows, bytes, bytes of a row and time are limited; lines wait in the socket until they are asked for |
//! | a password is seen | it goes over the socket, and errors are masked |
//!
//! A database that runs within its driver (H2, HSQLDB, SQLite, Derby) has the rights of the engine's user, and so has who may
//! ask it: their functions read and write files. List one only for jobs that may do that.
//!
//! | file | |
//! |---|---|
//! | `request`, `grant`, `database`, `reach`, `statement` | what may be asked |
//! | `folder` | the jars and the Java of this machine |
//! | `order` | the protocol |
//! | `jdbc`, `process`, `rows` | the engine's side |
//! | `worker`, `jvm` | the other side; `jvm` is the only module that names jni |
//! | `kind`, `json`, `state` | what becomes of types, values and errors |

mod database;
#[cfg(feature = "wasm")]
mod folder;
mod grant;
#[cfg(feature = "wasm")]
mod jdbc;
#[cfg(feature = "wasm")]
mod json;
#[cfg(feature = "wasm")]
mod jvm;
#[cfg(feature = "wasm")]
mod kind;
#[cfg(feature = "wasm")]
mod order;
#[cfg(feature = "wasm")]
mod process;
#[cfg(feature = "wasm")]
mod reach;
mod request;
#[cfg(feature = "wasm")]
mod rows;
#[cfg(feature = "wasm")]
mod state;
#[cfg(feature = "wasm")]
mod statement;
#[cfg(feature = "wasm")]
mod worker;

pub use database::Database;
pub use grant::SqlGrant;
#[cfg(feature = "wasm")]
pub use jdbc::{Jdbc, SqlLimits, SqlQuery};
#[cfg(feature = "wasm")]
pub use order::SqlColumn;
pub use request::SqlRequest;
#[cfg(feature = "wasm")]
pub use rows::SqlRows;
#[cfg(feature = "wasm")]
pub(crate) use worker::serve_if_asked;
