//! The macros that make a component of a plugin, or a shared library.

/// Makes a component of an [`Executor`](crate::Executor). With `manifest = "../plugin.toml"`, a path from the file that
/// names it, the component carries its manifest with it.
#[macro_export]
macro_rules! executor {
    ($plugin:ty $(, manifest = $manifest:literal)? $(,)?) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            type Exported = $crate::exports::Executor<$plugin>;
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::executor::__export_executor!(Exported with_types_in $crate::bindings::executor);
            // Natively the names of the exports mean nothing, and linkers stumble over them.
            #[cfg(not(target_arch = "wasm32"))]
            let _ = ::std::marker::PhantomData::<$crate::exports::Executor<$plugin>>;
            $($crate::__manifest!($manifest);)?
        };
    };
}

/// Makes a shared library of an [`Executor`](crate::Executor): a crate of the type `cdylib`, built for the machine that the
/// engine runs on. It is loaded in a process of its own, and a panic is an error of the call.
///
/// Such a plugin has all that std has, and reaches its platform by itself: there is no [`http::endpoint`](crate::http). Of
/// [`work`](crate::work) it has the paths.
#[macro_export]
macro_rules! native_executor {
    ($plugin:ty $(,)?) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            #[allow(unsafe_code, reason = "the engine finds the plugin by this name")]
            #[unsafe(no_mangle)]
            extern "C" fn windlass_plugin_v1() -> *const ::std::ffi::c_void {
                $crate::native::table::<$plugin>()
            }
        };
    };
}

/// Makes a component of a [`Fetcher`](crate::Fetcher); see [`executor!`](crate::executor).
#[macro_export]
macro_rules! fetcher {
    ($plugin:ty $(, manifest = $manifest:literal)? $(,)?) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            type Exported = $crate::exports::Fetcher<$plugin>;
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::fetcher::__export_fetcher!(Exported with_types_in $crate::bindings::fetcher);
            // Natively the names of the exports mean nothing, and linkers stumble over them.
            #[cfg(not(target_arch = "wasm32"))]
            let _ = ::std::marker::PhantomData::<$crate::exports::Fetcher<$plugin>>;
            $($crate::__manifest!($manifest);)?
        };
    };
}

/// Makes a component of a [`Sink`](crate::Sink); see [`executor!`](crate::executor).
#[macro_export]
macro_rules! sink {
    ($plugin:ty $(, manifest = $manifest:literal)? $(,)?) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            type Exported = $crate::exports::Sink<$plugin>;
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::sink::__export_sink!(Exported with_types_in $crate::bindings::sink);
            // Natively the names of the exports mean nothing, and linkers stumble over them.
            #[cfg(not(target_arch = "wasm32"))]
            let _ = ::std::marker::PhantomData::<$crate::exports::Sink<$plugin>>;
            $($crate::__manifest!($manifest);)?
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __manifest {
    ($path:literal) => {
        #[cfg(target_arch = "wasm32")]
        #[used]
        #[unsafe(link_section = "windlass:manifest")]
        static MANIFEST: [u8; include_bytes!($path).len()] = *include_bytes!($path);
    };
}
