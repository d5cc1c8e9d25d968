//! The work tree: in before the start, out after the end.

use serde_json::json;
use windlass::job::Reason;
use windlass::{JobSpec, State};
use windlass_backends::Docker;

use super::{Stage, is_clean, script, spec};

/// Holds a job until its files are there.
async fn run_with(stage: &Stage, options: &serde_json::Value, files: &[(&str, &str)]) -> windlass::JobId {
    let id = stage.submit(JobSpec { hold: true, ..spec(options) }).await;
    for (path, content) in files {
        let path = stage.work(id, path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    stage.engine.release(id).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_and_results_come_out() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    for user in ["", "0:0", "1000", "worker"] {
        let mut options = script(
            "set -e; cd /work; wc -c < input/deep/in.txt; echo more >> input/deep/in.txt; touch here tmp/there; \
             mkdir -p output/a; tr a-z A-Z < input/deep/in.txt > 'output/a/b c'; id -u",
        );
        if !user.is_empty() {
            options["user"] = json!(user);
        }
        let id = run_with(&stage, &options, &[("input/deep/in.txt", "hello\n")]).await;
        assert_eq!(stage.end(id).await, (State::Succeeded, None), "{user}: {}", stage.log(id));
        let who = if matches!(user, "" | "0:0") { "0" } else { "1000" };
        assert_eq!(stage.log(id), format!("6\n{who}\n"), "{user}");
        assert_eq!(std::fs::read_to_string(stage.work(id, "output/a/b c")).unwrap(), "HELLO\nMORE\n");
        is_clean(docker, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_do_not_come_out_and_say_so() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    for (make, says) in [
        ("ln -s /etc/passwd /work/output/link", "link is no file"),
        ("echo x > /work/output/one; ln /work/output/one /work/output/two", "is no file"),
        ("mkfifo /work/output/pipe", "is no file"),
    ] {
        let reason = stage.fails(&script(make)).await;
        assert!(matches!(&reason, Reason::Error(told) if told.contains(says)), "{make}: {reason:?}");
    }
    // The directory itself leads elsewhere: what is there is the container's own, and no more than that.
    let elsewhere = "rmdir /work/output; ln -s ../../etc /work/output; ls /work/output/";
    let (id, state, _) = stage.run(&script(elsewhere)).await;
    assert!(state == State::Succeeded || state == State::Failed);
    let output = stage.work(id, "output");
    let own = std::fs::read_to_string("/etc/passwd").unwrap();
    assert!(
        std::fs::read_to_string(output.join("passwd")).is_ok_and(|theirs| theirs != own)
            || !output.join("passwd").exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_outputs_is_fine() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let (id, state, reason) = stage.run(&script("rm -r /work/output")).await;
    assert_eq!((state, reason), (State::Succeeded, None), "{}", stage.log(id));
}
