//! The conformance suites of fetchers and sinks on a real store.

use windlass::plugin::conformance::{Check, FetcherCases, Report, SinkCases, Subject, Suite, Verdict, run};
use windlass::plugin::parse_config;
use windlass_backends::S3;

use super::{candidate, grants, store};

fn passes(report: &Report) {
    let line = |check: &Check| format!("{} {} {}ms {}\n", check.verdict, check.name, check.ms, check.why);
    let lines: String = report.checks.iter().map(line).collect();
    assert!(report.passed(), "{lines}");
    assert!(report.checks.iter().all(|check| check.verdict != Verdict::Skipped), "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fetcher_passes() {
    let Some(s3) = S3::shared() else { return };
    s3.script(
        "s3.create_bucket(Bucket='windlass-conformance')\nfor number in range(1100):\n  \
         s3.put_object(Bucket='windlass-conformance', Key='items/%04d é.txt' % number, Body=b'number %d' % number)",
    );
    let cases = include_str!("../../../plugins/s3/conformance.toml");
    let cases = format!("{cases}\ncontent = {{ \"0000 é.txt\" = \"number 0\", \"1099 é.txt\" = \"number 1099\" }}\n");
    let cases = FetcherCases::parse(cases.as_bytes()).unwrap();
    let grants = parse_config(grants("s3", s3.address(), &s3.owner(), "").as_bytes()).unwrap();
    let subject = Subject::fetcher(&candidate("s3"), grants.plugins.get("s3"), &store()).unwrap();
    passes(&run(&subject, &cases, |_| {}).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_passes() {
    let Some(s3) = S3::shared() else { return };
    s3.script("s3.create_bucket(Bucket='windlass-stored')");
    let cases =
        include_str!("../../../plugins/s3-sink/conformance.toml").replace("windlass-conformance", "windlass-stored");
    let cases = SinkCases::parse(cases.as_bytes()).unwrap();
    let grants = parse_config(grants("s3-sink", s3.address(), &s3.owner(), "").as_bytes()).unwrap();
    let subject = Subject::sink(&candidate("s3-sink"), grants.plugins.get("s3-sink"), &store()).unwrap();
    passes(&run(&subject, &cases, |_| {}).await);
    let left = s3.script(
        "keys = [o['Key'] for p in s3.get_paginator('list_objects_v2').paginate(Bucket='windlass-stored') for o in p.get('Contents', [])]\n\
         print(len(keys), sum('/staged/' in key for key in keys), len(s3.list_multipart_uploads(Bucket='windlass-stored').get('Uploads', [])))",
    );
    let left: Vec<usize> = left.split(' ').map(|count| count.parse().unwrap()).collect();
    assert!(left[0] > 0 && left[1..] == [0, 0], "{left:?}");
}
