//! Calls that do not come back, or come back broken, in each of the functions of the contract.

use windlass::job::Reason;
use windlass::{Error, State};

use super::rig::Siege;

/// What a plugin does, and what is told of it.
const BREAKS: [(&str, &str); 7] = [
    ("spin", "did not answer `CALL` within 400 ms"),
    ("sleep", "did not answer `CALL` within 400 ms"),
    ("trap", "trapped in `CALL`: wasm trap: wasm `unreachable` instruction executed"),
    ("panic", "trapped in `CALL`"),
    ("recurse", "trapped in `CALL`: wasm trap: "),
    ("grow", "used up its memory in `CALL`"),
    ("exit", "failed in `CALL`: Exited with i32 exit status 0"),
];

fn plan(call: &str, word: &str) -> String {
    format!(r#"{{"{call}": "{word}"}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_check_and_definitions_it_is_an_error_of_that_call() {
    let siege = Siege::new().await;
    for (word, told) in BREAKS {
        siege.set(&format!("check = \"{word}\", definitions = \"{word}\""));
        let Err(Error::Unavailable(check)) = siege.engine.check_executor("hostile").await else { panic!("{word}") };
        assert!(check.contains(&told.replace("CALL", "check")), "{check}");
        let Err(Error::Unavailable(listed)) = siege.engine.definitions("hostile", None).await else { panic!("{word}") };
        assert!(listed.contains(&told.replace("CALL", "definitions")), "{listed}");
        siege.others_are_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_validate_it_refuses_the_job() {
    let siege = Siege::new().await;
    for (word, told) in BREAKS {
        let refused = siege.refused(&plan("validate", word)).await;
        assert!(refused.contains(&told.replace("CALL", "validate")), "{refused}");
        siege.others_are_well().await;
    }
    assert!(siege.refused(&plan("validate", "panic")).await.contains("on purpose"), "its last words are told");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_submit_it_is_the_end_of_the_attempt_or_made_again_until_its_deadline() {
    let siege = Siege::new().await;
    for (word, told) in BREAKS {
        if told.starts_with("did not answer") {
            // Nobody knows what came of it.
            let (state, reason) = siege.ends(&plan("submit", word)).await;
            assert!(state == State::TimedOut && matches!(reason, Some(Reason::Deadline(_))), "{word}: {reason:?}");
        } else {
            let reason = siege.told(&plan("submit", word)).await;
            assert!(reason.contains(&told.replace("CALL", "submit")), "{reason}");
        }
        siege.others_are_well().await;
    }
}

/// The run may be well: it goes on, and is asked after again. So many of them at once, and still others are not kept waiting.
#[tokio::test(flavor = "multi_thread")]
async fn in_observe_the_platform_is_out_of_contact() {
    let siege = Siege::new().await;
    let mut ids = Vec::new();
    for (word, _) in BREAKS {
        ids.push(siege.submit(&plan("observe", word)).await);
    }
    let good = siege.submit("{}").await;
    for id in &ids {
        siege.lost(*id).await;
    }
    siege.others_are_well().await;
    assert_eq!(siege.ended(good).await, (State::Succeeded, None), "a run of the same plugin is not dragged along");
    for id in ids {
        assert_eq!(siege.state(id), State::Running);
        assert_eq!(siege.cancelled(id).await, State::Cancelled);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_logs_and_remove_it_changes_no_outcome() {
    let siege = Siege::new().await;
    for call in ["logs", "remove"] {
        for (word, _) in BREAKS {
            let id = siege.submit(&plan(call, word)).await;
            assert_eq!(siege.ended(id).await, (State::Succeeded, None), "{call} {word}");
        }
        siege.others_are_well().await;
    }
}

/// A stop that does not arrive is tried again; until then the run is one that goes on.
#[tokio::test(flavor = "multi_thread")]
async fn in_stop_the_job_is_being_cancelled_for_as_long() {
    let siege = Siege::new().await;
    let mut ids = Vec::new();
    for (word, _) in BREAKS {
        let id = siege.submit(&format!(r#"{{"observe": "never", "stop": "{word}"}}"#)).await;
        siege.begun(id).await;
        siege.engine.cancel(id, "the test").await.unwrap();
        ids.push(id);
    }
    siege.others_are_well().await;
    assert!(ids.iter().all(|id| siege.state(*id) == State::Cancelling));
    siege.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_collect_there_are_no_outputs() {
    let siege = Siege::new().await;
    for (word, told) in BREAKS {
        if told.starts_with("did not answer") {
            assert_eq!(siege.ends(&plan("collect", word)).await.0, State::TimedOut, "{word}");
        } else {
            let reason = siege.told(&plan("collect", word)).await;
            let told = told.replace("CALL", "collect");
            assert!(reason.contains("the outputs could not be collected") && reason.contains(&told), "{reason}");
        }
        siege.others_are_well().await;
    }
}

/// Nobody knows what it can do, so what depends on that waits: others do not.
#[tokio::test(flavor = "multi_thread")]
async fn in_describe_and_owned_it_holds_up_only_itself() {
    for (word, _) in BREAKS {
        let siege = Siege::with(&format!("describe = \"{word}\", owned = \"{word}\""), "").await;
        siege.others_are_well().await;
        let (state, _) = siege.ends("{}").await;
        assert!(matches!(state, State::TimedOut | State::Failed), "{word}: {state:?}");
        // As it is now it can be asked.
        siege.set("owned = \"trap\"");
        assert_eq!(siege.ends("{}").await, (State::Succeeded, None), "{word}");
    }
}
