//! Too much of everything: messages, logs, checkpoints, handles, cursors, texts, lists.

use windlass::files::LogLimits;
use windlass::job::Reason;
use windlass::{EngineConfig, Error, State};

use super::rig::{Siege, config, grants};

/// Time enough to say too much.
const PATIENT: &str = "call_time = \"60s\"";

/// What the host keeps of one text, with what it says around it.
const MOST: usize = 16 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn too_many_messages_and_long_ones_are_cut() {
    let siege = Siege::new().await;
    for word in ["messages", "giant-message"] {
        assert_eq!(siege.ends(&format!(r#"{{"submit": "{word}"}}"#)).await, (State::Succeeded, None), "{word}");
    }
    let told = siege.told(r#"{"submit": "giant-words"}"#).await;
    assert!(told.contains("after a long speech") && told.len() < MOST, "{} bytes", told.len());
    siege.others_are_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_end_fills_no_disk() {
    let log_limits = LogLimits { head_bytes: 64 << 10, tail_bytes: 64 << 10 };
    let config = EngineConfig { log_limits, ..config() };
    let siege = Siege::open(config, &grants("", "call_time = \"300ms\"", "")).await;
    for word in ["flood", "giant-write", "giant-cursor", "again", "strange-cursor"] {
        let id = siege.submit(&format!(r#"{{"logs": "{word}"}}"#)).await;
        assert_eq!(siege.ended(id).await, (State::Succeeded, None), "{word}");
        let layout = windlass::files::Layout::new(siege.dir.path());
        let on_disk = layout.size_of_job(siege.engine.get(id).unwrap().job.seq());
        assert!(on_disk < 1 << 20, "{word}: {on_disk} bytes");
        match word {
            "giant-write" | "giant-cursor" => assert_eq!(siege.log(id), "", "what is over the limit is not taken"),
            "strange-cursor" => assert_eq!(siege.log(id), "said\n"),
            _ => assert!(!siege.log(id).is_empty()),
        }
        siege.others_are_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_and_checkpoints_have_a_size_and_a_number() {
    let siege = Siege::new().await;
    let giant = "the plugin broke the contract: a handle of 1048576 bytes; allowed: at most 8192";
    for word in ["giant-handle", "giant-checkpoint"] {
        let told = siege.told(&format!(r#"{{"submit": "{word}"}}"#)).await;
        assert!(told.contains(giant), "{told}");
    }
    let told = siege.told(r#"{"submit": "endless-checkpoints"}"#).await;
    assert!(told.contains("more than 64 checkpoints in one call"), "{told}");
    for options in [r#"{"observe": "giant-handle"}"#, r#"{"observe": "never", "stop": "giant-handle"}"#] {
        let id = siege.submit(options).await;
        siege.begun(id).await;
        siege.engine.cancel(id, "the test").await.unwrap();
        siege.others_are_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_problems_are_cut() {
    let siege = Siege::new().await;
    let told = siege.told(r#"{"submit": "giant-error"}"#).await;
    assert!((4_000..MOST).contains(&told.len()), "{} bytes", told.len());
    let (state, reason) = siege.ends(r#"{"observe": "giant-failure"}"#).await;
    let Some(Reason::Error(told)) = reason else { panic!("{state:?}") };
    assert!((4_000..MOST).contains(&told.len()), "{} bytes", told.len());
    let refused = siege.refused(r#"{"validate": "giant"}"#).await;
    assert!((1_000..MOST).contains(&refused.len()), "{} bytes", refused.len());
    let refused = siege.refused(r#"{"validate": "endless"}"#).await;
    assert!(refused.contains("a list of 100000; allowed: at most 10000"), "{refused}");
    siege.set(r#"check = "giant-error""#);
    let Err(Error::Unavailable(told)) = siege.engine.check_executor("hostile").await else { panic!() };
    assert!(told.len() < MOST, "{} bytes", told.len());
    siege.others_are_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_say_too_much_of_themselves_can_still_be_ended() {
    let siege = Siege::new().await;
    for word in ["giant-pending", "giant-unknown", "endless"] {
        let id = siege.submit(&format!(r#"{{"observe": "{word}"}}"#)).await;
        siege.begun(id).await;
        siege.others_are_well().await;
        assert_eq!(siege.cancelled(id).await, State::Cancelled, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_what_it_has_are_cut_or_refused() {
    let siege = Siege::new().await;
    for (word, told) in
        [("endless", "a list of 200000; allowed: at most 10000"), ("giant-cursor", "a cursor of 1048576 bytes")]
    {
        siege.set_within(&format!("definitions = \"{word}\""), PATIENT);
        let Err(Error::Unavailable(refused)) = siege.engine.definitions("hostile", None).await else {
            panic!("{word}")
        };
        assert!(refused.contains(told), "{refused}");
    }
    siege.set_within("definitions = \"giant\"", PATIENT);
    let page = siege.engine.definitions("hostile", None).await.unwrap();
    assert!(page.definitions[0].name.len() < 2_000);
    for word in ["giant", "endless-features", "strange"] {
        siege.set(&format!("describe = \"{word}\""));
        let (state, _) = siege.ends("{}").await;
        assert!(matches!(state, State::Succeeded | State::Failed | State::TimedOut), "{word}: {state:?}");
        siege.others_are_well().await;
    }
}

/// Lists whose texts are all the same bytes of the guest: a gigabyte and more for whoever copies them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_small_in_the_guest_is_not_large_in_the_host() {
    let siege = Siege::new().await;
    let before = resident_bytes();
    let refused = siege.refused(r#"{"validate": "amplified"}"#).await;
    assert!(refused.contains("the plugin failed in `validate`") || refused.contains("trapped"), "{refused}");
    let told = siege.told(r#"{"submit": "amplify"}"#).await;
    assert!(told.contains("the plugin failed in `submit`") || told.contains("trapped"), "{told}");
    let told = siege.told(r#"{"submit": "random"}"#).await;
    assert!(told.contains("in `submit`"), "{told}");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 1 << 30, "{grown} bytes more");
    siege.others_are_well().await;
}

/// The most that this process has ever had.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}
