//! The plugin against servers that the test has written down.

use windlass_plugin::net::Verify;
use windlass_plugin::testing::{self, Talk};
use windlass_plugin::{Error, ErrorKind, FetchRequest, Fetched, Fetcher, Item, Result, Retry};

use crate::{Jdbc, Options};

fn request(url: &str) -> FetchRequest<Options> {
    let options = Options {
        url: url.to_owned(),
        username: Some("me".to_owned()),
        password: Some("hush-hush".into()),
        query: "SELECT 1".to_owned(),
        ..Options::default()
    };
    FetchRequest { options, destination: "input/x".to_owned() }
}

/// Has a server say something; what came, the file, and what it has heard.
fn told(url: &str, talk: Talk) -> (Result<Fetched>, String, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    testing::reset();
    testing::work_at(dir.path());
    let heard = talk.clone();
    testing::connection("database", move |host, port| {
        assert_eq!((host, port), ("db.example.com", 7000));
        Ok(talk.clone())
    });
    let request = request(url);
    let item = Jdbc::items(&request, None).unwrap().entries.remove(0);
    let fetched = Jdbc::fetch(&request, &item);
    let names: Vec<_> =
        std::fs::read_dir(dir.path().join("input/x")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names.len(), usize::from(fetched.is_ok()), "{names:?}");
    let text = std::fs::read_to_string(dir.path().join("input/x/rows.jsonl")).unwrap_or_default();
    (fetched, text, heard.heard())
}

fn has(heard: &[u8], part: &[u8]) -> bool {
    heard.windows(part.len()).any(|window| window == part)
}

/// A message of PostgreSQL.
fn message(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 4).unwrap().to_be_bytes();
    [&[tag], length.as_slice(), content].concat()
}

/// What a server of PostgreSQL says from the end of the log-in to that of a result of these rows.
fn result(rows: &[&str]) -> Vec<u8> {
    let ready = message(b'Z', b"T");
    let field = |oid: u32| [b"n\0".as_slice(), &[0; 6], &oid.to_be_bytes(), &[0, 4], &[0; 6]].concat();
    let described = message(b'T', &[b"\0\x01".as_slice(), &field(23)].concat());
    let row = |text: &&str| {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        message(b'D', &[b"\0\x01".as_slice(), &length, text.as_bytes()].concat())
    };
    let rows: Vec<u8> = rows.iter().flat_map(row).collect();
    [
        message(b'R', &[0; 4]),
        message(b'S', b"server_version\x0015\0"),
        message(b'K', &[0; 8]),
        ready.clone(),
        message(b'C', b"BEGIN\0"),
        ready.clone(),
        message(b'1', b""),
        message(b't', b"\0\0"),
        described,
        ready.clone(),
        message(b'1', b""),
        message(b'2', b""),
        rows,
        message(b'C', b"SELECT 1\0"),
        ready,
    ]
    .concat()
}

const POSTGRESQL: &str = "jdbc:postgresql://db.example.com:7000/shop";

#[test]
fn rows_of_postgresql_come_over_tls_when_it_is_offered() {
    let (fetched, text, heard) = told(POSTGRESQL, Talk::saying(b"S").and(result(&["1", "22"])));
    assert_eq!(fetched.unwrap().bytes, text.len() as u64);
    assert_eq!(text, "{\"n\":1}\n{\"n\":22}\n");
    let secured = testing::secured();
    assert_eq!((secured[0].server_name.as_str(), secured[0].verify), ("db.example.com", Verify::None));
    assert!(
        has(&heard, b"user\0me\0") && has(&heard, b"database\0shop\0") && has(&heard, b"BEGIN TRANSACTION READ ONLY")
    );
    // The password was not asked for.
    assert!(!has(&heard, b"hush-hush"));
    let (fetched, _, _) = told(POSTGRESQL, Talk::saying(b"N").and([result(&["1"])].concat()));
    assert!(fetched.is_ok() && testing::secured().is_empty());
    let strict = format!("{POSTGRESQL}?sslmode=verify-full");
    let (fetched, _, _) = told(&strict, Talk::saying(b"S").and([result(&["1"])].concat()));
    assert!(fetched.is_ok() && testing::secured()[0].verify == Verify::Full);
    let (fetched, _, heard) = told(&strict, Talk::saying(b"N").and([result(&["1"])].concat()));
    assert_eq!((fetched.unwrap_err().kind, heard.len()), (ErrorKind::Unavailable, 8));
}

