//! JDBC drivers as Debian has them, in a folder of their own.

use std::fs;
use std::path::Path;

use crate::are_left_out;

/// Where Debian has them.
const PLACE: &str = "/usr/share/java";
const JARS: [&str; 4] = ["h2.jar", "hsqldb.jar", "postgresql.jar", "sqlite-jdbc.jar"];
/// Where the library is that the driver of SQLite needs: in a directory that is named for the processor.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "jni/libsqlitejdbc.so";
const INSTALL: &str = "run tests/support/backends/install";

/// Puts the drivers of H2, HSQLDB, PostgreSQL and SQLite into a folder. It does not where such tests are left out, and says so.
///
/// # Panics
///
/// When they are not installed.
pub fn drivers_in(folder: &Path) -> bool {
    if are_left_out() {
        return false;
    }
    fs::create_dir_all(folder).unwrap();
    let places = fs::read_dir(LIBRARIES).unwrap().flatten().map(|entry| entry.path().join(LIBRARY));
    let library = places.into_iter().find(|path| path.exists());
    let library = library.unwrap_or_else(|| panic!("{LIBRARIES}/*/{LIBRARY} is missing: {INSTALL}"));
    for from in JARS.map(|jar| Path::new(PLACE).join(jar)).into_iter().chain([library]) {
        let to = folder.join(from.file_name().unwrap());
        // Others may be reading it.
        let copied = to.with_extension(std::process::id().to_string());
        fs::copy(&from, &copied).unwrap_or_else(|error| panic!("{}: {error}: {INSTALL}", from.display()));
        fs::rename(copied, to).unwrap();
    }
    true
}
