//! The output value of a job that has a work tree: the text in `output/value`.

use std::io::{self, Read as _};
use std::path::Path;

use super::beneath::{Opened, open_beneath};

/// Where it is in the work tree.
const VALUE: &str = "output/value";

/// The text without one newline at its end; `None` where there is no such file. A link or a folder is none.
///
/// # Errors
/// It is no UTF-8, has more than `most` bytes, or what the file system says.
pub fn read_value(work: &Path, most: usize) -> io::Result<Option<String>> {
    let file = match open_beneath(work, Path::new(VALUE)) {
        Ok(Some(Opened::File(file))) => file,
        Ok(_) => return Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    let refused = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    if bytes.len() > most {
        return Err(refused(format!("{VALUE} has more than {most} bytes; allowed: at most {most} bytes")));
    }
    let text = String::from_utf8(bytes);
    let mut text = text.map_err(|_| refused(format!("{VALUE} is not UTF-8; allowed: text in UTF-8")))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_value_is_a_small_text_in_a_file_of_that_name() {
        let work = tempfile::tempdir().unwrap();
        let value = || read_value(work.path(), 8);
        assert_eq!(value().unwrap(), None);
        fs::create_dir(work.path().join("output")).unwrap();
        assert_eq!(value().unwrap(), None);
        let path = work.path().join("output/value");
        for (text, expected) in [("", ""), ("\n", ""), ("a\n\n", "a\n"), ("12345678", "12345678")] {
            fs::write(&path, text).unwrap();
            assert_eq!(value().unwrap().as_deref(), Some(expected));
        }
        fs::write(&path, "123456789").unwrap();
        assert!(value().unwrap_err().to_string().contains("more than 8 bytes"));
        fs::write(&path, b"\xff").unwrap();
        assert!(value().unwrap_err().to_string().contains("is not UTF-8"));
        fs::remove_file(&path).unwrap();
        symlink("/etc/hostname", &path).unwrap();
        assert_eq!(value().unwrap(), None);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(value().unwrap(), None);
    }
}