#[test]
fn a_result_that_breaks_off_is_worth_another_try() {
    let whole = [b"N".to_vec(), result(&["1", "22"])].concat();
    for end in 0..whole.len() {
        let (fetched, _, _) = told(POSTGRESQL, Talk::saying(&whole[..end]));
        let error = fetched.expect_err("it has broken off");
        assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff), "{end}: {error}");
    }
}

#[test]
fn the_password_itself_is_never_said_in_the_clear() {
    let wants_it = message(b'R', &[0, 0, 0, 3]);
    let (fetched, _, heard) = told(POSTGRESQL, Talk::saying(b"N").and([wants_it.clone()].concat()));
    assert_eq!(fetched.unwrap_err().kind, ErrorKind::Denied);
    assert!(!has(&heard, b"hush-hush"));
    let (fetched, _, heard) = told(POSTGRESQL, Talk::saying(b"S").and([wants_it, result(&["1"])].concat()));
    assert!(fetched.is_ok() && has(&heard, b"hush-hush"));
}

#[test]
fn a_server_that_does_not_know_the_password_is_not_believed() {
    // It lets everybody in, without a word of SCRAM in between.
    let scram = [message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"), result(&["1"])].concat();
    let error = told(POSTGRESQL, Talk::saying(b"N").and([scram].concat())).0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}

/// Packets of a server of MySQL; their numbers begin with `first`.
fn packets(first: u8, contents: &[&[u8]]) -> Vec<u8> {
    let packet = |(at, content): (usize, &&[u8])| {
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        let number = first + u8::try_from(at).unwrap();
        [&length[..3], &[number], content].concat()
    };
    contents.iter().enumerate().flat_map(packet).collect()
}

/// What MySQL 8 begins with, with TLS or without.
fn greeting(has_tls: bool) -> Vec<u8> {
    let low = if has_tls { b"\xff\xff" } else { b"\xff\xf7" };
    [
        b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0".as_slice(),
        low,
        b"\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0",
    ]
    .concat()
}

const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const MYSQL: &str = "jdbc:mysql://db.example.com:7000/shop";

/// What it says to four settings and a query.
fn answers() -> Vec<u8> {
    let column = b"\x03def\x00\x00\x00\x01n\x00\x0c\x3f\x00\x0b\x00\x00\x00\x03\x00\x00\x00\x00\x00";
    let result = packets(1, &[b"\x01", column, b"\xfe\0\0\x02\0", b"\x0242", b"\xfb", b"\xfe\0\0\x02\0"]);
    [packets(1, &[OK]).repeat(4), result].concat()
}

#[test]
fn mysql_lets_in_who_it_remembers_and_who_tells_the_password_over_tls() {
    // The head for TLS is the first packet of the client, the log-in the second.
    let remembers = [packets(3, &[b"\x01\x03", OK]), answers()].concat();
    let greeted = || Talk::saying(packets(0, &[&greeting(true)]));
    let (fetched, text, heard) = told(MYSQL, greeted().and(remembers));
    fetched.unwrap();
    assert_eq!(text, "{\"n\":42}\n{\"n\":null}\n");
    assert!(has(&heard, b"START TRANSACTION READ ONLY") && has(&heard, b"max_execution_time = 600000"));
    assert!(!has(&heard, b"hush-hush") && testing::secured().len() == 1);
    let asks = [packets(3, &[b"\x01\x04"]), packets(5, &[OK]), answers()].concat();
    let (fetched, _, heard) = told(MYSQL, greeted().and(asks));
    fetched.unwrap();
    assert!(has(&heard, b"hush-hush\0"));
    let asks = [packets(0, &[&greeting(false)]), packets(2, &[b"\x01\x04"])].concat();
    let (fetched, _, heard) = told(MYSQL, Talk::saying(asks));
    assert_eq!(fetched.unwrap_err().kind, ErrorKind::Denied);
    assert!(!has(&heard, b"hush-hush"));
}

#[test]
fn a_server_of_mysql_gets_no_file_and_no_way_that_is_not_known() {
    let begun = [packets(0, &[&greeting(false)]), packets(2, &[OK]), packets(1, &[OK]).repeat(4)].concat();
    let (fetched, _, _) = told(MYSQL, Talk::saying(begun).and(packets(1, &[b"\xfb/etc/passwd"])));
    let error: Error = fetched.unwrap_err();
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("LOAD DATA LOCAL"), "{error}");
    let switches = [packets(0, &[&greeting(false)]), packets(2, &[b"\xfeauthentication_ldap_sasl_client\0x"])].concat();
    let error = told(MYSQL, Talk::saying(switches)).0.unwrap_err();
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("authentication_ldap"), "{error}");
}

