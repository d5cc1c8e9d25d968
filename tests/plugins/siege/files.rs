//! Ways out of the work tree, and too much in it.

use windlass::{EngineConfig, KeepWork, State};

use super::rig::{Siege, config, grants, until};

async fn patient() -> Siege {
    let config = EngineConfig { keep_work: KeepWork::Nothing, ..config() };
    Siege::open(config, &grants("", "call_time = \"60s\"\ntransfer_time = \"60s\"", "")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn none_leads_out() {
    let siege = patient().await;
    for call in ["submit", "collect"] {
        let told = siege.told(&format!(r#"{{"{call}": "escape"}}"#)).await;
        assert!(told.contains("open: []"), "{call}: {told}");
        siege.others_are_well().await;
    }
    let everywhere = std::process::Command::new("find").arg(siege.dir.path()).args(["-name", "escaped"]).output();
    assert_eq!(String::from_utf8_lossy(&everywhere.unwrap().stdout), "");
    assert!(!std::path::Path::new("/etc/escaped").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_reads_and_other_calls_see_nothing() {
    let siege = patient().await;
    let told = siege.told(r#"{"submit": "write"}"#).await;
    assert!(told.contains("it found out: ") && told.contains("os error"), "{told}");
    for call in ["observe", "logs", "stop", "remove"] {
        let id = siege.submit(&format!(r#"{{"{call}": "write"}}"#)).await;
        if call == "observe" {
            siege.lost(id).await;
            assert_eq!(siege.cancelled(id).await, State::Cancelled);
        } else {
            assert_eq!(siege.ended(id).await.0, State::Succeeded);
        }
    }
    siege.others_are_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_opens_all_it_can_leaves_some_to_others() {
    let siege = patient().await;
    let told = siege.told(r#"{"collect": "files"}"#).await;
    assert!(told.contains("the plugin holds too much open in `collect`"), "{told}");
    let told = siege.told(r#"{"submit": "streams"}"#).await;
    // A small tree is packed before it is read, and on a busy machine before the next archive is asked for: then the streams
    // themselves are too many.
    let limits = ["this call packs too often at once", "the plugin holds too much open in `submit`"];
    assert!(limits.iter().any(|limit| told.contains(limit)), "{told}");
    siege.others_are_well().await;
}

/// Deeper than a path can say, than a process may have files open, and than a stack can follow.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_deep_is_removed_all_the_same() {
    let siege = patient().await;
    let id = siege.submit(r#"{"collect": "deep"}"#).await;
    let (state, reason) = siege.ended(id).await;
    assert!(matches!(state, State::Succeeded | State::Failed), "{reason:?}");
    let work = windlass::files::Layout::new(siege.dir.path()).work(id, 1);
    until(|| !work.exists()).await;
    siege.others_are_well().await;
}
