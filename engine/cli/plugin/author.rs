//! What those do who write plugins.

use std::path::PathBuf;

use clap::Subcommand;

use super::{build, check, new, test};
use crate::cli::failure::Failure;
use crate::cli::store_dir::Place;

/// What is done with the source of a plugin and with what was built of it.
#[derive(Subcommand)]
pub(in crate::cli) enum AuthorCommand {
    /// Begin a plugin of your own
    New(new::NewArgs),
    /// Build a plugin from its source
    Build {
        /// The directory with its plugin.toml
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Look whether this engine can run what was built
    Check {
        /// A component, or the directory of a plugin
        #[arg(value_name = "FILE-or-DIR", default_value = ".")]
        path: PathBuf,
    },
    /// Run an executor under the conformance suite, on the platforms that the configuration grants it
    Test {
        /// A component, a shared library, or the directory of a plugin
        #[arg(value_name = "FILE-or-DIR", default_value = ".")]
        path: PathBuf,
        /// File that says what to run [default: conformance.toml beside the component]
        #[arg(long, value_name = "FILE")]
        cases: Option<PathBuf>,
    },
}

/// Runs the command.
pub(super) async fn author(place: &Place, command: AuthorCommand, json: bool) -> Result<u8, Failure> {
    match command {
        AuthorCommand::New(args) => new::new(&args, json),
        AuthorCommand::Build { dir } => build::build(&dir, json),
        AuthorCommand::Check { path } => check::check(&path, &place.grants()?, json),
        AuthorCommand::Test { path, cases } => test::test(place, &path, cases.as_deref(), json).await,
    }
}
