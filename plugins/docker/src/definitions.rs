//! What can be run: the images that the Docker Engine has, and those of the registry that the operator names.

use std::collections::BTreeSet;

use bollard_stubs::models::ImageSummary;
use serde::Deserialize;
use serde_json::json;
use windlass_plugin::http::Response;
use windlass_plugin::prelude::*;
use windlass_plugin::{Definition, Page};

use crate::daemon::docker;
use crate::reference::Reference;
use crate::settings::Settings;

/// Images of one page.
const PAGE: usize = 500;
/// Repositories of one page; each is asked about.
const REPOSITORIES: usize = 20;
/// Pages of tags of one repository.
const MOST_TAG_PAGES: usize = 20;
/// Where a page goes on.
const IMAGES: &str = "images:";
const REGISTRY: &str = "registry:";

pub(crate) fn definitions(cursor: Option<&str>) -> Result<Page<Definition>> {
    let settings = Settings::read()?;
    match cursor {
        None => images("", &settings),
        Some(cursor) => match (cursor.strip_prefix(IMAGES), cursor.strip_prefix(REGISTRY), &settings.registry) {
            (Some(after), _, _) => images(after, &settings),
            (_, Some(after), Some(registry)) => repositories(after, registry),
            _ => Err(Error::internal(format!("'{cursor}' is not a cursor of this plugin"))),
        },
    }
}

fn definition(image: &str) -> Option<Definition> {
    let reference = Reference::parse(image).ok()?;
    Some(Definition {
        name: reference.repository.to_owned(),
        version: Some(reference.tag.to_owned()),
        summary: None,
        options: json!({ "image": image }),
    })
}

/// The images that the Docker Engine has.
fn images(after: &str, settings: &Settings) -> Result<Page<Definition>> {
    let images: Vec<ImageSummary> = docker().get("/images/json").send()?.ok()?.json()?;
    // One without a name is called `<none>:<none>`.
    let tags: BTreeSet<String> = images.into_iter().flat_map(|image| image.repo_tags).collect();
    let mut rest = tags.into_iter().filter(|tag| tag.as_str() > after);
    let page: Vec<String> = rest.by_ref().take(PAGE).collect();
    let next = match (rest.next(), page.last(), &settings.registry) {
        (Some(_), Some(last), _) => Some(format!("{IMAGES}{last}")),
        (_, _, Some(_)) => Some(REGISTRY.to_owned()),
        _ => None,
    };
    Ok(Page { entries: page.iter().filter_map(|image| definition(image)).collect(), next })
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

/// The images of some of the repositories of the registry.
fn repositories(after: &str, registry: &str) -> Result<Page<Definition>> {
    let request = http::endpoint("registry").get("/v2/_catalog").query("n", REPOSITORIES);
    let request = if after.is_empty() { request } else { request.query("last", after) };
    let answer = accepted(request.send()?)?;
    let next = next(&answer).map(|last| format!("{REGISTRY}{last}"));
    let catalog: Catalog = answer.json()?;
    let mut entries = Vec::new();
    for repository in catalog.repositories.unwrap_or_default() {
        let full = format!("{registry}/{repository}");
        // It stands in a path.
        if Reference::parse(&full).is_ok_and(|reference| reference.repository == full) {
            let tags = tags(&repository)?;
            entries.extend(tags.iter().filter_map(|tag| definition(&format!("{full}:{tag}"))));
        }
    }
    Ok(Page { entries, next })
}

fn tags(repository: &str) -> Result<Vec<String>> {
    let (mut all, mut last) = (Vec::new(), None::<String>);
    for _ in 0..MOST_TAG_PAGES {
        let request = http::endpoint("registry").get(format!("/v2/{repository}/tags/list")).query("n", PAGE);
        let answer = last.iter().fold(request, |request, last| request.query("last", last)).send()?;
        // It was deleted meanwhile.
        if answer.status == 404 {
            break;
        }
        let answer = accepted(answer)?;
        let next = next(&answer);
        let tags: Tags = answer.json()?;
        all.extend(tags.tags.unwrap_or_default());
        if next.is_none() || next == last {
            break;
        }
        last = next;
    }
    Ok(all)
}

/// The answer if it says yes.
fn accepted(answer: Response) -> Result<Response> {
    let wants_token = answer.header("www-authenticate").is_some_and(|it| it.to_ascii_lowercase().starts_with("bearer"));
    if answer.status == 401 && wants_token {
        let message = "the registry wants a token of its token server: give the endpoint `registry` auth of the kind \
                       'registry', with the address of that server under `realms`";
        return Err(Error::new(ErrorKind::Unauthenticated, message).code("401"));
    }
    answer.ok()
}

/// After what the next page goes on: `</v2/_catalog?last=a&n=1>; rel="next"`.
fn next(answer: &Response) -> Option<String> {
    let link = answer.header("link").filter(|link| link.contains("rel=\"next\""))?;
    let (_, query) = link.split_once('<')?.1.split_once('>')?.0.split_once('?')?;
    let last = query.split('&').find_map(|pair| pair.strip_prefix("last="))?;
    Some(unescape(last)).filter(|last| !last.is_empty())
}

fn unescape(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find('%') {
        let (before, triple) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        let byte = triple.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = triple.get(if byte.is_some() { 3 } else { 1 }..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}
