//! What can be run: images of a real engine and of a real registry.

use windlass_backends::{BUSYBOX, Docker, Registry, Visitors};

use super::{Stage, grants};

/// The images of all pages.
async fn images(stage: &Stage) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = stage.engine.definitions("docker", cursor).await.unwrap();
        for definition in page.definitions {
            let options: serde_json::Value = serde_json::from_str(&definition.options).unwrap();
            all.push(options["image"].as_str().unwrap().to_owned());
        }
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_the_engine_and_of_the_registry_are_listed() {
    let (Some(docker), Some(registry)) = (Docker::shared(), Registry::start(Visitors::Known)) else { return };
    let names: Vec<String> = (0..25).map(|it| format!("team/image-{it:02}:{it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    registry.fill(docker, &names);
    let (user, password) = registry.credentials().unwrap();
    let with = |password: &str| {
        let address = registry.address();
        grants(docker, &format!("settings = {{ registry = \"{address}\" }}"))
            + &format!(
                "[plugin.docker.endpoint.registry]\naddress = \"http://{address}\"\n\
                 auth = {{ kind = \"basic\", user = \"{user}\", password = {{ value = \"{password}\" }} }}\n"
            )
    };
    let stage = Stage::granted(with(password)).await;
    let found = images(&stage).await;
    assert!(found.contains(&BUSYBOX.to_owned()), "{found:?}");
    for name in names {
        assert!(found.contains(&registry.image(name)), "{name} in {found:?}");
    }
    let stranger = Stage::granted(with("wrong")).await;
    let first = stranger.engine.definitions("docker", None).await.unwrap();
    let error = stranger.engine.definitions("docker", first.next).await.unwrap_err();
    assert!(!error.to_string().contains("wrong"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_a_registry_that_wants_tokens_are_listed() {
    let (Some(docker), Some(registry)) = (Docker::shared(), Registry::start(Visitors::WithToken)) else { return };
    let names: Vec<String> = (0..25).map(|it| format!("team/image-{it:02}:{it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    registry.fill(docker, &names);
    let (address, tokens) = (registry.address(), registry.tokens().unwrap());
    let with = |auth: &str| {
        grants(docker, &format!("settings = {{ registry = \"{address}\" }}"))
            + &format!("[plugin.docker.endpoint.registry]\naddress = \"http://{address}\"\nauth = {auth}\n")
    };
    let (user, password) = registry.credentials().unwrap();
    let realms = format!("realms = [\"{}\"]", tokens.realm());
    let login = |password: &str| {
        format!("{{ kind = \"registry\", user = \"{user}\", password = {{ value = \"{password}\" }}, {realms} }}")
    };
    let before = tokens.asked().len();
    let stage = Stage::granted(with(&login(password))).await;
    let found = images(&stage).await;
    for name in names {
        assert!(found.contains(&registry.image(name)), "{name} in {found:?}");
    }
    // One token for the catalog, whose pages are two, and one for each repository.
    let asked = tokens.asked().split_off(before);
    assert!(asked.iter().all(|asked| asked.is_given), "{asked:?}");
    assert_eq!((asked[0].scope.as_str(), asked.len()), ("registry:catalog:*", 26), "{asked:?}");
    assert_eq!(asked[1].scope, "repository:team/image-00:pull");

    let other = format!("{{ kind = \"registry\", user = \"{user}\", password = {{ value = \"{password}\" }} }}");
    let cases = [
        (login("wrong"), "the token server: it refuses the user or the password (401)".to_owned()),
        (format!("{{ kind = \"registry\", {realms} }}"), "it gives nothing to somebody without a name".to_owned()),
        (other, format!("which is not in auth.realms of the endpoint: http://{address}")),
        ("{ kind = \"none\" }".to_owned(), "auth of the kind 'registry'".to_owned()),
    ];
    for (auth, says) in cases {
        let stranger = Stage::granted(with(&auth)).await;
        let first = stranger.engine.definitions("docker", None).await.unwrap();
        let error = stranger.engine.definitions("docker", first.next).await.unwrap_err().to_string();
        assert!(error.contains(&says) && !error.contains("wrong") && !error.contains(password), "{says}: {error}");
    }
}
