//! Jobs whose inputs come from a real store and whose outputs go there.

use std::time::Duration;

use windlass::job::{Delivery, Fetch, Items, Reason};
use windlass::plugin::parse_config;
use windlass::{Engine, JobSpec, JobView, State, Supervisor};
use windlass_backends::S3;

use super::grants;

async fn ended(engine: &Engine, spec: JobSpec) -> JobView {
    let id = engine.submit(spec).await.unwrap();
    tokio::time::timeout(Duration::from_secs(120), engine.wait(id)).await.unwrap().unwrap()
}

/// The key of a job takes the place of that of the operator.
fn with_keys_of_jobs(plugin: &str, store: &S3) -> String {
    let grant = grants(plugin, store.address(), &store.owner(), "");
    let auth = grant.find("access_key_id").unwrap();
    let end = grant[auth..].find(" }\n").unwrap() + auth;
    format!("{}from = \"job\"{}", &grant[..auth], &grant[end..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_fetches_a_prefix_and_delivers_what_it_made_of_it() {
    let Some(store) = S3::shared() else { return };
    store.script(
        "s3.create_bucket(Bucket='jobs')\nfor n in range(20):\n  s3.put_object(Bucket='jobs', Key=f'in/{n}', Body=f'{n}\\n'.encode())",
    );
    let keys = store.owner();
    let config = format!("{}{}", with_keys_of_jobs("s3", store), with_keys_of_jobs("s3-sink", store));
    let dir = tempfile::tempdir().unwrap();
    let builder = Engine::builder(dir.path()).process(Supervisor::new(env!("CARGO_BIN_EXE_windlass")));
    let engine = builder.plugins(parse_config(config.as_bytes()).unwrap()).open().await.unwrap();
    let fetch = |secret: &str| {
        let fetch = Fetch::new("s3", r#"{"bucket": "jobs", "prefix": "in/"}"#).to("input/numbers");
        fetch.key("AWS_ACCESS_KEY_ID", &keys.id).key("AWS_SECRET_ACCESS_KEY", secret)
    };
    let deliver_to = |options: &str| {
        let delivery = Delivery::new("s3-sink", options);
        delivery.key("AWS_ACCESS_KEY_ID", &keys.id).key("AWS_SECRET_ACCESS_KEY", &keys.secret)
    };
    let deliver = || deliver_to(r#"{"bucket": "jobs", "prefix": "out/"}"#).from("output/sums").with_log();
    let command =
        "mkdir output/sums && cat input/numbers/* | awk '{n+=$1} END {print n}' > output/sums/all && echo summed";
    let spec = || JobSpec::process("sh", ["-c", command]);
    let view = ended(&engine, spec().fetch(fetch(&keys.secret)).deliver(deliver())).await;
    assert_eq!(view.job.state(), State::Succeeded, "{:?}", view.job.status.reason);
    store.script(
        "read = lambda key: s3.get_object(Bucket='jobs', Key=key)['Body'].read().decode()\n\
         assert read('out/all') == '190\\n', read('out/all')\nassert read('out/log.txt') == 'summed\\n'",
    );

    // Every object as an item of its own, delivered under its name.
    let each = JobSpec::process(
        "sh",
        ["-c", "echo $(($(cat input/*) * 2)) > output/twice && cat output/twice > output/value"],
    );
    let each = each.with_items(Items { parallel: Some(4), ..Items::listed(fetch(&keys.secret).to("input")) });
    let each = each.deliver(deliver_to(r#"{"bucket": "jobs", "prefix": "each/${item}/"}"#).from("output/twice"));
    let view = ended(&engine, each).await;
    assert_eq!(
        (view.job.state(), view.job.status.items.succeeded),
        (State::Succeeded, 20),
        "{:?}",
        view.job.status.reason
    );
    for item in engine.items(view.job.id, None, 100).unwrap().items {
        let twice = item.name.parse::<u32>().unwrap() * 2;
        assert_eq!(item.output, Some(format!("\"{twice}\"").into_bytes()));
    }
    store.script("assert s3.get_object(Bucket='jobs', Key='each/7/twice')['Body'].read() == b'14\\n'");

    let view = ended(&engine, spec().fetch(fetch("not-the-secret-of-it"))).await;
    let Some(Reason::NotStarted(message)) = &view.job.status.reason else { panic!("{:?}", view.job.status) };
    assert!(message.starts_with("fetch[0] from s3: ") && message.contains("SignatureDoesNotMatch"), "{message}");
    assert!(!message.contains("not-the-secret"), "{message}");
    let wrong = engine.submit(spec().fetch(Fetch::new("s3", r#"{"bukket": "jobs"}"#))).await.unwrap_err();
    assert!(wrong.to_string().contains("fetch[0].with"), "{wrong}");
    engine.shutdown().await;
}
