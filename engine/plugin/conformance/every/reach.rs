//! What the plugin stands for: it can be reached.

use super::super::found::{Found, good};
use super::super::scene::Scene;
use crate::plugin::contract::Plugin;

pub(crate) async fn reachable<S: Scene>(stage: &S) -> Found {
    good("check", stage.subject().first().check().await)?;
    Ok(String::new())
}
