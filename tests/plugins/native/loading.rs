//! Which libraries are plugins, and what is said of those that are none.

use std::path::{Path, PathBuf};

use windlass::NativeConfig;
use windlass::plugin::contract::{ErrorKind, Plugin, Retry};
use windlass::plugin::native::NativePlugin;

use crate::rig::{HOSTILE, compiled, spawned};

fn version(name: &str, defines: &[&str]) -> PathBuf {
    compiled("tests/plugins/native/versions.c", name, defines)
}

/// Refused in another process and in this one, for the same reason.
async fn assert_refused(library: &Path, kind: ErrorKind, expected: &str) {
    let error = spawned(library).describe().await.unwrap_err();
    assert_eq!((error.kind, error.retry), (kind, Retry::Never), "{error}");
    assert!(error.message.contains(expected), "{error}");
    // SAFETY: it is a library of this test.
    #[expect(unsafe_code, reason = "a library is loaded into this process")]
    let error = unsafe { NativePlugin::in_process(library) }.unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn what_is_no_plugin_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("libtext.so");
    std::fs::write(&text, "not a library").unwrap();
    assert_refused(&dir.path().join("none.so"), ErrorKind::NotFound, "there is no file").await;
    assert_refused(&text, ErrorKind::Invalid, "the system cannot load it").await;
    let unresolved = version("unresolved", &["-DUNRESOLVED"]);
    assert_refused(&unresolved, ErrorKind::Invalid, "nobody_has_this").await;
    let other_name = version("other_name", &["-DENTRY=windlass_plugin_v2"]);
    assert_refused(&other_name, ErrorKind::Invalid, "exports no function `windlass_plugin_v1`").await;
    let no_table = version("no_table", &["-DTABLE=(&table)->plugin.abi?NULL:&table.plugin"]);
    assert_refused(&no_table, ErrorKind::Invalid, "returned no table").await;
    let lacking = version("lacking", &["-DWITHOUT_SUBMIT"]);
    assert_refused(&lacking, ErrorKind::Invalid, "lacks functions that every plugin has: submit, remove").await;
}

#[tokio::test]
async fn a_wrong_version_is_refused_and_a_longer_table_is_not() {
    let other = version("other", &["-DVERSION=2"]);
    assert_refused(&other, ErrorKind::Unsupported, "made for version 2 of the interface; this engine speaks version 1")
        .await;
    let small = version("small", &["-DSIZE=24"]);
    assert_refused(&small, ErrorKind::Unsupported, "has 24 bytes and version 1 needs 104").await;
    let later = version("later", &[]);
    assert_eq!(spawned(&later).describe().await.unwrap().version, "9.0.0");
}

#[tokio::test]
async fn a_crash_while_it_is_loaded_is_an_error_and_then_a_pause() {
    let plugin = spawned(&version("crashing", &["-DCRASH_WHILE_LOADED"]));
    for _ in 0..2 {
        let error = plugin.describe().await.unwrap_err();
        assert!(error.message.contains("crashed (SIGABRT, signal 6) while it was loaded"), "{error}");
    }
    let error = plugin.describe().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(matches!(error.retry, Retry::After(1..=100)), "{error:?}");
    assert!(error.message.contains("has failed 2 times in a row"), "{error}");
}

#[tokio::test]
async fn a_program_that_knows_nothing_of_plugins_is_told_from_a_bad_plugin() {
    for program in ["/bin/true", "/bin/cat"] {
        let limits = NativeConfig { start_ms: 500, ..NativeConfig::default() };
        let plugin = NativePlugin::spawn(&*HOSTILE).program(program).limits(limits);
        let error = plugin.describe().await.unwrap_err();
        assert!(error.message.contains("calls `windlass::supervise_if_asked` first"), "{program}: {error}");
    }
    let error = NativePlugin::spawn(&*HOSTILE).program("/no/such/program").describe().await.unwrap_err();
    assert!(error.message.contains("cannot start /no/such/program"), "{error}");
}

#[test]
fn settings_are_not_shown() {
    let shown = format!("{:?}", spawned(Path::new("/x/liba.so")).settings(r#"{"password":"hunter2"}"#));
    assert!(shown.contains("liba.so") && !shown.contains("hunter2"), "{shown}");
}
