//! References of images: `repository:tag` and `repository@digest`.

/// The tag of a reference that has none.
const LATEST: &str = "latest";
/// The longest reference; the Docker Engine has the same limit for the name in it.
const MOST_BYTES: usize = 255;
pub(crate) const ALLOWED: &str = "a reference as registry.example.com/team/image:tag or image@sha256:…";

/// The name of an image in its two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    pub(crate) repository: &'a str,
    /// A tag or a digest.
    pub(crate) tag: &'a str,
}

impl Reference<'_> {
    /// Splits a reference; what is wrong with it where it is none.
    pub(crate) fn parse(text: &str) -> Result<Reference<'_>, &'static str> {
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.len() > MOST_BYTES {
            return Err("it is longer than 255 bytes");
        }
        if !text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._/:@".contains(&it)) {
            return Err("it has a character that no image has in its name");
        }
        let (repository, tag) = match text.split_once('@') {
            Some((repository, digest)) => (untagged(repository).0, digest),
            None => untagged(text),
        };
        let is_whole = |part: &str| !part.is_empty() && part.split('/').all(|it| !it.is_empty());
        if !is_whole(repository) || !is_whole(tag) || tag.contains('@') {
            return Err("a part of it is empty");
        }
        // The host of the registry, which stands before the first slash, may have upper-case letters.
        let path = repository.split_once('/').map_or(repository, |(_, path)| path);
        if path.bytes().any(|it| it.is_ascii_uppercase()) {
            return Err("its name has an upper-case letter");
        }
        Ok(Reference { repository, tag })
    }

    /// The registry it is on, where it names one.
    pub(crate) fn registry(&self) -> Option<&str> {
        let (host, _) = self.repository.split_once('/')?;
        (host.contains(['.', ':']) || host == "localhost").then_some(host)
    }
}

/// The repository and the tag. A colon before a slash is the one of a port.
fn untagged(text: &str) -> (&str, &str) {
    match text.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (text, LATEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_split() {
        for (text, repository, tag, registry) in [
            ("busybox", "busybox", "latest", None),
            ("busybox:1", "busybox", "1", None),
            ("team/image:v1", "team/image", "v1", None),
            ("localhost:5000/image", "localhost:5000/image", "latest", Some("localhost:5000")),
            ("localhost/image", "localhost/image", "latest", Some("localhost")),
            ("r.example.com/a/b:2", "r.example.com/a/b", "2", Some("r.example.com")),
            ("image@sha256:ab", "image", "sha256:ab", None),
            ("r.example.com:1/a:tag@sha256:ab", "r.example.com:1/a", "sha256:ab", Some("r.example.com:1")),
        ] {
            let found = Reference::parse(text).unwrap();
            assert_eq!((found.repository, found.tag, found.registry()), (repository, tag, registry), "{text}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in ["", ":tag", "image:", "a//b", "image@", "a b", "image?x=1", "Image", "/a", "a/", "a@b@c"] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
        assert!(Reference::parse(&"a".repeat(256)).is_err());
    }
}
