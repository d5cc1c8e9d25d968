//! Plugins that do not tell the truth.

use windlass::job::{Reason, RetryPolicy};
use windlass::{EngineConfig, JobId, KeepWork, State};

use super::rig::{Siege, config, grants, hostile, job, until};
use super::server::{Answer, Server};

#[tokio::test(flavor = "multi_thread")]
async fn too_few_or_too_many_answers_are_none() {
    let siege = Siege::new().await;
    for word in ["none", "too-many"] {
        let id = siege.submit(&format!(r#"{{"observe": "{word}"}}"#)).await;
        siege.lost(id).await;
        siege.others_are_well().await;
        assert_eq!(siege.cancelled(id).await, State::Cancelled, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_puts_the_engine_off_for_ages_can_still_be_stopped() {
    let siege = Siege::new().await;
    for options in [
        r#"{"observe": "ask-after-ages"}"#,
        r#"{"observe": "ask-at-once"}"#,
        r#"{"observe": "unknown-after-ages"}"#,
        r#"{"submit": "error-after-ages"}"#,
        r#"{"collect": "error-after-ages"}"#,
    ] {
        let id = siege.submit(options).await;
        until(|| siege.state(id) == State::Running).await;
        siege.others_are_well().await;
        assert_eq!(siege.cancelled(id).await, State::Cancelled, "{options}");
        siege.others_are_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_end_counts() {
    let siege = Siege::new().await;
    assert_eq!(siege.ends(r#"{"observe": "fickle"}"#).await, (State::Failed, Some(Reason::ExitCode(3))));
    assert_eq!(siege.ends(r#"{"observe": "exited-0"}"#).await, (State::Succeeded, None));
    let (state, reason) = siege.ends(r#"{"observe": "stopped"}"#).await;
    let Some(Reason::Error(told)) = reason else { panic!("{state:?}") };
    assert!(told.contains("the platform stopped the run, and nobody here had asked for it"), "{told}");
    let retry = RetryPolicy { max_interruptions: 1, ..RetryPolicy::default() };
    let id = siege.engine.submit(windlass::JobSpec { retry, ..hostile(r#"{"observe": "gone"}"#) }).await.unwrap();
    assert_eq!(siege.ended(id).await, (State::Failed, Some(Reason::Interrupted)));
    siege.others_are_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_runs_that_are_nonsense_or_endless_hold_up_nobody() {
    for word in ["nonsense", "same-cursor", "giant-cursor", "endless"] {
        let siege = Siege::with(&format!("owned = \"{word}\""), "").await;
        siege.others_are_well().await;
        assert_eq!(siege.ends("{}").await, (State::Succeeded, None), "{word}");
        siege.engine.shutdown().await;
    }
}

/// What a plugin calls its own is removed by itself alone; jobs and work trees of others stay.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_calls_its_own_is_not_taken_from_others() {
    let server = Server::start(|_| Answer::Text(200, String::new()));
    let config = EngineConfig { keep_work: KeepWork::Nothing, ..config() };
    let more = format!("[plugin.hostile.endpoint.jobs]\naddress = \"http://{}\"\n", server.address);
    let limits = "call_time = \"20s\"\ntransfer_time = \"20s\"";
    let siege = Siege::open(config.clone(), &grants("", limits, &more)).await;
    let theirs = siege.engine.submit(job("mock", r#"{"run_ms": 4000, "print": "x", "lines": 3}"#)).await.unwrap();
    let mut later = job("mock", "{}");
    later.start_at = Some(windlass::Timestamp::MAX);
    let waiting = siege.engine.submit(later).await.unwrap();
    let own = siege.submit(r#"{"observe": "never"}"#).await;
    siege.begun(theirs).await;
    siege.begun(own).await;
    let dir = siege.dir;
    drop(siege.engine);
    let layout = windlass::files::Layout::new(dir.path());
    assert!(layout.work(theirs, 1).exists());
    let left = layout.work(waiting, 1).join("left");
    std::fs::create_dir_all(left.parent().unwrap()).unwrap();
    std::fs::write(&left, "x").unwrap();
    // Ids that differ from those of others in nothing that names a directory.
    let forged = |id: JobId| JobId::new(id.seq(), id.created_at(), id.tag() ^ 1);
    let named = [theirs, waiting, own, forged(theirs), forged(waiting)].map(|id| format!("\"{id}\"")).join(", ");
    let settings = format!("owned = \"named\", remove = \"tell\", jobs = [{named}]");
    let grants = windlass::plugin::parse_config(grants(&settings, limits, &more).as_bytes()).unwrap();
    let engine = windlass::Engine::builder(dir.path()).config(config).plugins(grants).open().await.unwrap();
    let siege = Siege { engine, dir };
    // It was told to remove what nobody else has: another attempt of its own, and what the store does not know.
    let last = format!("PUT /a/{}-2 ", forged(waiting));
    until(|| server.seen().iter().any(|seen| seen.head.contains(&last))).await;
    let removed: Vec<String> = server.seen().iter().map(|seen| seen.head.clone()).collect();
    for kept in [format!("{theirs}-"), format!("{waiting}-"), format!("{own}-1 ")] {
        assert!(!removed.iter().any(|head| head.contains(&kept)), "{kept} in {removed:?}");
    }
    assert!(removed.iter().any(|head| head.contains(&format!("{own}-2 "))));
    assert!(layout.work(theirs, 1).exists() && left.exists(), "work trees of others stay");
    assert_eq!(siege.state(own), State::Running);
    assert_eq!(siege.ended(theirs).await, (State::Succeeded, None));
    assert_eq!(siege.log(theirs), "x\nx\nx\n");
    siege.others_are_well().await;
}
