//! Archives that lead elsewhere, or are none, or have no end.

use windlass::{EngineConfig, KeepWork};

use super::rig::{Siege, config, grants};

const KINDS: [(&str, &str); 18] = [
    ("dots", "leads out of the directory"),
    ("dots-within", "leads out of the directory"),
    ("absolute", "leads out of the directory"),
    ("link", "is no file and no directory but Symlink"),
    ("hard-link", "is no file and no directory but Link"),
    ("device", "is no file and no directory but Char"),
    ("pipe", "is no file and no directory but Fifo"),
    ("through", "Not a directory"),
    ("bomb", "more than 1048576 bytes"),
    ("many", "more than 1048576 bytes"),
    ("long-name", "what comes before an entry is longer than"),
    ("long-extension", "what comes before an entry is longer than"),
    ("deep", "a path of 200001 bytes"),
    ("noise", "the archive could not be unpacked"),
    ("nothing", "it breaks off before its end"),
    ("twice", "this call unpacks already"),
    ("open", "did not answer `collect` within"),
    ("unfinished", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_is_refused_and_nothing_of_it_is_elsewhere() {
    let config = EngineConfig { keep_work: KeepWork::All, ..config() };
    let siege = Siege::open(config, &grants("", "call_time = \"5s\"\ntransfer_time = \"5s\"", "")).await;
    let before = super::floods::resident_bytes();
    for (kind, says) in KINDS {
        let options = format!(r#"{{"collect": "tar {kind}"}}"#);
        if says.is_empty() {
            assert_eq!(siege.ends(&options).await.1, None, "{kind}");
        } else if says.starts_with("did not answer") {
            assert_eq!(siege.ends(&options).await.0, windlass::State::TimedOut, "{kind}");
        } else {
            let told = siege.told(&options).await;
            assert!(told.contains(says), "{kind}: {told}");
        }
        siege.others_are_well().await;
    }
    let everywhere = std::process::Command::new("find").arg(siege.dir.path()).args(["-name", "escaped"]).output();
    assert_eq!(String::from_utf8_lossy(&everywhere.unwrap().stdout), "");
    assert!(!std::path::Path::new("/tmp/windlass-escaped").exists());
    let links =
        std::process::Command::new("find").arg(siege.dir.path()).args(["-type", "l", "-lname", "/etc*"]).output();
    assert_eq!(String::from_utf8_lossy(&links.unwrap().stdout), "");
    let grown = super::floods::resident_bytes().saturating_sub(before);
    assert!(grown < 512 << 20, "{grown} bytes more");
}
