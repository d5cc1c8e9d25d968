//! TLS: as the modes of the drivers say, and never less.

use std::io::{Read, Write};
use std::net::TcpListener;

use windlass::plugin::contract::{ErrorKind, Retry};
use windlass_backends::Authority;

use super::{Stage, but, mariadb, on_mariadb, on_postgresql, postgresql};

fn with_mode(port: u16, scheme: &str, host: &str, mode: &str) -> String {
    match scheme {
        "postgresql" => format!("jdbc:postgresql://{host}:{port}/postgres?sslmode={mode}"),
        _ => format!("jdbc:mariadb://{host}:{port}/shop?sslMode={mode}"),
    }
}

/// A host, a mode, whether the right authority is accepted, and what is wrong.
const CASES: [(&str, &str, bool, Option<&str>); 9] = [
    ("localhost", "verify-full", true, None),
    ("127.0.0.1", "verify-full", true, Some("for another name")),
    ("localhost", "verify-full", false, Some("authority that is not accepted")),
    ("127.0.0.1", "verify-ca", true, None),
    ("127.0.0.1", "verify-ca", false, Some("authority that is not accepted")),
    ("127.0.0.1", "REQUIRE", false, None),
    ("127.0.0.1", "PREFER", false, None),
    // Users need TLS here.
    ("localhost", "disable", true, Some("")),
    ("localhost", "verify-full", true, None),
];

fn named(mode: &str, scheme: &str) -> String {
    let mode = match (mode, scheme) {
        ("REQUIRE", "postgresql") => "require",
        ("PREFER", "postgresql") => "prefer",
        ("REQUIRE", _) => "REQUIRED",
        ("PREFER", _) => "PREFERRED",
        (mode, _) => mode,
    };
    mode.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_shows_what_the_mode_wants() {
    let (Some(postgresql), Some(mariadb)) = (postgresql(), mariadb()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let others = Authority::new(dir.path()).file();
    for (database, scheme) in [(postgresql, "postgresql"), (mariadb, "mariadb")] {
        let port = database.address().port();
        for (host, mode, right, refused) in CASES {
            let stage = Stage::with(port, if right { database.ca() } else { &others }, "");
            let url = with_mode(port, scheme, host, &named(mode, scheme));
            let options = but(on_postgresql(port, "SELECT 1 AS one"), "url", url.as_str());
            let Some(says) = refused else {
                assert_eq!(stage.rows(&options).await, [r#"{"one":1}"#], "{url}");
                continue;
            };
            let error = stage.refused(&options).await;
            assert!(error.message.contains(says), "{url}: {error}");
            if mode == "disable" {
                assert_eq!(error.kind, ErrorKind::Unauthenticated, "{url}: {error}");
            } else {
                assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Never), "{url}: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_is_encrypted_where_the_server_offers_it() {
    let Some(database) = postgresql() else { return };
    let (stage, port) = (Stage::new(database), database.address().port());
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for (more, encrypted) in [("", true), ("?sslmode=prefer", true), ("?sslmode=disable", false)] {
        let url = format!("jdbc:postgresql://localhost:{port}/postgres{more}");
        let options = but(but(on_postgresql(port, query), "url", url), "username", "plain");
        assert_eq!(stage.rows(&options).await, [format!("{{\"ssl\":{encrypted}}}")], "{more}");
    }
}

/// A server that says something to the first words of a client, and notes what it hears.
fn server(greeting: &'static [u8], answer: &'static [u8]) -> (u16, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(greeting).unwrap();
        let mut heard = vec![0; 64];
        let count = if answer.is_empty() { 0 } else { stream.read(&mut heard).unwrap() };
        heard.truncate(count);
        stream.write_all(answer).unwrap();
        let _ = stream.read_to_end(&mut heard);
        heard
    });
    (port, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_told_nothing_when_it_is_wanted() {
    let Some(database) = postgresql() else { return };
    // What comes after the word for TLS could be said by anybody on the way.
    for (answer, kind, says) in
        [(&b"N"[..], ErrorKind::Unavailable, "offers no TLS"), (b"SZ", ErrorKind::Denied, "before TLS")]
    {
        let (port, heard) = server(b"", answer);
        let stage = Stage::with(port, database.ca(), "");
        let error = stage.refused(&on_postgresql(port, "SELECT 1")).await;
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(says), "{error}");
        // The question for TLS, and nothing else.
        assert_eq!(heard.join().unwrap(), [0, 0, 0, 8, 4, 210, 22, 47]);
    }
    let greeting = b"\x59\0\0\0\x0a5.5.5-10.11.6-MariaDB\0\x01\0\0\0abcdefgh\0\xfe\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0ijklmnopqrst\0mysql_native_password\0";
    let (port, heard) = server(greeting, b"");
    let stage = Stage::with(port, database.ca(), "");
    let error = stage.refused(&on_mariadb(port, "SELECT 1")).await;
    assert!(error.message.contains("offers no TLS"), "{error}");
    assert!(heard.join().unwrap().is_empty());
}
