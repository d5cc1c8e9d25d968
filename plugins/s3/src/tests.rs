//! The plugin on a store that the test has written down.

use std::path::PathBuf;

use windlass_plugin::testing::{self, Asked, Reply};
use windlass_plugin::{ErrorKind, FetchRequest, Fetcher, Item, Result};

use crate::{Options, S3};

const TEXT: &str = "0123456789";
const ETAG: &str = "\"e1\"";

fn request(key: Option<&str>, prefix: Option<&str>) -> FetchRequest<Options> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let options = Options { bucket: Some("data".to_owned()), key: owned(key), prefix: owned(prefix) };
    FetchRequest { options, destination: "input/x".to_owned() }
}

/// A work tree for the plugin.
fn work() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    testing::work_at(dir.path());
    dir
}

fn file(dir: &tempfile::TempDir, name: &str) -> PathBuf {
    dir.path().join("input/x").join(name)
}

/// The bytes that were asked for.
fn asked_range(asked: &Asked) -> (usize, usize) {
    let range = asked.header("range").unwrap().strip_prefix("bytes=").unwrap();
    let (first, last) = range.split_once('-').unwrap();
    (first.parse().unwrap(), last.parse::<usize>().unwrap())
}

fn part(asked: &Asked) -> Reply {
    let (first, last) = asked_range(asked);
    let last = last.min(TEXT.len() - 1);
    let range = format!("bytes {first}-{last}/{}", TEXT.len());
    Reply::bytes(206, &TEXT.as_bytes()[first..=last]).header("content-range", &range).header("etag", ETAG)
}

fn the_item() -> Item {
    testing::endpoint("s3").on("GET", "/data/a/b.txt", part);
    let page = S3::items(&request(Some("a/b.txt"), None), None).unwrap();
    testing::reset();
    page.entries.into_iter().next().unwrap()
}

fn fetch(item: &Item) -> Result<windlass_plugin::Fetched> {
    S3::fetch(&request(Some("a/b.txt"), None), item)
}

#[test]
fn one_object_is_one_item_and_comes_whole() {
    let item = the_item();
    assert_eq!((item.name.as_str(), item.size, item.version.as_deref()), ("b.txt", Some(10), Some("e1")));
    let dir = work();
    testing::endpoint("s3").on("GET", "/data/a/b.txt", |asked| {
        assert_eq!(asked.header("if-match"), Some(ETAG));
        part(asked)
    });
    let fetched = fetch(&item).unwrap();
    assert_eq!((fetched.path.as_str(), fetched.bytes), ("b.txt", 10));
    assert_eq!(std::fs::read_to_string(file(&dir, "b.txt")).unwrap(), TEXT);
    assert_eq!(std::fs::read_dir(dir.path().join("input/x")).unwrap().count(), 1);
}

#[test]
fn a_cut_connection_is_gone_on_with_where_it_ended() {
    let item = the_item();
    let dir = work();
    testing::endpoint("s3").on("GET", "/data/a/b.txt", |asked| {
        let (first, _) = asked_range(asked);
        let range = format!("bytes {first}-9/10");
        let four = &TEXT.as_bytes()[first..(first + 4).min(10)];
        Reply::bytes(206, four).header("content-range", &range).header("etag", ETAG).cut_off()
    });
    assert_eq!(fetch(&item).unwrap().bytes, 10);
    let firsts: Vec<usize> = testing::asked().iter().map(|asked| asked_range(asked).0).collect();
    assert_eq!(firsts, [0, 4, 8]);
    assert_eq!(std::fs::read_to_string(file(&dir, "b.txt")).unwrap(), TEXT);
}

