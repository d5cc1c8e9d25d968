//! What a path among files may look like: those of a project, those that a job begins with, the sources of a pipeline.

/// Names of one path.
pub const MOST_NAMES: usize = 32;

/// Bytes of one path.
pub const MOST_PATH_BYTES: usize = 1_024;

/// Bytes of one name, as many as file systems take.
const MOST_NAME_BYTES: usize = 255;

/// Whether it is a relative path that says nothing but where: one file, one spelling, and never out of where it begins.
pub fn is_file_path(path: &str, most_bytes: usize) -> bool {
    let good_name = |name: &str| !matches!(name, "" | "." | "..") && name.len() <= MOST_NAME_BYTES;
    path.len() <= most_bytes
        && !path.contains(|c: char| c.is_control() || c == '\\')
        && path.split('/').all(good_name)
        && path.split('/').count() <= MOST_NAMES
}

/// What is allowed, for errors.
pub fn file_path_allowed(most_bytes: usize) -> String {
    format!(
        "a path of 1 to {most_bytes} bytes and at most {MOST_NAMES} names such as dataset/my_input.csv, without '.', '..', \
         '\\', control characters and a '/' at either end"
    )
}

/// The folders that a path is in, from the top.
pub fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_or_have_two_spellings_are_refused() {
        for path in ["a", "a/b c/..d", "é/x.csv", ".hidden"] {
            assert!(is_file_path(path, MOST_PATH_BYTES), "{path}");
        }
        for path in ["", "/a", "a/", "a//b", ".", "a/./b", "..", "a/../b", "a\0", "a\nb", "a\\b"] {
            assert!(!is_file_path(path, MOST_PATH_BYTES), "{path:?}");
        }
        let names = |count: usize| vec!["n"; count].join("/");
        assert!(is_file_path(&names(32), MOST_PATH_BYTES) && !is_file_path(&names(33), MOST_PATH_BYTES));
        assert!(!is_file_path(&"n".repeat(256), MOST_PATH_BYTES) && !is_file_path("four", 3));
    }

    #[test]
    fn folders_are_told_from_the_top() {
        assert_eq!(folders("a/bc/d").collect::<Vec<_>>(), ["a", "a/bc"]);
        assert_eq!(folders("a").count(), 0);
    }
}
