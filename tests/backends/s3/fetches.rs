//! Objects of a real store: listed, and brought as they are.

use std::time::Instant;

use ring::digest::{SHA256, digest};
use windlass::plugin::contract::ErrorKind;
use windlass_backends::S3;

use super::Stage;
use crate::proxy::{Proxy, Trouble};

/// What is to be in the bucket `odd`.
const ODD: [&str; 10] = [
    "k/plain.txt",
    "k/with space.txt",
    "k/plus+and%percent%20.txt",
    "k/ümläut/日本.txt",
    "k/a&b<c>\"d'.txt",
    "k/question?hash#.txt",
    "k/~tilde=equals,comma;semi.txt",
    "k/deep/er/and/deeper",
    "k/..hidden",
    "k/empty",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_keys_are_listed_and_brought_as_aws_has_stored_them() {
    let Some(store) = S3::shared() else { return };
    let keys = serde_json::to_string(&ODD).unwrap();
    store.script(&format!(
        "s3.create_bucket(Bucket='odd')\nfor key in json.loads({keys:?}):\n  body = b'' if key.endswith('empty') else key.encode()\n  \
         s3.put_object(Bucket='odd', Key=key, Body=body)\ns3.put_object(Bucket='odd', Key='k/folder/', Body=b'')"
    ));
    let stage = Stage::new(store.address(), &store.owner());
    let options = r#"{"bucket": "odd", "prefix": "k/"}"#;
    let (items, _) = stage.items(options).await.unwrap();
    let mut names: Vec<String> = items.iter().map(|item| format!("k/{}", item.name)).collect();
    let mut wanted = ODD;
    names.sort();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    for item in &items {
        let fetched = stage.fetch(options, item).await.unwrap_or_else(|error| panic!("{}: {error}", item.name));
        let key = format!("k/{}", item.name);
        let text = if key.ends_with("empty") { String::new() } else { key.clone() };
        assert_eq!(std::fs::read_to_string(stage.file(&fetched.path)).unwrap(), text);
        let options = serde_json::json!({ "bucket": "odd", "key": key }).to_string();
        let one = stage.items(&options).await.unwrap().0.remove(0);
        assert_eq!((one.size, &one.version), (item.size, &item.version), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_objects_are_listed_page_by_page() {
    let Some(store) = S3::shared() else { return };
    let stage = Stage::new(store.address(), &store.owner());
    let begun = Instant::now();
    let (items, pages) = stage.items(r#"{"bucket": "many", "prefix": "all/"}"#).await.unwrap();
    println!("10,000 objects are listed in {} ms", begun.elapsed().as_millis());
    assert_eq!(pages, [1_000; 10]);
    let names: Vec<String> = items.into_iter().map(|item| item.name).collect();
    assert_eq!(names, (0..10_000).map(|number| format!("{number:05}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_comes_whole_in_little_memory() {
    let Some(store) = S3::shared() else { return };
    let wanted = store.script(
        "s3.create_bucket(Bucket='large')\ndata = bytes(range(251)) * (256 * 1024 * 1024 // 251)\n\
         s3.put_object(Bucket='large', Key='large.bin', Body=data)\nprint(len(data), hashlib.sha256(data).hexdigest())",
    );
    // A small part of the object.
    let stage = Stage::with(store.address(), &store.owner(), "[plugin.s3.limits]\nmemory = \"8MiB\"");
    let options = r#"{"bucket": "large", "key": "large.bin"}"#;
    let item = stage.items(options).await.unwrap().0.remove(0);
    let begun = Instant::now();
    let fetched = stage.fetch(options, &item).await.unwrap();
    println!("256 MiB are brought in {} ms", begun.elapsed().as_millis());
    let content = std::fs::read(stage.file("large.bin")).unwrap();
    assert_eq!(format!("{} {}", fetched.bytes, hex(digest(&SHA256, &content).as_ref())), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_is_gone_on_with() {
    let Some(store) = S3::shared() else { return };
    let wanted = store.script(
        "s3.create_bucket(Bucket='cut')\ndata = bytes(range(241)) * 20000\n\
         s3.put_object(Bucket='cut', Key='cut.bin', Body=data)\nprint(hashlib.sha256(data).hexdigest())",
    );
    let options = r#"{"bucket": "cut", "key": "cut.bin"}"#;
    let proxy = Proxy::start(store.address(), Trouble::CutAfter(700_000));
    let stage = Stage::new(proxy.address, &store.owner());
    let item = stage.items(options).await.unwrap().0.remove(0);
    stage.fetch(options, &item).await.unwrap();
    let content = std::fs::read(stage.file("cut.bin")).unwrap();
    assert_eq!(hex(digest(&SHA256, &content).as_ref()), wanted);
    assert!(proxy.connections() >= 7, "{} connections", proxy.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changes_on_its_way_is_not_brought() {
    let Some(store) = S3::shared() else { return };
    store.script("s3.create_bucket(Bucket='moving')\ns3.put_object(Bucket='moving', Key='k', Body=b'first')");
    let stage = Stage::new(store.address(), &store.owner());
    let options = r#"{"bucket": "moving", "key": "k"}"#;
    let item = stage.items(options).await.unwrap().0.remove(0);
    store.script("s3.put_object(Bucket='moving', Key='k', Body=b'other')");
    let error = stage.fetch(options, &item).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Conflict, Some("PreconditionFailed")), "{error}");
    assert!(!stage.file("k").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_falls_silent_is_a_timeout() {
    let Some(store) = S3::shared() else { return };
    let proxy = Proxy::start(store.address(), Trouble::SilentAfter(100));
    let stage = Stage::with(proxy.address, &store.owner(), "response_ms = 200\nbetween_bytes_ms = 200");
    let error = stage.items(r#"{"bucket": "many", "prefix": "all/"}"#).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
}
