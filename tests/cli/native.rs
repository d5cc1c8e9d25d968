//! Plugins that are shared libraries: listed and looked at without running anything of them, and loaded when that is asked for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::windlass::Place;

/// Compiles a shared library.
fn library(place: &Place, name: &str, source: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = place.path(&format!("lib{name}.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-std=gnu11", "-shared", "-fPIC", "-o"]).arg(&library);
    compiler.arg("-I").arg(root.join("plugins/native")).arg(source);
    let output = compiler.stdin(Stdio::null()).output().expect("these tests need a C compiler: install `cc`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// One that leaves a file when it is loaded, and is no plugin.
fn marking(place: &Place) -> PathBuf {
    let source = format!(
        "#include <fcntl.h>\n__attribute__((constructor)) static void loaded(void) {{ open(\"{}\", O_CREAT | O_WRONLY, 0600); }}\n",
        place.path("loaded").display()
    );
    library(place, "marking", &place.file("marking.c", &source))
}

fn configure(place: &Place, libraries: &[(&str, &Path)]) {
    let tables = libraries.iter().map(|(name, library)| {
        format!("[native.{name}]\nlibrary = \"{}\"\nsettings = {{ token = \"hush-hush\" }}\n", library.display())
    });
    std::fs::create_dir_all(place.store()).unwrap();
    std::fs::write(place.store().join("windlass.toml"), tables.collect::<String>()).unwrap();
}

#[test]
fn a_library_is_listed_and_inspected_without_running_anything_of_it() {
    let place = Place::new();
    let library = marking(&place);
    configure(&place, &[("marking", &library), ("absent", Path::new("/nowhere/libabsent.so"))]);
    let list = place.json(&["plugin", "list"]);
    let names: Vec<&str> = list["plugins"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["absent", "docker", "jdbc", "marking", "mock", "s3", "s3-sink", "shell"]);
    let (absent, marking) = (&list["plugins"][0], &list["plugins"][3]);
    assert_eq!((&marking["kind"], &marking["state"]), (&"native".into(), &"granted".into()));
    assert_eq!(marking["origin"], library.to_str().unwrap());
    assert_eq!(absent["state"], "refused");
    assert!(absent["refusal"].as_str().unwrap().contains("/nowhere/libabsent.so"), "{absent}");
    let shown = place.run(&["plugin", "list"]).expect(0).stdout;
    assert!(shown.contains("native") && shown.contains("libmarking.so") && !shown.contains("hush"), "{shown}");

    let plugin = place.json(&["plugin", "inspect", "marking"]);
    assert_eq!((&plugin["kind"], &plugin["loads"]), (&"native".into(), &serde_json::Value::Null));
    assert_eq!(plugin["bytes"], std::fs::metadata(&library).unwrap().len());
    assert_eq!(plugin["rights"][0]["right"], "everything");
    let shown = place.run(&["plugin", "inspect", "marking"]).expect(0).stdout;
    assert!(shown.contains("not tried") && shown.contains("limits.memory") && !shown.contains("hush"), "{shown}");
    let shown = place.run(&["plugin", "inspect", "absent"]).expect(1).stdout;
    assert!(shown.contains("unfit") && shown.contains("/nowhere/libabsent.so"), "{shown}");
    assert!(!place.path("loaded").exists(), "something of it was run");
}

#[test]
fn a_library_is_loaded_when_that_is_asked_for() {
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let command = library(&place, "command", &root.join("plugins/native/command.c"));
    let marking = marking(&place);
    configure(&place, &[("command", &command), ("marking", &marking)]);
    let plugin = place.json(&["plugin", "inspect", "command", "--load"]);
    assert_eq!((&plugin["loads"], &plugin["version"]), (&true.into(), &"0.1.0".into()));
    assert_eq!(plugin["summary"], "Shell commands of this machine");
    let shown = place.run(&["plugin", "inspect", "marking", "--load"]).expect(1).stdout;
    assert!(shown.contains("windlass_plugin_v1") && !shown.contains("hush"), "{shown}");
    assert!(place.path("loaded").exists(), "it was not loaded");
    let told = place.run(&["plugin", "inspect", "mock", "--load"]).expect(2).stderr;
    assert!(told.contains("shared libraries"), "{told}");
}
