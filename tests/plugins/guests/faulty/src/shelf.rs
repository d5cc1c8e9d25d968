//! The platform: a shelf with one text for each name.

use windlass_plugin::prelude::*;

fn shelf() -> http::Endpoint {
    http::endpoint("shelf")
}

pub(crate) fn get(name: &str) -> Result<Option<String>> {
    shelf().get(format!("/{name}")).send()?.found()?.map(http::Response::text).transpose()
}

pub(crate) fn put(name: &str, text: &str) -> Result<()> {
    shelf().put(format!("/{name}")).body(text).send()?.ok()?;
    Ok(())
}

/// Whether there was one.
pub(crate) fn delete(name: &str) -> Result<bool> {
    Ok(shelf().delete(format!("/{name}")).send()?.found()?.is_some())
}

/// All names, in their order.
pub(crate) fn names() -> Result<Vec<String>> {
    let all = shelf().get("/").send()?.ok()?.text()?;
    Ok(all.lines().map(str::to_owned).collect())
}
