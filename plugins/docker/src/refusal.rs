//! What the Docker Engine refuses, in words for the person who runs the job and with a verdict on trying again.
//!
//! Most of its errors are the status 500 with a text, so the text is what tells them apart.

use windlass_plugin::prelude::*;

/// A part of a text, what it means, and what to do about it.
struct Known {
    text: &'static str,
    kind: ErrorKind,
    retry: Retry,
    says: &'static str,
}

const fn known(text: &'static str, kind: ErrorKind, retry: Retry, says: &'static str) -> Known {
    Known { text, kind, retry, says }
}

/// In this order: the first that is found counts.
const KNOWN: &[Known] = &[
    known(
        "no space left on device",
        ErrorKind::Exhausted,
        Retry::Backoff,
        "the disk of the machine of the Docker Engine is full",
    ),
    known(
        "disk quota exceeded",
        ErrorKind::Exhausted,
        Retry::Backoff,
        "the disk quota of the Docker Engine is used up",
    ),
    known(
        "could not select device driver",
        ErrorKind::Unsupported,
        Retry::Never,
        "the Docker Engine has no such GPUs: leave `resources.gpu` out, or have its operator install a driver for them",
    ),
    known(
        "unauthorized",
        ErrorKind::Unauthenticated,
        Retry::Never,
        "the registry does not accept the credentials of the run options that `registry` names",
    ),
    known(
        "no basic auth credentials",
        ErrorKind::Unauthenticated,
        Retry::Never,
        "the registry wants credentials: name the run options that hold them in `registry`",
    ),
    known(
        "pull access denied",
        ErrorKind::NotFound,
        Retry::Never,
        "there is no such image, or the registry shows it to others only",
    ),
    known(
        "access to the resource is denied",
        ErrorKind::Denied,
        Retry::Never,
        "the registry does not give out this image",
    ),
    known("manifest unknown", ErrorKind::NotFound, Retry::Never, "the registry has no such image"),
    known("not found: manifest", ErrorKind::NotFound, Retry::Never, "the registry has no such image"),
    known(
        "no matching manifest",
        ErrorKind::NotFound,
        Retry::Never,
        "the image is not for the machine of the Docker Engine",
    ),
    known("toomanyrequests", ErrorKind::Exhausted, Retry::Backoff, "the registry is asked too often"),
    known("connection refused", ErrorKind::Unavailable, Retry::Backoff, "the registry cannot be reached"),
    known("no such host", ErrorKind::Unavailable, Retry::Backoff, "the registry cannot be found"),
    known("i/o timeout", ErrorKind::Unavailable, Retry::Backoff, "the registry does not answer"),
    known("Client.Timeout", ErrorKind::Unavailable, Retry::Backoff, "the registry does not answer"),
    known("TLS handshake timeout", ErrorKind::Unavailable, Retry::Backoff, "the registry does not answer"),
    known(
        "x509:",
        ErrorKind::Unavailable,
        Retry::Never,
        "the Docker Engine does not trust the certificate of the registry",
    ),
    known("no command specified", ErrorKind::Invalid, Retry::Never, "the image has no command of its own: give one"),
    known("executable file not found", ErrorKind::Invalid, Retry::Never, "the image has no such command"),
    known(
        "no such file or directory",
        ErrorKind::Invalid,
        Retry::Never,
        "the command, or what it needs, is not in the image",
    ),
    known("No such file or directory", ErrorKind::Invalid, Retry::Never, "the image has no such command"),
    known("Permission denied", ErrorKind::Invalid, Retry::Never, "the command cannot be executed by this user"),
    known("permission denied", ErrorKind::Invalid, Retry::Never, "the command cannot be executed by this user"),
    known("unable to find user", ErrorKind::Invalid, Retry::Never, "the image has no such user"),
    known("no matching entries in passwd", ErrorKind::Invalid, Retry::Never, "the image has no such user"),
];

/// The same error in words that say what is to be done, where its text is known.
pub(crate) fn explained(error: Error) -> Error {
    // What was not said by the Docker Engine has no status.
    let is_told = error.code.as_ref().is_some_and(|code| code.bytes().all(|it| it.is_ascii_digit()));
    let Some(known) = KNOWN.iter().find(|known| is_told && error.message.contains(known.text)) else {
        return error;
    };
    let message = format!("{}: {}", known.says, error.message);
    Error { kind: known.kind, retry: known.retry, message, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_words_and_verdict() {
        let never = Retry::Never;
        for (message, kind, retry, says) in [
            ("write /x: no space left on device", ErrorKind::Exhausted, Retry::Backoff, "disk"),
            (
                "Get \"http://r/v2/\": unauthorized: authentication required",
                ErrorKind::Unauthenticated,
                never,
                "accept",
            ),
            ("Head \"http://r/v2/a\": no basic auth credentials", ErrorKind::Unauthenticated, never, "wants"),
            ("manifest for r/a:1 not found: manifest unknown", ErrorKind::NotFound, never, "no such image"),
            (
                "Get \"http://r/v2/\": dial tcp: connect: connection refused",
                ErrorKind::Unavailable,
                Retry::Backoff,
                "reached",
            ),
            ("could not select device driver \"\" with capabilities: [[gpu]]", ErrorKind::Unsupported, never, "GPU"),
            ("exec: \"nope\": executable file not found in $PATH", ErrorKind::Invalid, never, "command"),
        ] {
            let error = explained(Error::unavailable(message).code("500"));
            assert_eq!((error.kind, error.retry), (kind, retry), "{message}");
            assert!(error.message.contains(says) && error.message.contains(message), "{error}");
            assert_eq!(error.code.as_deref(), Some("500"));
        }
    }

    #[test]
    fn what_the_engine_did_not_say_stays_as_it_is() {
        for error in [
            Error::unavailable("connection refused").code("ConnectionRefused"),
            Error::unavailable("something else").code("500"),
            Error::internal("x509: no answer"),
        ] {
            assert_eq!(explained(error.clone()), error);
        }
    }
}
