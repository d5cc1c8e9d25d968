//! A job that is a WebAssembly program: the words of its command line, or a map that says more.

use crate::job::Task;

use super::fields::{Field, Places};
use super::mistake::Mistakes;

#[cfg(not(feature = "wasm"))]
pub(super) fn read_wasm(field: &Field<'_>, _places: &mut Places, mistakes: &mut Mistakes) -> Option<Task> {
    field.fail(mistakes, "this windlass was built without WebAssembly", "command, shell or function");
    None
}

/// The path of the module is left as it is; it is relative to the directory of the file.
#[cfg(feature = "wasm")]
pub(super) fn read_wasm(field: &Field<'_>, places: &mut Places, mistakes: &mut Mistakes) -> Option<Task> {
    use super::fields::Fields;
    use super::node::Value;
    use super::task::words_of;
    use crate::plugin::wasm::WasmTask;

    let allowed = "a file and its arguments: a list of words, a text, or a map with module, args, memory and sha256";
    let words = |words: Vec<String>| {
        let mut words = words.into_iter();
        let module = words.next()?;
        Some(WasmTask { args: words.collect(), ..WasmTask::new(module) })
    };
    if !matches!(field.node.value, Value::Map(_)) {
        let task = words(words_of(field, mistakes)?);
        if task.is_none() {
            field.fail(mistakes, "is empty", allowed);
        }
        return task.map(Task::from);
    }
    let inner = Fields::of(field.node, &field.path, &["module", "args", "memory", "sha256"], mistakes)?;
    let Some(module) = inner.get_as("module", "module", places) else {
        field.fail(mistakes, "there is no module", "the path of a WebAssembly program");
        return None;
    };
    let mut task = WasmTask::new(module.text(mistakes, "the path of a WebAssembly program")?);
    if let Some(args) = inner.get_as("args", "args", places) {
        task.args = words_of(&args, mistakes)?;
    }
    if let Some(memory) = inner.get_as("memory", "memory_bytes", places) {
        task.memory_bytes = memory.size_bytes(mistakes);
    }
    if let Some(digest) = inner.get_as("sha256", "sha256", places) {
        task.sha256 = digest.text(mistakes, "64 hexadecimal digits").map(str::to_owned);
    }
    Some(task.into())
}
