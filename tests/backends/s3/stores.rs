//! Outputs in a real store, as the client of AWS finds them there.

use ring::digest::{SHA256, digest};
use windlass::plugin::conformance::Subject;
use windlass::plugin::contract::{Attempt, ErrorKind, StoreRequest};
use windlass::plugin::parse_config;
use windlass_backends::S3;

use super::{candidate, grants, store};

/// The keys that readers of a bucket see, and how many uploads are not finished.
const SEEN: &str = "keys = [o['Key'] for o in s3.list_objects_v2(Bucket='out').get('Contents', [])]\n\
    print(json.dumps([[k for k in keys if '.windlass/' not in k], [k for k in keys if '/staged/' in k], \
    len(s3.list_multipart_uploads(Bucket='out').get('Uploads', []))]))";

fn seen(s3: &S3) -> serde_json::Value {
    serde_json::from_str(&s3.script(SEEN)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_appear_with_the_commit_and_replace_those_of_before() {
    let Some(s3) = S3::shared() else { return };
    s3.script("s3.create_bucket(Bucket='out')\ns3.put_object(Bucket='out', Key='r/large.bin', Body=b'old')");
    let more = "[plugin.s3-sink.limits]\nmemory = \"8MiB\"";
    let grants = parse_config(grants("s3-sink", s3.address(), &s3.owner(), more).as_bytes()).unwrap();
    let subject = Subject::sink(&candidate("s3-sink"), grants.plugins.get("s3-sink"), &store()).unwrap();
    let (plugin, work) = (subject.first().clone(), tempfile::tempdir().unwrap());
    let large: Vec<u8> = (0..40_000_000_u32).map(|at| (at % 251) as u8).collect();
    std::fs::write(work.path().join("large"), &large).unwrap();
    std::fs::write(work.path().join("small"), "hello").unwrap();
    let attempt = Attempt { job: "0198d1a0-0000-7000-8000-000000000001".to_owned(), number: 1 };
    let options = r#"{"bucket": "out", "prefix": "r/"}"#.to_owned();
    let request = StoreRequest { attempt, options, keys: Vec::new() };
    let mut begun = plugin.begin(request.clone()).await.unwrap();
    for (path, name) in [("large", "large.bin"), ("small", "a b/c+é%.txt")] {
        let work = work.path().to_owned();
        begun = plugin.put(request.clone(), begun, path.to_owned(), name.to_owned(), work).await.unwrap();
    }
    assert_eq!(seen(s3)[0], serde_json::json!(["r/large.bin"]), "only what was there before is seen");
    assert_eq!(s3.script("print(s3.get_object(Bucket='out', Key='r/large.bin')['Body'].read().decode())"), "old");
    let stored = plugin.commit(request.clone(), begun.clone()).await.unwrap();
    let found =
        s3.script("print(hashlib.sha256(s3.get_object(Bucket='out', Key='r/large.bin')['Body'].read()).hexdigest())");
    let wanted: String = digest(&SHA256, &large).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, wanted);
    assert_eq!(s3.script("print(s3.get_object(Bucket='out', Key='r/a b/c+é%.txt')['Body'].read().decode())"), "hello");
    assert_eq!(seen(s3), serde_json::json!([["r/a b/c+é%.txt", "r/large.bin"], [], 0]));
    let mut places: Vec<&str> = stored.iter().map(|it| it.location.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["s3://out/r/a b/c+é%.txt", "s3://out/r/large.bin"]);
    assert_eq!(plugin.commit(request, begun).await.unwrap(), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_is_told() {
    let Some(s3) = S3::shared() else { return };
    let grants = parse_config(grants("s3-sink", s3.address(), &s3.nobody(), "").as_bytes()).unwrap();
    let subject = Subject::sink(&candidate("s3-sink"), grants.plugins.get("s3-sink"), &store()).unwrap();
    let work = tempfile::tempdir().unwrap();
    std::fs::write(work.path().join("x"), "hello").unwrap();
    let attempt = Attempt { job: "0198d1a0-0000-7000-8000-000000000002".to_owned(), number: 1 };
    let options = r#"{"bucket": "many", "prefix": "r/"}"#.to_owned();
    let request = StoreRequest { attempt, options, keys: Vec::new() };
    let begun = subject.first().begin(request.clone()).await.unwrap();
    let put = subject.first().put(request, begun, "x".to_owned(), "x".to_owned(), work.path().to_owned());
    assert_eq!(put.await.unwrap_err().kind, ErrorKind::Denied);
}
