//! The plugin on a store that the test keeps in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use windlass_plugin::testing::{self, Asked, Reply};
use windlass_plugin::{ErrorKind, Sink, SinkRequest};

use crate::{Options, S3Sink};

type Objects = Rc<RefCell<BTreeMap<String, Vec<u8>>>>;

/// A store that knows objects, copies and uploads of parts.
fn store(objects: &Objects, refuses: &'static str) {
    let objects = objects.clone();
    testing::endpoint("s3").otherwise(move |asked| answer(&mut objects.borrow_mut(), asked, refuses));
}

fn answer(objects: &mut BTreeMap<String, Vec<u8>>, asked: &Asked, refuses: &str) -> Reply {
    let key = asked.path.strip_prefix("/data/").unwrap_or_default().to_owned();
    if !refuses.is_empty() && asked.query(refuses).is_some() {
        return Reply::status(403);
    }
    match (asked.method.as_str(), asked.query("uploadId"), asked.header("x-amz-copy-source")) {
        ("GET", ..) if key.is_empty() && asked.query("uploads").is_some() => Reply::bytes(200, "<L/>"),
        ("GET", ..) if key.is_empty() => {
            let prefix = asked.query("prefix").unwrap();
            let listed = objects.iter().filter(|(key, _)| key.starts_with(prefix));
            let entry = |(key, body): (&String, &Vec<u8>)| {
                format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", body.len())
            };
            Reply::bytes(200, format!("<L>{}</L>", listed.map(entry).collect::<String>()))
        }
        ("GET", ..) => objects.get(&key).map_or(Reply::status(404), |body| Reply::bytes(200, body.clone())),
        ("POST", None, _) => Reply::bytes(200, "<I><UploadId>u1</UploadId></I>"),
        ("POST", Some(_), _) => {
            let parts: Vec<String> = objects.keys().filter(|key| key.starts_with("part ")).cloned().collect();
            let whole = parts.iter().flat_map(|part| objects.remove(part).unwrap()).collect();
            objects.insert(key, whole);
            Reply::bytes(200, "<C><ETag>whole</ETag></C>")
        }
        ("PUT", Some(_), _) => {
            objects.insert(format!("part {:05}", asked.query("partNumber").unwrap()), asked.body.clone());
            Reply::status(200).header("etag", "\"p\"")
        }
        ("PUT", _, Some(source)) => {
            let body = objects[source.strip_prefix("/data/").unwrap()].clone();
            objects.insert(key, body);
            Reply::bytes(200, "<CopyObjectResult><ETag>&quot;c&quot;</ETag></CopyObjectResult>")
        }
        ("PUT", ..) => {
            objects.insert(key, asked.body.clone());
            Reply::status(200).header("etag", "\"o\"")
        }
        _ => {
            objects.remove(&key);
            Reply::status(204)
        }
    }
}

fn request() -> SinkRequest<Options> {
    let options = Options { bucket: Some("data".to_owned()), prefix: "out/".to_owned() };
    SinkRequest { attempt: testing::attempt(1), options }
}

fn work(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    testing::work_at(dir.path());
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

/// What readers of the prefix see.
fn seen(objects: &Objects) -> Vec<String> {
    objects.borrow().keys().filter(|key| !key.contains(".windlass/")).cloned().collect()
}

#[test]
fn nothing_is_seen_before_the_commit_and_everything_after_it() {
    let large = vec![7; (33 << 20) + 5];
    let _work = work(&[("a", b"one".to_vec()), ("b", large.clone())]);
    let objects = Objects::default();
    store(&objects, "");
    S3Sink::put(&request(), (), "a", "a.txt").unwrap();
    S3Sink::put(&request(), (), "b", "b/large.bin").unwrap();
    assert_eq!(seen(&objects), [""; 0]);
    let first = S3Sink::commit(&request(), ()).unwrap();
    assert_eq!(seen(&objects), ["out/a.txt", "out/b/large.bin"]);
    assert_eq!(objects.borrow()["out/b/large.bin"], large);
    let told: Vec<(&str, u64)> = first.iter().map(|it| (it.location.as_str(), it.bytes)).collect();
    assert_eq!(told, [("s3://data/out/a.txt", 3), ("s3://data/out/b/large.bin", large.len() as u64)]);
    assert_eq!(objects.borrow().keys().filter(|key| key.contains("staged")).count(), 0);
    let parts = testing::asked().into_iter().filter(|asked| asked.query("partNumber").is_some());
    let sizes: Vec<usize> = parts.map(|asked| asked.body.len()).collect();
    assert_eq!(sizes, [16 << 20, 16 << 20, (1 << 20) + 5]);
    assert_eq!(S3Sink::commit(&request(), ()).unwrap(), first);
}

#[test]
fn a_file_is_sent_with_its_md5() {
    let _work = work(&[("a", b"hello world".to_vec())]);
    let objects = Objects::default();
    store(&objects, "");
    S3Sink::put(&request(), (), "a", "a").unwrap();
    assert_eq!(testing::asked()[0].header("content-md5"), Some("XrY7u+Ae7tCTyyK7j1rNww=="));
}

#[test]
fn an_upload_that_fails_is_aborted() {
    let _work = work(&[("b", vec![1; 17 << 20])]);
    let objects = Objects::default();
    store(&objects, "partNumber");
    assert_eq!(S3Sink::put(&request(), (), "b", "b").unwrap_err().kind, ErrorKind::Denied);
    let last = testing::asked().pop().unwrap();
    assert_eq!((last.method.as_str(), last.query("uploadId")), ("DELETE", Some("u1")));
}

#[test]
fn what_was_aborted_is_gone() {
    let _work = work(&[("a", b"one".to_vec())]);
    let objects = Objects::default();
    store(&objects, "");
    S3Sink::put(&request(), (), "a", "a").unwrap();
    S3Sink::abort(&request(), ()).unwrap();
    assert_eq!(S3Sink::commit(&request(), ()).unwrap(), []);
    assert!(objects.borrow().is_empty());
}

#[test]
fn names_that_cannot_be_stored_are_refused_at_once() {
    let _work = work(&[("a", b"one".to_vec())]);
    for name in ["../a", "a//b", "/a"] {
        assert_eq!(S3Sink::put(&request(), (), "a", name).unwrap_err().kind, ErrorKind::Unsupported, "{name}");
    }
    assert_eq!(S3Sink::put(&request(), (), "missing", "m").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(testing::asked(), []);
}
