//! The conformance suites of fetchers and sinks on a real store.

use windlass::plugin::conformance::{Check, FetcherCases, Report, Subject, Suite, Verdict, run};
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
