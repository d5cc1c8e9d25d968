//! What names and paths in a pipeline may look like.

use crate::job::file_path::{file_path_allowed, is_file_path};
use crate::job::limits::PipelineLimits;

/// Whether it can name a node or a parameter: it is a name of a job too.
pub(super) fn is_name(text: &str, limits: &PipelineLimits) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    starts_well && text.chars().all(ok) && text.len() <= limits.name_chars
}

pub(super) fn name_allowed(limits: &PipelineLimits) -> String {
    let most = limits.name_chars;
    format!("1 to {most} letters, digits, '_', '-', '.' and '@', the first a letter, a digit or '_'")
}

pub(super) fn is_source(text: &str, limits: &PipelineLimits) -> bool {
    is_file_path(text, limits.source_bytes)
}

pub(super) fn source_allowed(limits: &PipelineLimits) -> String {
    file_path_allowed(limits.source_bytes)
}

pub(super) fn is_processor(text: &str, limits: &PipelineLimits) -> bool {
    !text.is_empty() && text.trim() == text && text.len() <= limits.processor_bytes && !text.contains(char::is_control)
}

/// Whether it can name a library. It reaches a command, so it must not look like an option of one.
pub(super) fn is_library(text: &str, limits: &PipelineLimits) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']' | ',');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(ok) && text.len() <= limits.name_chars
}

/// Whether it can be a version, or bounds on versions.
pub(super) fn is_version(text: &str, limits: &PipelineLimits) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || "._-+!*<>=~^,".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(ok) && text.len() <= limits.name_chars
}
