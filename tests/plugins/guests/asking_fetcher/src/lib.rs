//! A fetcher that asks a database through a JDBC driver. Its one item is the result, as lines of JSON; without a query its
//! items are the drivers that there are.

use std::fs;

use serde::Deserialize;
use windlass_plugin::prelude::*;
use windlass_plugin::sql::{self, Database, Limits};
use windlass_plugin::{FetchRequest, Fetched, Item, Page};

struct Asking;

windlass_plugin::fetcher!(Asking, manifest = "../plugin.toml");

/// The item of a result.
const ROWS: &str = "rows.jsonl";

/// What a user writes.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    driver: String,
    url: String,
    username: Option<String>,
    password: Option<String>,
    query: Option<String>,
    rows: Option<u64>,
}

fn item(name: String) -> Item {
    Item { reference: name.clone().into_bytes(), name, size: None, version: None }
}

impl Fetcher for Asking {
    type Options = Options;

    fn describe() -> Descriptor {
        Descriptor::new("asking-fetcher", env!("CARGO_PKG_VERSION"), "Asks a database")
    }

    fn items(request: &FetchRequest<Options>, _cursor: Option<&str>) -> Result<Page<Item>> {
        let names = if request.options.query.is_some() { vec![ROWS.to_owned()] } else { sql::drivers()? };
        Ok(Page { entries: names.into_iter().map(item).collect(), next: None })
    }

    fn fetch(request: &FetchRequest<Options>, _item: &Item) -> Result<Fetched> {
        let Options { driver, url, username, password, query, rows } = request.options.clone();
        let database = Database { driver, url, username, password, properties: Vec::new() };
        let limits = Limits { rows, ..Limits::default() };
        let mut rows = sql::query(&database, &query.unwrap_or_default(), &limits)?;
        let dir = work::path().join(&request.destination);
        fs::create_dir_all(&dir)?;
        let columns: Vec<String> = rows.columns().into_iter().map(|column| column.name).collect();
        host::log(host::Level::Info, &format!("{} with {:?}", columns.join(", "), database.password));
        let bytes = rows.copy_to(fs::File::create(dir.join(ROWS))?)?;
        Ok(Fetched { path: ROWS.to_owned(), bytes, version: None })
    }
}
