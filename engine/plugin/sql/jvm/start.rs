//! Starts the JVM, and makes the class loader that finds the drivers and nothing else.

use std::path::PathBuf;

use jni::objects::{JObject, JValue};
use jni::{InitArgsBuilder, JNIEnv, JNIVersion, JavaVM};

use super::fault::{Fault, object_of};
use crate::plugin::contract::{Answer, ErrorKind, PluginError, Retry};
use crate::plugin::sql::order::Jvm;

/// What every JVM is told. Times are without a zone of this machine, so none is shifted; nothing is written to disk; signals are
/// left to the program.
const OPTIONS: [&str; 8] = [
    "-Xrs",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:ErrorFile=/dev/null",
    "-XX:TieredStopAtLevel=1",
    "-Duser.timezone=UTC",
    "-Dfile.encoding=UTF-8",
    "-Djava.awt.headless=true",
];

pub(super) fn start(jvm: &Jvm) -> Answer<JavaVM> {
    let unusable = |error: &dyn std::fmt::Display| {
        let message = format!("the Java in {} does not start: {error}", jvm.library.display());
        PluginError::new(ErrorKind::Unsupported, Retry::Never, message)
    };
    let args = InitArgsBuilder::new().version(JNIVersion::V8).ignore_unrecognized(true);
    let args = OPTIONS.iter().fold(args, |args, option| args.option(*option));
    let args = args.option(format!("-Djava.library.path={}", jvm.folder.display()));
    let args = args.option(format!("-Xmx{}", jvm.heap_bytes)).build().map_err(|error| unusable(&error))?;
    JavaVM::with_libjvm(args, || Ok(&jvm.library)).map_err(|error| unusable(&error))
}

/// A class loader over these jars, and what Java itself has.
pub(super) fn loader<'e>(env: &mut JNIEnv<'e>, jars: &[PathBuf]) -> Result<JObject<'e>, Fault> {
    let count = i32::try_from(jars.len()).unwrap_or(i32::MAX);
    let urls = env.new_object_array(count, "java/net/URL", JObject::null())?;
    for (at, jar) in (0..count).zip(jars) {
        let path = env.new_string(jar.to_string_lossy())?;
        let file = env.new_object("java/io/File", "(Ljava/lang/String;)V", &[JValue::Object(&path)])?;
        let uri = object_of(env, &file, "toURI", "()Ljava/net/URI;")?;
        let url = object_of(env, &uri, "toURL", "()Ljava/net/URL;")?;
        env.set_object_array_element(&urls, at, &url)?;
    }
    let class_loader = "()Ljava/lang/ClassLoader;";
    let system = env.call_static_method("java/lang/ClassLoader", "getSystemClassLoader", class_loader, &[])?.l()?;
    // Not the system's own: its class path would be the working directory.
    let parent = object_of(env, &system, "getParent", class_loader)?;
    let loader = env.new_object(
        "java/net/URLClassLoader",
        "([Ljava/net/URL;Ljava/lang/ClassLoader;)V",
        &[JValue::Object(&urls), JValue::Object(&parent)],
    )?;
    let thread = env.call_static_method("java/lang/Thread", "currentThread", "()Ljava/lang/Thread;", &[])?.l()?;
    let signature = "(Ljava/lang/ClassLoader;)V";
    env.call_method(&thread, "setContextClassLoader", signature, &[JValue::Object(&loader)])?;
    Ok(loader)
}
