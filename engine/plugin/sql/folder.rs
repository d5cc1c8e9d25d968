//! What lies on this machine: the jars of the drivers and the Java that loads them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::plugin::contract::{Answer, ErrorKind, PluginError, Retry};

/// Where a home of Java has its library.
const LIBRARIES: [&str; 3] =
    ["lib/server/libjvm.so", "jre/lib/amd64/server/libjvm.so", "jre/lib/aarch64/server/libjvm.so"];
/// Where homes of Java are, the better known first.
const HOMES: [&str; 2] = ["/usr/lib/jvm/default-java", "/usr/lib/jvm/default-runtime"];
const FOLDERS_OF_HOMES: [&str; 3] = ["/usr/lib/jvm", "/usr/java", "/opt/java"];

/// A jar as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jar {
    pub(super) path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

fn unusable(message: String) -> PluginError {
    PluginError::new(ErrorKind::Unsupported, Retry::Never, message)
}

/// The jars of a folder, by name. What leads out of it is refused.
pub(super) fn jars(folder: &Path, most: usize) -> Answer<Vec<Jar>> {
    let told = |error: std::io::Error| unusable(format!("the folder of the drivers, {}: {error}", folder.display()));
    let home = folder.canonicalize().map_err(told)?;
    let mut jars = Vec::new();
    for entry in fs::read_dir(&home).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.extension().is_none_or(|ending| ending != "jar") {
            continue;
        }
        let real = path.canonicalize().map_err(told)?;
        if real.parent() != Some(home.as_path()) {
            let (path, home) = (path.display(), home.display());
            return Err(unusable(format!(
                "the jar {path} leads out of the folder of the drivers, {home}: copy it there"
            )));
        }
        let facts = real.metadata().map_err(told)?;
        if facts.is_file() {
            jars.push(Jar { path: real, bytes: facts.len(), modified: facts.modified().ok() });
        }
        if jars.len() > most {
            return Err(unusable(format!("the folder of the drivers, {}, has more than {most} jars", home.display())));
        }
    }
    if jars.is_empty() {
        return Err(unusable(format!("the folder of the drivers, {}, has no jar in it", home.display())));
    }
    // A link and what it leads to are one.
    jars.sort_by(|one, other| one.path.cmp(&other.path));
    jars.dedup();
    Ok(jars)
}

/// The library of Java: the one that is configured, or one that is found.
pub(super) fn java(configured: Option<&Path>) -> Answer<PathBuf> {
    if let Some(path) = configured {
        return library_of(path).ok_or_else(|| {
            let path = path.display();
            unusable(format!(
                "there is no Java at {path}, which `java` in [plugin.NAME.sql] says: no lib/server/libjvm.so in it"
            ))
        });
    }
    let said = env::var_os("JAVA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let known = HOMES.iter().map(PathBuf::from);
    let found = FOLDERS_OF_HOMES.iter().flat_map(|folder| homes_in(Path::new(folder)));
    said.into_iter().chain(known).chain(found).find_map(|home| library_of(&home)).ok_or_else(|| {
        let folders = FOLDERS_OF_HOMES.join(", ");
        unusable(format!(
            "there is no Java on this machine, which JDBC drivers need: none in JAVA_HOME, {folders}; \
             `java` in [plugin.NAME.sql] says where else"
        ))
    })
}

fn library_of(path: &Path) -> Option<PathBuf> {
    if path.is_file() && path.file_name().is_some_and(|name| name == "libjvm.so") {
        return path.canonicalize().ok();
    }
    LIBRARIES.iter().find_map(|library| path.join(library).canonicalize().ok())
}

/// The last by name first, which among versions of one kind is the newest.
fn homes_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut homes: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    homes.sort();
    homes.reverse();
    homes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_jars_of_the_folder_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, outside) = (dir.path().join("drivers"), dir.path().join("outside.jar"));
        let told = |most| jars(&folder, most).unwrap_err().message;
        assert!(told(9).contains("drivers: No such file"), "{}", told(9));
        fs::create_dir(&folder).unwrap();
        assert!(told(9).contains("has no jar in it"));
        for name in ["b.jar", "a.jar", "read.me"] {
            fs::write(folder.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("a.jar", folder.join("c.jar")).unwrap();
        let found = jars(&folder, 9).unwrap();
        let names: Vec<_> = found.iter().map(|jar| jar.path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.jar", "b.jar"]);
        assert!(told(1).contains("more than 1 jars"));
        fs::write(&outside, "x").unwrap();
        std::os::unix::fs::symlink(&outside, folder.join("d.jar")).unwrap();
        assert!(told(9).contains("d.jar leads out of the folder"), "{}", told(9));
    }

    #[test]
    fn a_java_that_is_configured_is_the_only_one() {
        let dir = tempfile::tempdir().unwrap();
        let error = java(Some(dir.path())).unwrap_err();
        assert!(error.kind == ErrorKind::Unsupported && error.message.contains("no Java at"), "{error}");
        let library = dir.path().join("lib/server/libjvm.so");
        fs::create_dir_all(library.parent().unwrap()).unwrap();
        fs::write(&library, "x").unwrap();
        let library = library.canonicalize().unwrap();
        assert_eq!(java(Some(dir.path())).unwrap(), library);
        assert_eq!(java(Some(&library)).unwrap(), library);
    }
}
