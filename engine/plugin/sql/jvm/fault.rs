//! What goes wrong in a JVM, as errors of the contract.

use std::io;

use jni::JNIEnv;
use jni::errors::Error;
use jni::objects::{JObject, JString, JThrowable, JValue};

use crate::plugin::contract::{ErrorKind, PluginError, Retry};
use crate::plugin::sql::state::kind_of;

/// Causes of an exception that are told, and classes above its own.
const MOST_CAUSES: usize = 4;
const MOST_CLASSES: usize = 16;
const OUT_OF_MEMORY: &str = "java.lang.OutOfMemoryError";

/// Why a task ends early.
pub(super) enum Fault {
    /// An exception that is pending, or a call that the JVM does not know.
    Jni(Error),
    Told(PluginError),
    /// The engine is gone.
    Pipe(io::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Jni(error)
    }
}

impl From<PluginError> for Fault {
    fn from(error: PluginError) -> Fault {
        Fault::Told(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Pipe(error)
    }
}

/// A JVM that does not do what every JVM does.
pub(super) fn broken(error: &dyn std::fmt::Display) -> PluginError {
    PluginError::new(ErrorKind::Internal, Retry::Backoff, format!("the JVM is out of order: {error}"))
}

/// Goes on where a call is allowed to fail: `None` then, and no exception is pending.
pub(super) fn quiet<T>(env: &mut JNIEnv<'_>, called: Result<T, Error>) -> Result<Option<T>, Error> {
    match called {
        Ok(value) => Ok(Some(value)),
        // Older drivers have not every method.
        Err(Error::JavaException | Error::MethodNotFound { .. }) => env.exception_clear().map(|()| None),
        Err(error) => Err(error),
    }
}

/// What an error is told as. No exception is pending afterwards.
pub(super) fn told(env: &mut JNIEnv<'_>, error: &Error) -> PluginError {
    let exception = match error {
        Error::JavaException => env.exception_occurred(),
        error => return broken(error),
    };
    let told = exception.and_then(|exception| {
        env.exception_clear()?;
        told_of(env, exception)
    });
    told.unwrap_or_else(|error| {
        let _ = env.exception_clear();
        broken(&error)
    })
}

fn told_of(env: &mut JNIEnv<'_>, exception: JThrowable<'_>) -> Result<PluginError, Error> {
    let classes = classes(env, &exception)?;
    let class = classes.first().cloned().unwrap_or_default();
    let own = message(env, &exception)?;
    let is_of = |name: &str| classes.iter().any(|class| class == name);
    let causes = causes(env, &exception)?;
    if is_of(OUT_OF_MEMORY) || causes.iter().any(|cause| cause.starts_with(OUT_OF_MEMORY)) {
        let message =
            format!("the driver has used up the heap of its JVM: {own}; `heap` of the grant says how much it has");
        return Ok(PluginError::new(ErrorKind::Exhausted, Retry::Never, message));
    }
    let is_sql = is_of("java.sql.SQLException");
    let mut text = if is_sql && !own.is_empty() { own.clone() } else { format!("{class}: {own}") };
    for cause in causes {
        // Drivers wrap one exception in another and say the same.
        let said = cause.split_once(": ").map_or(cause.as_str(), |(_, said)| said);
        if !text.contains(said) {
            text = format!("{text}; {cause}");
        }
    }
    if !is_sql {
        let is_missing = is_of("java.lang.LinkageError") || is_of("java.lang.ReflectiveOperationException");
        let (kind, retry) =
            if is_missing { (ErrorKind::Unsupported, Retry::Never) } else { (ErrorKind::Internal, Retry::Backoff) };
        return Ok(PluginError::new(kind, retry, text));
    }
    let state = text_of(env, &exception, "getSQLState")?.filter(|state| !state.is_empty());
    let number = env.call_method(&exception, "getErrorCode", "()I", &[])?.i()?;
    let (kind, retry) = kind_of(state.as_deref(), &classes, &own);
    let mut error = PluginError::new(kind, retry, text);
    error.code = state;
    if number != 0 {
        error.details.push(("vendor-code".to_owned(), number.to_string()));
    }
    Ok(error)
}

/// Its class and those above it.
fn classes(env: &mut JNIEnv<'_>, exception: &JThrowable<'_>) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let mut class = JObject::from(env.get_object_class(exception)?);
    while !class.is_null() && names.len() < MOST_CLASSES {
        names.extend(text_of(env, &class, "getName")?);
        class = env.call_method(&class, "getSuperclass", "()Ljava/lang/Class;", &[])?.l()?;
    }
    Ok(names)
}

/// What it was caused by: drivers tell there why a host is not reached.
fn causes(env: &mut JNIEnv<'_>, exception: &JThrowable<'_>) -> Result<Vec<String>, Error> {
    let mut causes = Vec::new();
    let mut cause = env.call_method(exception, "getCause", "()Ljava/lang/Throwable;", &[])?.l()?;
    while !cause.is_null() && causes.len() < MOST_CAUSES {
        causes.extend(text_of(env, &cause, "toString")?);
        cause = env.call_method(&cause, "getCause", "()Ljava/lang/Throwable;", &[])?.l()?;
    }
    Ok(causes)
}

fn message(env: &mut JNIEnv<'_>, exception: &JThrowable<'_>) -> Result<String, Error> {
    Ok(text_of(env, exception, "getMessage")?.unwrap_or_default().trim().to_owned())
}

/// The text that a method without arguments returns.
pub(super) fn text_of(env: &mut JNIEnv<'_>, object: &JObject<'_>, method: &str) -> Result<Option<String>, Error> {
    let text = env.call_method(object, method, "()Ljava/lang/String;", &[])?.l()?;
    text_in(env, text)
}

/// The text that an object is, of a method that returns nothing else.
pub(super) fn text_in(env: &mut JNIEnv<'_>, text: JObject<'_>) -> Result<Option<String>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    let text = JString::from(text);
    // SAFETY: every caller has it of a method whose signature says `String`.
    #[expect(unsafe_code, reason = "the checked way looks its class up again for each cell")]
    let text = unsafe { env.get_string_unchecked(&text) }?;
    Ok(Some(text.into()))
}

/// Calls a method without arguments that returns an object.
pub(super) fn object_of<'e>(
    env: &mut JNIEnv<'e>,
    object: &JObject<'_>,
    method: &str,
    signature: &str,
) -> Result<JObject<'e>, Error> {
    env.call_method(object, method, signature, &[])?.l()
}

/// Calls a method with one number.
pub(super) fn set(env: &mut JNIEnv<'_>, object: &JObject<'_>, method: &str, number: i32) -> Result<(), Error> {
    env.call_method(object, method, "(I)V", &[JValue::Int(number)])?.v()
}
