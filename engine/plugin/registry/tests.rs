//! Plugins that come, change and go.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::LazyLock;

use super::*;
use crate::plugin::grants::parse_config;
use crate::secret::sha256;

/// A component of an executor; `mark` makes it another content.
fn component(mark: &str) -> Vec<u8> {
    let text = format!(
        "(component (instance $own) (export \"windlass:plugin/executor@0.1.0\" (instance $own)) (@custom \"mark\" \"{mark}\"))"
    );
    wat::parse_str(text).unwrap()
}

fn manifest(name: &str) -> String {
    format!(
        "name = \"{name}\"\nversion = \"0.1.0\"\nkind = \"executor\"\napi = \"windlass:plugin@0.1\"\n[work]\naccess = \"write\"\n"
    )
}

/// Like a plugin that is part of the program.
static EMBEDDED: LazyLock<&'static [Embedded]> = LazyLock::new(|| {
    let (component, manifest) = (component("built in").leak(), manifest("builtin").leak());
    vec![Embedded { name: "builtin", component, manifest }].leak()
});

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A component with its manifest beside it.
    fn file(&self, name: &str, mark: &str) -> PathBuf {
        let path = self.path(&format!("{name}.wasm"));
        fs::write(&path, component(mark)).unwrap();
        fs::write(path.with_extension("toml"), manifest(name)).unwrap();
        path
    }

    /// A plugin put into the directory of the store by hand.
    fn dropped(&self, name: &str, mark: &str) -> PathBuf {
        let place = self.path("store/plugins").join(name);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(COMPONENT), component(mark)).unwrap();
        fs::write(place.join(MANIFEST), manifest(name)).unwrap();
        place
    }

    fn registry(&self, config: &str) -> Registry {
        let grants = parse_config(config.as_bytes()).unwrap();
        Registry::new(&Layout::new(self.path("store")), *EMBEDDED, grants, PluginBounds::default())
    }
}