#[test]
fn a_store_that_sends_nothing_is_given_up() {
    let item = the_item();
    let dir = work();
    let nothing = Reply::bytes(206, "").header("content-range", "bytes 0-9/10").header("etag", ETAG).cut_off();
    testing::endpoint("s3").on("GET", "/data/a/b.txt", move |_| nothing.clone());
    assert_eq!(fetch(&item).unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(std::fs::read_dir(dir.path().join("input/x")).unwrap().count(), 0, "no half of it is left");
}

#[test]
fn an_object_under_another_one_is_a_conflict() {
    let item = the_item();
    let dir = work();
    std::fs::create_dir_all(file(&dir, "b.txt/under")).unwrap();
    testing::endpoint("s3").on("GET", "/data/a/b.txt", part);
    let error = fetch(&item).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
}

#[test]
fn an_object_that_has_changed_is_not_brought() {
    let item = the_item();
    let dir = work();
    let replies = [
        Reply::bytes(412, "<Error><Code>PreconditionFailed</Code></Error>"),
        Reply::bytes(206, "0").header("content-range", "bytes 0-9/10").header("etag", "\"e2\""),
        Reply::bytes(206, "0").header("content-range", "bytes 0-10/11").header("etag", ETAG),
        Reply::status(416),
    ];
    for reply in replies {
        testing::endpoint("s3").on("GET", "/data/a/b.txt", move |_| reply.clone());
        let error = fetch(&item).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
        assert!(!dir.path().join("input").exists(), "nothing is left");
    }
}

#[test]
fn a_range_that_was_not_asked_for_is_refused() {
    let item = the_item();
    let _dir = work();
    let wrong = Reply::bytes(206, "5").header("content-range", "bytes 5-9/10").header("etag", ETAG);
    testing::endpoint("s3").on("GET", "/data/a/b.txt", move |_| wrong.clone());
    assert_eq!(fetch(&item).unwrap_err().kind, ErrorKind::Unsupported);
}

#[test]
fn an_object_without_a_byte_is_a_file_without_one() {
    let dir = work();
    testing::endpoint("s3")
        .on("GET", "/data/a/b.txt", |asked| match asked.header("range") {
            Some(_) => Reply::bytes(416, "<Error><Code>InvalidRange</Code></Error>"),
            None => Reply::status(200).header("content-length", "0").header("etag", ETAG),
        })
        .on("HEAD", "/data/a/b.txt", |_| Reply::status(200).header("content-length", "0").header("etag", ETAG));
    let page = S3::items(&request(Some("a/b.txt"), None), None).unwrap();
    assert_eq!(page.entries[0].size, Some(0));
    assert_eq!(fetch(&page.entries[0]).unwrap().bytes, 0);
    assert_eq!(std::fs::read(file(&dir, "b.txt")).unwrap(), b"");
}

#[test]
fn items_of_other_requests_are_not_brought() {
    let item = the_item();
    let _dir = work();
    let strange = Item { reference: b"{\"key\": \"secret\", \"etag\": null}".to_vec(), ..item.clone() };
    for item in [strange, Item { reference: b"\xff".to_vec(), ..item.clone() }, Item { size: None, ..item }] {
        assert_eq!(fetch(&item).unwrap_err().kind, ErrorKind::NotFound);
    }
    assert_eq!(testing::asked(), []);
}

#[test]
fn folders_are_no_items_and_odd_keys_are_refused_one_by_one() {
    let entries: String = ["p/", "p/a", "p/../b", "p//c"]
        .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size><ETag>e</ETag></Contents>"))
        .concat();
    let list = format!("<ListBucketResult>{entries}</ListBucketResult>");
    testing::endpoint("s3").on("GET", "/data", move |_| Reply::bytes(200, list.clone()));
    let _dir = work();
    let request = request(None, Some("p/"));
    let page = S3::items(&request, None).unwrap();
    let names: Vec<&str> = page.entries.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["a", "../b", "/c"]);
    for item in &page.entries[1..] {
        assert_eq!(S3::fetch(&request, item).unwrap_err().kind, ErrorKind::Unsupported, "{}", item.name);
    }
}
