//! What is listed: definitions and what bears the mark of this engine; and whether the Docker Engine is good enough.

use super::*;

#[test]
fn the_engine_has_to_speak_an_api_that_is_new_enough() {
    for (api, os, is_good) in [
        ("1.41", "linux", true),
        ("1.52", "linux", true),
        ("2.0", "linux", true),
        ("1.40", "linux", false),
        ("1.9", "linux", false),
        ("", "linux", false),
        ("1.43", "windows", false),
    ] {
        testing::endpoint("docker")
            .on("GET", "/version", move |_| Reply::json(200, &json!({ "ApiVersion": api, "Os": os })));
        assert_eq!(Docker::check().is_ok(), is_good, "{api} {os}");
    }
}

#[test]
fn what_is_ours_is_listed_once_and_in_pages() {
    let of = |number: u32, engine: &str| {
        let attempt = testing::attempt(number);
        json!({ "windlass.engine": engine, "windlass.job": attempt.job, "windlass.attempt": number.to_string() })
    };
    let mine = "engine-under-test";
    let mut containers: Vec<Value> =
        (1..=700).map(|number| json!({ "Names": ["/x"], "State": "exited", "Labels": of(number, mine) })).collect();
    containers.push(json!({ "Names": ["/y"], "State": "exited", "Labels": of(701, "other") }));
    lists(containers);
    let volumes = json!({ "Volumes": [
        { "Name": "1.work", "Labels": of(1, mine) }, { "Name": "left", "Labels": of(900, mine) }, { "Name": "z", "Labels": null },
    ] });
    testing::endpoint("docker").on("GET", "/volumes", move |_| Reply::json(200, &volumes));
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = Docker::owned(cursor.as_deref()).unwrap();
        all.extend(page.entries.into_iter().map(|run| run.attempt.number));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    all.sort_unstable();
    assert_eq!(all, (1..=700).chain([900]).collect::<Vec<u32>>());
}

fn named(page: &windlass_plugin::Page<windlass_plugin::Definition>) -> Vec<String> {
    page.entries.iter().map(|it| it.options["image"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn images_of_the_engine_and_then_of_the_registry_are_definitions() {
    let image = |tags: Value| {
        json!({ "Id": "sha256:1", "ParentId": "", "RepoTags": tags, "RepoDigests": null, "Created": 1, "Size": 1,
            "SharedSize": -1, "Labels": null, "Containers": -1 })
    };
    let images = [image(json!(["b:2", "a:1"])), image(Value::Null), image(json!(["<none>:<none>"]))];
    testing::endpoint("docker").on("GET", "/images/json", move |_| Reply::json(200, &images));
    let page = Docker::definitions(None).unwrap();
    assert_eq!((named(&page), &page.next), (vec!["a:1".to_owned(), "b:2".to_owned()], &None));

    testing::settings(json!({ "registry": "r.example.com" }));
    testing::endpoint("registry")
        .on("GET", "/v2/_catalog", |asked| match asked.query("last") {
            None => Reply::json(200, &json!({ "repositories": ["team/x", "gone"] }))
                .header("link", "</v2/_catalog?last=team%2Fx&n=20>; rel=\"next\""),
            last => {
                assert_eq!(last, Some("team/x"));
                Reply::json(200, &json!({ "repositories": ["y"] }))
            }
        })
        .on("GET", "/v2/team/x/tags/list", |asked| match asked.query("last") {
            None => Reply::json(200, &json!({ "tags": ["1"] }))
                .header("link", "</v2/team/x/tags/list?n=1&last=1>; rel=\"next\""),
            _ => Reply::json(200, &json!({ "tags": ["2"] })),
        })
        .on("GET", "/v2/gone/tags/list", |_| Reply::status(404))
        .on("GET", "/v2/y/tags/list", |_| Reply::json(200, &json!({ "tags": null })));
    let first = Docker::definitions(None).unwrap();
    let second = Docker::definitions(first.next.as_deref()).unwrap();
    assert_eq!(named(&second), ["r.example.com/team/x:1", "r.example.com/team/x:2"]);
    let third = Docker::definitions(second.next.as_deref()).unwrap();
    assert_eq!((named(&third).len(), third.next), (0, None));
}

#[test]
fn a_registry_that_wants_a_token_is_told_from_one_that_wants_a_password() {
    testing::settings(json!({ "registry": "r.example.com" }));
    for (scheme, says) in [("Bearer realm=\"https://t/\"", "token server"), ("Basic realm=\"x\"", "who")] {
        testing::endpoint("registry").on("GET", "/v2/_catalog", move |_| {
            Reply::json(401, &json!({ "errors": [] })).header("www-authenticate", scheme)
        });
        let error = Docker::definitions(Some("registry:")).unwrap_err();
        assert_eq!(error.kind, windlass_plugin::ErrorKind::Unauthenticated);
        assert_eq!(error.message.contains("token server"), says == "token server", "{error}");
    }
}
