//! What a plugin must not answer, in a process of its own and in this one; and what a call gives it.

use std::sync::Arc;

use windlass::NativeConfig;
use windlass::plugin::contract::{ErrorKind, ExecutorPlugin, Handle, Plugin};
use windlass::plugin::native::NativePlugin;

use crate::rig::{HOSTILE, Kept, Log, compiled, hostile, run, secret_task, submit, task, told};

/// The same plugin in both homes.
#[expect(unsafe_code, reason = "a library is loaded into this process")]
fn both() -> [NativePlugin; 2] {
    // SAFETY: the contract is broken, and memory is not.
    let here = unsafe { NativePlugin::in_process(&*HOSTILE) }.unwrap();
    [hostile(), here.engine_id("engine-1")]
}

#[tokio::test]
async fn every_breach_is_an_error_of_its_call_that_names_it() {
    let breaches = [
        ("no-handle", "gave no handle"),
        ("no-reason", "did not say why"),
        ("strange-status", "it returned 7"),
        ("bad-text", "the message of an error is not UTF-8"),
        ("bad-kind", "99 is no kind of error"),
        ("bad-retry", "0 is no word on trying again"),
        ("null-error", "an error is no valid pointer"),
        ("long-handle", "a handle has 8193 bytes; at most 8192 are allowed"),
        ("null-handle", "a handle has 8193 bytes and no pointer"),
        ("null-host", "gave no handle"),
        ("other-result", "it called `give_run`, which does not belong there"),
        ("both", "returned WL_OK after this had failed: it did not work"),
    ];
    for plugin in both() {
        for (told, expected) in breaches {
            let error = submit(&plugin, told).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Internal);
            assert!(error.message.contains("broke the contract: `submit`"), "{told}: {error}");
            assert!(error.message.contains(expected), "{told}: {error}");
        }
        assert_eq!(submit(&plugin, "fine").await.unwrap().data, b"fine");
    }
}

#[tokio::test]
async fn observations_are_one_for_each_run_and_mean_something() {
    let breaches = [
        ("few", "asked about 2 runs and gave 1 observations"),
        ("many", "asked about 2 runs and gave 3 observations"),
        ("bad-state", "99 is no state of a run"),
        ("exited-0", "exited with 0"),
        ("failed-for-nothing", "an error is no valid pointer"),
    ];
    for plugin in both() {
        for (told, expected) in breaches {
            let error = plugin.observe(vec![run(told), run("x")], 0).await.unwrap_err();
            assert!(error.message.contains(expected), "{told}: {error}");
        }
        assert_eq!(plugin.observe(vec![run("x"), run("y")], 0).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn logs_and_lists_have_limits() {
    let breaches = [
        ("bad-channel", "9 is no channel of a log"),
        ("long-cursor", "a cursor has 599 bytes; at most 512 are allowed"),
        ("long-piece", "a piece of a log has 1099511627776 bytes"),
    ];
    for plugin in both() {
        for (told, expected) in breaches {
            let error = plugin.logs(run(told), None, 0, Arc::new(Log::default())).await.unwrap_err();
            assert!(error.message.contains(expected), "{told}: {error}");
        }
        let error = plugin.owned(None).await.unwrap_err();
        assert!(error.message.contains("it answered with more than 4194304 bytes"), "{error}");
        let error = plugin.stop(run("x"), 0).await.unwrap_err();
        assert!(error.message.contains("it called `checkpoint`, which does not belong there"), "{error}");
    }
}

#[tokio::test]
async fn a_feature_without_its_function_is_a_breach_and_functions_may_be_left_out() {
    for plugin in both() {
        assert_eq!(plugin.describe().await.unwrap().features, ["logs"]);
        assert_eq!(plugin.check().await, Ok(()));
        assert_eq!(plugin.validate("{}".to_owned()).await, Ok(Vec::new()));
        assert_eq!(plugin.collect(run("x"), None).await, Ok(()));
        let error = plugin.definitions(None).await.unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Unsupported, "the plugin has no function `definitions`")
        );
        let error = plugin.settings("no-such-function").describe().await.unwrap_err();
        assert!(error.message.contains("names the feature `collect` and has no function"), "{error}");
    }
}

#[tokio::test]
async fn a_checkpoint_is_kept_before_the_call_goes_on() {
    for plugin in both() {
        let kept = Arc::new(Kept::default());
        let handle = plugin.submit(task("a", "checkpoint"), None, kept.clone()).await.unwrap();
        assert_eq!(handle, Handle { schema: 1, data: b"late".to_vec() });
        assert_eq!(*kept.handles.lock().unwrap(), [Handle { schema: 3, data: b"early".to_vec() }]);
        let refusing = Kept { refuses: true, ..Kept::default() };
        let error = plugin.submit(task("a", "checkpoint"), None, Arc::new(refusing)).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unavailable, "the disk is full"));
    }
}

#[tokio::test]
async fn a_log_that_is_not_wanted_any_more_ends() {
    for plugin in both() {
        let log = Arc::new(Log::up_to(3));
        assert_eq!(plugin.logs(run("polite"), None, 0, log.clone()).await, Ok(false));
        assert_eq!(log.cursors().len(), 3);
    }
}

#[tokio::test]
#[expect(unsafe_code, reason = "a library is loaded into this process")]
async fn here_a_call_that_takes_too_long_is_given_up_and_keeps_its_turn() {
    let library = compiled("tests/plugins/native/hostile.c", "napping", &[]);
    // SAFETY: memory is not broken.
    let load = || unsafe { NativePlugin::in_process(&library) }.unwrap();
    let limits = NativeConfig { call_ms: 100, processes: 8, ..NativeConfig::default() };
    let plugin = load().limits(limits);
    let error = submit(&plugin, "nap").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("did not return within 100 ms during `submit`"), "{error}");
    // It did not say that it can take several calls at once, so all who have loaded it wait for their turn.
    let error = load().limits(limits).describe().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Exhausted);
    assert!(error.message.contains("was busy with other calls for 100 ms"), "{error}");
    assert_eq!(load().describe().await.unwrap().name, "hostile");
}

#[tokio::test]
async fn the_process_of_a_plugin_has_nothing_of_the_engine() {
    let plugin = hostile();
    let environment = told(&plugin, "tell-environment").await;
    let names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
    let allowed = ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZ"];
    assert!(names.iter().all(|name| allowed.contains(name)), "{names:?}");
    assert!(names.contains(&"PATH") && std::env::vars_os().count() > names.len());
    assert_eq!(told(&plugin, "tell-input").await, "0", "its standard input is empty");
}

#[tokio::test]
async fn a_secret_does_not_come_back_in_a_message() {
    for plugin in both() {
        let error = plugin
            .submit(secret_task("tell-secret-and-fail", "hunter22"), None, Arc::new(Kept::default()))
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Denied, "***"));
    }
    let error =
        hostile().submit(secret_task("tell-secret", "hunter22"), None, Arc::new(Kept::default())).await.unwrap_err();
    assert!(error.message.ends_with("it last printed: it is ***"), "{error}");
}
