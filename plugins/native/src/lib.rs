//! The executor `mock` as a native plugin: whatever implements `Executor` can be a component, a shared library, or both.
//!
//! `command.c` beside this is an example without the SDK, `windlass_plugin.h` the interface.

windlass_plugin::native_executor!(windlass_plugin_mock::Mock);
