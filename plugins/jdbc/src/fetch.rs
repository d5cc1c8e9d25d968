//! Brings the result: the whole of it, or no file.
//!
//! The rows are written beside their place as they come, and put there when the last one has.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use windlass_plugin::{Error, FetchRequest, Fetched, Item, Result, work};

use crate::driven;
use crate::driver::Driver;
use crate::lines::Lines;
use crate::options::{Options, Source};
use crate::target::Target;
use crate::{mysql, postgres};

const PIECE: usize = 64 << 10;

/// What is asked of a database.
pub(crate) struct Question<'a> {
    pub(crate) target: &'a Target,
    pub(crate) options: &'a Options,
}

/// Brings the result of a request.
pub(crate) fn result(request: &FetchRequest<Options>, item: &Item) -> Result<Fetched> {
    let options = &request.options;
    if item.name != options.file() || !item.reference.is_empty() {
        return Err(Error::not_found(format!("there is no item {:?} in this request", item.name)));
    }
    let source = options.source().map_err(|problems| {
        let told: Vec<String> = problems.iter().map(|it| format!("{}: {}", it.field, it.problem)).collect();
        Error::invalid(told.join("; "))
    })?;
    let dir = work::path().join(&request.destination);
    fs::create_dir_all(&dir)?;
    let half = dir.join(".half-rows");
    let bytes = write(&source, options, &half)
        .and_then(|bytes| fs::rename(&half, dir.join(options.file())).map(|()| bytes).map_err(Error::from));
    if bytes.is_err() {
        // What cannot be removed is replaced by the next try.
        let _ = fs::remove_file(&half);
    }
    Ok(Fetched { path: options.file().to_owned(), bytes: bytes?, version: None })
}

fn write(source: &Source, options: &Options, path: &Path) -> Result<u64> {
    let file = BufWriter::with_capacity(PIECE, File::create(path)?);
    let question = match source {
        Source::Driven(class) => return driven::ask(class, options, file),
        Source::Spoken(target) => &Question { target, options },
    };
    let mut lines = Lines::new(file, options.max_rows(), options.max_bytes());
    let asked = match question.target.driver {
        Driver::PostgreSql => postgres::ask(question, &mut lines),
        Driver::MySql | Driver::MariaDb => mysql::ask(question, &mut lines),
    };
    let place = question.target.place();
    asked.map_err(|error| Error { message: format!("{place}: {}", error.message), ..error })?;
    lines.finish()
}