#[test]
fn a_driver_that_is_not_spoken_is_asked_by_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    testing::reset();
    testing::work_at(dir.path());
    let mut request = request("jdbc:oracle:thin:@//db.example.com:1521/shop");
    request.options.driver = Some("oracle.jdbc.OracleDriver".to_owned());
    request.options.max_rows = Some(7);
    let denied = Jdbc::items(&request, None).unwrap_err();
    assert!(denied.kind == ErrorKind::Denied && denied.message.contains("spoken are postgresql"), "{denied}");
    testing::driver("org.h2.Driver", |_| Ok(Vec::new()));
    let unknown = Jdbc::items(&request, None).unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::NotFound);
    assert!(unknown.message.contains("there is postgresql, mysql") && unknown.message.contains("org.h2.Driver"));
    testing::driver("oracle.jdbc.OracleDriver", |asked| {
        assert_eq!(asked.url, "jdbc:oracle:thin:@//db.example.com:1521/shop");
        assert_eq!((asked.username.as_deref(), asked.password.as_deref()), (Some("me"), Some("hush-hush")));
        assert_eq!((asked.rows, asked.bytes, asked.time_ms), (Some(7), Some(4 << 30), Some(600_000)));
        Ok(vec![serde_json::json!({ "N": 1 }).as_object().cloned().unwrap()])
    });
    let item = Jdbc::items(&request, None).unwrap().entries.remove(0);
    let fetched = Jdbc::fetch(&request, &item).unwrap();
    let text = std::fs::read_to_string(dir.path().join("input/x").join(&fetched.path)).unwrap();
    assert_eq!((text.as_str(), fetched.bytes), ("{\"N\":1}\n", 8));
    Jdbc::check().unwrap();
}

#[test]
fn items_are_one_and_another_is_not_there() {
    testing::connection("database", |_, _| Ok(Talk::default()));
    let request = request(POSTGRESQL);
    let page = Jdbc::items(&request, None).unwrap();
    assert_eq!((page.entries.len(), page.entries[0].name.as_str(), page.next), (1, "rows.jsonl", None));
    assert!(Jdbc::items(&request, Some("1")).is_err());
    let item = Item { name: "other".to_owned(), ..page.entries[0].clone() };
    assert_eq!(Jdbc::fetch(&request, &item).unwrap_err().kind, ErrorKind::NotFound);
    testing::reset();
    assert_eq!(Jdbc::items(&request, None).unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(Jdbc::check().unwrap_err().kind, ErrorKind::Denied);
}
