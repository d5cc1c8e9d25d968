//! Which drivers the jars offer. `java.util.ServiceLoader` cannot be asked from here: it wants to know which module calls it,
//! and none does.

use jni::JNIEnv;
use jni::objects::{JObject, JValue};

use super::fault::{Fault, object_of, text_of};

/// Where a jar names its drivers.
const SERVICES: &str = "META-INF/services/java.sql.Driver";
/// Drivers that are told, and lines that are read.
const MOST_DRIVERS: usize = 1_000;
const MOST_LINES: usize = 10_000;

/// The classes of the drivers.
pub(super) fn offered(env: &mut JNIEnv<'_>, loader: &JObject<'_>) -> Result<Vec<String>, Fault> {
    let name = env.new_string(SERVICES)?;
    let signature = "(Ljava/lang/String;)Ljava/util/Enumeration;";
    let files = env.call_method(loader, "findResources", signature, &[JValue::Object(&name)])?.l()?;
    let (mut drivers, mut lines) = (Vec::new(), 0);
    while env.call_method(&files, "hasMoreElements", "()Z", &[])?.z()? {
        let file = object_of(env, &files, "nextElement", "()Ljava/lang/Object;")?;
        let stream = object_of(env, &file, "openStream", "()Ljava/io/InputStream;")?;
        let encoding = env.new_string("UTF-8")?;
        let signature = "(Ljava/io/InputStream;Ljava/lang/String;)V";
        let scanner =
            env.new_object("java/util/Scanner", signature, &[JValue::Object(&stream), JValue::Object(&encoding)])?;
        while lines < MOST_LINES && env.call_method(&scanner, "hasNextLine", "()Z", &[])?.z()? {
            lines += 1;
            let line = text_of(env, &scanner, "nextLine")?.unwrap_or_default();
            let class = line.split('#').next().unwrap_or_default().trim().to_owned();
            if !class.is_empty() && drivers.len() < MOST_DRIVERS {
                drivers.push(class);
            }
        }
        env.call_method(&scanner, "close", "()V", &[])?;
    }
    Ok(drivers)
}
