//! A fetcher for the rows of a query. The wire protocols of PostgreSQL, and of MySQL and MariaDB, are spoken here, over the
//! connection `database`, with URLs as those of JDBC; other databases are asked by the engine, through the JDBC drivers of the
//! operator's. The rows come as lines of JSON.

mod driven;
mod driver;
mod fetch;
#[cfg(fuzzing)]
mod fuzz;
mod json;
mod lines;
mod mysql;
mod options;
mod parameters;
mod postgres;
mod secret;
mod state;
mod target;
#[cfg(test)]
mod tests;
mod wire;

use windlass_plugin::prelude::*;
use windlass_plugin::{FetchRequest, Fetched, Item, sql};

#[cfg(fuzzing)]
pub use fuzz::{fuzz_answers, fuzz_url, fuzz_values};
pub use options::Options;
use options::Source;

/// What the manifest calls the connection.
const CONNECTION: &str = "database";

/// The plugin.
#[derive(Debug)]
pub struct Jdbc;

windlass_plugin::fetcher!(Jdbc, manifest = "../plugin.toml");

impl Fetcher for Jdbc {
    type Options = Options;

    fn describe() -> Descriptor {
        let summary = "Brings the rows of a query to PostgreSQL, MySQL, MariaDB, or any database with a JDBC driver";
        Descriptor::new("jdbc", env!("CARGO_PKG_VERSION"), summary).options(&options::schema())
    }

    fn check() -> Result<()> {
        // Who is granted one of the two can be asked.
        net::granted(CONNECTION).or_else(|denied| sql::drivers().map(|_| ()).map_err(|_| denied))
    }

    fn validate(options: &Options) -> Vec<Problem> {
        options.problems()
    }

    fn items(request: &FetchRequest<Options>, cursor: Option<&str>) -> Result<Page<Item>> {
        match request.options.source() {
            Ok(Source::Driven(class)) => driven::check(&class)?,
            // Of what is wrong with the options `fetch` tells.
            Ok(Source::Spoken(_)) | Err(_) => net::granted(CONNECTION)?,
        }
        if cursor.is_some() {
            return Err(Error::invalid("the result of a query is one item; there is nothing after it"));
        }
        let name = request.options.file().to_owned();
        let item = Item { name, size: None, version: None, reference: Vec::new() };
        Ok(Page { entries: vec![item], next: None })
    }

    fn fetch(request: &FetchRequest<Options>, item: &Item) -> Result<Fetched> {
        fetch::result(request, item)
    }
}
