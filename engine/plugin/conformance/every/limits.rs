//! A plugin that is not given what it needs.

use std::sync::Arc;

use super::super::found::{Ended, Found, failed, skipped, told};
use super::super::scene::Scene;
use crate::error::Problem;
use crate::plugin::contract::{Answer, ErrorKind, Plugin};

const LITTLE_MEMORY: u64 = 64 << 10;

/// A plugin with other rights, where there is one.
type Changed<P> = Option<Result<Arc<P>, Vec<Problem>>>;

pub(crate) fn changed<P: ?Sized>(plugin: Changed<P>) -> Result<Arc<P>, Ended> {
    match plugin {
        None => skipped("the rights of this kind of plugin stay as they are"),
        Some(Ok(plugin)) => Ok(plugin),
        Some(Err(problems)) => failed(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}

/// Whether a call told, in the words of the contract, that the platform is out of reach.
pub(crate) fn refused<T>(call: &str, answer: Answer<T>) -> Result<(), Ended> {
    match answer {
        Ok(_) => failed(format!("{call}: it goes well without any endpoint")),
        Err(error) if is_out_of_reach(error.kind) => Ok(()),
        Err(error) => failed(format!("{call}: the error should be denied or unavailable, it is {}", told(&error))),
    }
}

pub(crate) fn is_out_of_reach(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Denied | ErrorKind::Unavailable | ErrorKind::Unauthenticated)
}

pub(crate) async fn memory<S: Scene>(stage: &S) -> Found {
    let plugin = changed(stage.subject().limited(|limits| limits.memory_bytes = LITTLE_MEMORY))?;
    let note = match plugin.describe().await {
        Ok(_) => format!("it needs no more than {LITTLE_MEMORY} bytes"),
        Err(error) if error.kind == ErrorKind::Exhausted => String::new(),
        Err(error) => return failed(format!("describe: the error should be exhausted, it is {}", told(&error))),
    };
    stage.subject().descriptor().await.map_err(|ended| ended.at("the next call, with its memory"))?;
    Ok(note)
}