fn refusal(registry: &Registry, name: &str) -> String {
    match registry.found().get(name) {
        Some(Found::Refused(_, refusal)) => refusal.to_string(),
        found => panic!("{found:?}"),
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn plugins_come_change_and_go_while_the_registry_lives() {
    let place = Place::new();
    let mut registry = place.registry("");
    assert_eq!(registry.scan().unwrap().added, names(&["builtin"]));
    assert!(!place.path("store").exists(), "nothing was to be registered");
    place.dropped("shell", "1");
    let changes = registry.scan().unwrap();
    assert_eq!(changes, Changes { added: names(&["shell"]), ..Changes::default() });
    assert_eq!(registry.scan().unwrap(), Changes::default());
    let file = place.file("shell", "2");
    registry.add(&file, None, true).unwrap();
    assert_eq!(registry.scan().unwrap(), Changes { changed: names(&["shell"]), ..Changes::default() });
    assert_eq!(registry.get("shell").unwrap().sha256, sha256(&component("2")));
    assert!(registry.remove("shell").unwrap());
    assert!(!registry.remove("shell").unwrap());
    assert_eq!(registry.scan().unwrap(), Changes { removed: names(&["shell"]), ..Changes::default() });
    // Its name is free for any content.
    place.dropped("shell", "3");
    assert_eq!(registry.scan().unwrap().added, names(&["shell"]));
}

#[test]
fn another_content_under_a_known_name_is_refused_until_it_is_confirmed() {
    let place = Place::new();
    let mut registry = place.registry("");
    let file = place.file("shell", "1");
    assert_eq!(registry.add(&file, None, false).unwrap(), ("shell".to_owned(), Addition::New));
    assert_eq!(registry.add(&file, None, false).unwrap().1, Addition::Same);
    fs::write(&file, component("2")).unwrap();
    let error = registry.add(&file, None, false).unwrap_err().to_string();
    let (old, new) = (hex(&sha256(&component("1"))), hex(&sha256(&component("2"))));
    assert!(error.contains(&old) && error.contains(&new) && error.contains("--confirm"), "{error}");
    registry.scan().unwrap();
    assert_eq!(registry.get("shell").unwrap().sha256, sha256(&component("1")));

    // Behind the back of the registry: who uses it goes on with what it was, who comes new does not get it.
    let dropped = place.dropped("shell", "2");
    assert_eq!(registry.scan().unwrap(), Changes { refused: names(&["shell"]), ..Changes::default() });
    let kept = registry.get("shell").unwrap().clone();
    assert_eq!(kept.sha256, sha256(&component("1")));
    assert!(matches!(registry.component(&kept), Err(Refusal::Changed { part: "component", .. })));
    let mut next = place.registry("");
    next.scan().unwrap();
    assert!(refusal(&next, "shell").contains(&new));
    // The same for its manifest, which says what it asks for.
    fs::write(dropped.join(COMPONENT), component("1")).unwrap();
    fs::write(dropped.join(MANIFEST), manifest("shell") + "# more\n").unwrap();
    next.scan().unwrap();
    assert!(refusal(&next, "shell").contains("its manifest has"));

    assert_eq!(next.add(&file, None, true).unwrap().1, Addition::Replaced);
    next.scan().unwrap();
    let plugin = next.get("shell").unwrap().clone();
    assert_eq!(&*next.component(&plugin).unwrap(), component("2"));
}

#[test]
fn the_configuration_names_files_pins_and_grants() {
    let place = Place::new();
    let file = place.file("shell", "1");
    let source = format!("[plugin.shell]\nsource = {file:?}\nwork = \"write\"\n");
    let mut registry = place.registry(&source);
    registry.scan().unwrap();
    let plugin = registry.get("shell").unwrap();
    assert_eq!((&plugin.origin, plugin.configured), (&Origin::File(file.clone()), true));
    assert_eq!(plugin.rights.work, crate::plugin::WorkAccess::Write);

    fs::write(&file, component("2")).unwrap();
    let mut next = place.registry(&source);
    next.scan().unwrap();
    assert!(refusal(&next, "shell").contains("--confirm"));
    // The configured file itself is only registered, not copied.
    assert_eq!(next.add(&file, Some("shell"), true).unwrap().1, Addition::Replaced);
    assert!(!place.path("store/plugins/shell").exists());
    next.scan().unwrap();
    assert!(next.get("shell").is_some());
    let other = place.file("other", "3");
    let error = next.add(&other, Some("shell"), true).unwrap_err();
    assert!(matches!(&error, Error::Conflict(text) if text.contains("the configuration says")), "{error}");

    // A pin is a confirmation, and a refusal of all else.
    fs::write(&file, component("3")).unwrap();
    let pinned = format!("{source}sha256 = \"{}\"\n", hex(&sha256(&component("3"))));
    let mut next = place.registry(&pinned);
    next.scan().unwrap();
    assert!(next.get("shell").is_some());
    fs::write(&file, component("4")).unwrap();
    next.scan().unwrap();
    assert!(refusal(&next, "shell").contains("the configuration wants"));
    assert!(matches!(next.add(&file, Some("shell"), true), Err(Error::Conflict(_))));
    // The registry goes on with the next grants.
    fs::write(&file, component("3")).unwrap();
    next.set_grants(Grants::default());
    next.scan().unwrap();
    assert!(!next.found().contains_key("shell"));
}

#[test]
fn a_plugin_that_goes_on_loses_what_is_no_longer_granted() {
    let place = Place::new();
    place.dropped("shell", "1");
    let mut registry = place.registry("[plugin.shell]\nwork = \"write\"\n");
    registry.scan().unwrap();
    place.dropped("shell", "2");
    registry.set_grants(parse_config(b"[plugin.shell]\nwork = \"read\"\n").unwrap());
    registry.scan().unwrap();
    let plugin = registry.get("shell").unwrap();
    assert_eq!(plugin.rights.work, crate::plugin::WorkAccess::Read);
    assert_eq!(&*registry.component(plugin).unwrap(), component("1"));
}

#[test]
fn what_is_part_of_the_program_is_idle_and_not_replaced_in_secret() {
    let place = Place::new();
    let mut registry = place.registry("[plugin.nowhere]\n");
    registry.scan().unwrap();
    let builtin = registry.get("builtin").unwrap().clone();
    assert_eq!((&builtin.origin, builtin.configured), (&Origin::BuiltIn, false));
    assert_eq!(&*registry.component(&builtin).unwrap(), component("built in"));
    assert!(refusal(&registry, "nowhere").contains("neither"));
    assert!(matches!(registry.remove("builtin"), Err(Error::Conflict(_))));
    place.dropped("builtin", "foreign");
    let mut next = place.registry("");
    next.scan().unwrap();
    assert!(refusal(&next, "builtin").contains("registered is"));
    let file = place.file("builtin", "foreign");
    assert!(matches!(next.add(&file, None, false), Err(Error::Conflict(_))));
    assert_eq!(next.add(&file, None, true).unwrap().1, Addition::Replaced);
    next.scan().unwrap();
    assert_eq!(next.get("builtin").unwrap().origin, Origin::Directory);
    assert!(next.remove("builtin").unwrap());
    next.scan().unwrap();
    assert_eq!(next.get("builtin").unwrap().origin, Origin::BuiltIn);
}

#[test]
fn nothing_is_read_through_links_and_nothing_unfit_is_used() {
    let place = Place::new();
    let outside = place.file("outside", "1");
    let linked = place.dropped("linked", "1");
    fs::remove_file(linked.join(COMPONENT)).unwrap();
    symlink(&outside, linked.join(COMPONENT)).unwrap();
    let open = place.dropped("open", "1");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let empty = place.dropped("empty", "1");
    fs::remove_file(empty.join(COMPONENT)).unwrap();
    let broken = place.dropped("broken", "1");
    fs::write(broken.join(COMPONENT), "text").unwrap();
    let wrong = place.dropped("wrong", "1");
    fs::write(wrong.join(MANIFEST), "name = \"Wrong\"\nkind = 1\n").unwrap();
    let other = place.dropped("other", "1");
    fs::write(other.join(MANIFEST), manifest("other").replace("executor", "sink")).unwrap();
    symlink(place.path("store/plugins/open"), place.path("store/plugins/way")).unwrap();
    place.dropped("Upper", "1");
    let mut registry = place.registry("");
    registry.scan().unwrap();
    for (name, says) in [
        ("linked", "is a link"),
        ("open", "by others"),
        ("empty", "there is no plugin.wasm"),
        ("broken", "no WebAssembly component"),
        ("wrong", "manifest kind: is a number"),
        ("other", "windlass:plugin/sink@0.1: it exports"),
    ] {
        let refusal = refusal(&registry, name);
        assert!(refusal.contains(says), "{name}: {refusal}");
    }
    assert!(!registry.found().contains_key("way") && !registry.found().contains_key("Upper"));
    assert!(matches!(
        registry.add(&place.path("store/plugins/broken/plugin.wasm"), None, true),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(registry.add(&outside, Some("../x"), true), Err(Error::Invalid(_))));
    assert!(matches!(registry.add(&outside, Some("wasm"), true), Err(Error::Invalid(_))));
}

#[test]
fn looking_changes_nothing_and_files_are_the_owners() {
    let place = Place::new();
    place.dropped("shell", "1");
    let mut registry = place.registry("");
    registry.look().unwrap();
    assert!(registry.get("shell").is_some() && !place.path("store/plugins/registered.toml").exists());
    registry.add(&place.file("two", "2"), None, false).unwrap();
    let mode = |name: &str| fs::metadata(place.path("store/plugins").join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("registered.toml"), mode("two"), mode("two/plugin.wasm")), (0o600, 0o700, 0o600));
}

#[test]
fn a_manifest_may_be_inside() {
    let place = Place::new();
    let text = manifest("inside").replace('"', "\\\"").replace('\n', "\\n");
    let text = format!(
        "(component (instance $own) (export \"windlass:plugin/executor@0.1.0\" (instance $own)) (@custom \"windlass:manifest\" \"{text}\"))"
    );
    let path = place.path("one.wasm");
    fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    assert_eq!(Candidate::read(&path, 1 << 20).unwrap().manifest.name, "inside");
    fs::write(place.path("plugin.toml"), manifest("beside")).unwrap();
    assert_eq!(Candidate::read(&path, 1 << 20).unwrap().manifest.name, "beside");
    fs::write(place.path("one.toml"), manifest("nearest")).unwrap();
    assert_eq!(Candidate::read(&path, 1 << 20).unwrap().manifest.name, "nearest");
    assert!(Candidate::read(&path, 10).unwrap_err().to_string().contains("more than 10 bytes"));
}
