//! A small platform for tests: it runs commands for whoever asks over HTTP, and goes on with them while nobody does, itself
//! included. All that it knows is on disk in its directory.
//!
//! ```text
//! windlass-shell-server --directory DIR [--unix PATH] [--listen ADDRESS] [--cut before:N|after:N|exit:N]...
//! ```
//!
//! With the variable `SHELL_SERVER_TOKEN` every request has to bear that token. `--cut` cuts the connection at the Nth
//! request, before it is done or after it is done and before it is answered, or ends the whole server there. It prints
//! `listening on ADDRESS` for each place where it can be reached.

mod archive;
mod faults;
mod log;
mod routes;
mod runs;
mod server;
mod spec;
mod supervisor;

use std::path::PathBuf;
use std::process::ExitCode;

use faults::Cut;
use server::Options;

/// The variable that holds the token.
const TOKEN: &str = "SHELL_SERVER_TOKEN";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("windlass-shell-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == supervisor::COMMAND).is_some() {
        let directory = arguments.next().ok_or("which run?")?;
        return supervisor::supervise(&PathBuf::from(directory));
    }
    let mut options = Options { token: std::env::var(TOKEN).ok(), ..Options::default() };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--directory" => options.directory = value.into(),
            "--unix" => options.unix = Some(value.into()),
            "--listen" => options.listen = Some(value),
            "--cut" => options.cuts.push(value.parse::<Cut>()?),
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    server::serve(options)
}
