//! Values that are told apart by what they are: elements of arrays, and cells of databases whose columns have no types.

use jni::JNIEnv;
use jni::objects::{JObject, JValue};

use super::cells::push_array_of_bytes;
use super::fault::{Fault, object_of, text_of};
use crate::plugin::sql::json::{push_json, push_number, push_text, whole_time};

/// Arrays within arrays.
const MOST_DEPTH: usize = 32;

/// What an array has in it, where that is not to be seen from its values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Plain,
    Json,
    /// Times, as those of a zone; the JVM has that of Greenwich.
    Zoned,
}

impl Element {
    /// By the database's word for it.
    pub(super) fn of(type_name: &str) -> Element {
        match type_name.to_ascii_lowercase().as_str() {
            "json" | "jsonb" => Element::Json,
            "timestamptz" => Element::Zoned,
            _ => Element::Plain,
        }
    }
}

/// Whether a value was known.
pub(super) enum Seen {
    Pushed,
    /// Its database has a better text for it than Java.
    Unknown,
}

/// Puts a value behind what there is, if it is one that is known.
pub(super) fn push_value(
    env: &mut JNIEnv<'_>,
    value: &JObject<'_>,
    element: Element,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<Seen, Fault> {
    if value.is_null() {
        out.extend_from_slice(b"null");
        return Ok(Seen::Pushed);
    }
    let class = env.get_object_class(value)?;
    let name = text_of(env, &class, "getName")?.unwrap_or_default();
    if name == "[B" {
        let bytes = env.new_local_ref(value)?;
        push_array_of_bytes(env, bytes, out)?;
    } else if name.starts_with('[') {
        push_elements(env, value, element, depth, out)?;
    } else if env.is_instance_of(value, "java/lang/Number")? {
        push_number(out, &text(env, value)?);
    } else if name == "java.lang.Boolean" {
        out.extend_from_slice(text(env, value)?.as_bytes());
    } else if element == Element::Json {
        push_json(out, &text(env, value)?);
    } else if env.is_instance_of(value, "java/sql/Timestamp")? {
        push_timestamp(env, value, element, out)?;
    } else if env.is_instance_of(value, "java/time/temporal/Temporal")? {
        let text = text(env, value)?;
        push_text(out, &whole_time(&text).unwrap_or(text));
    } else if env.is_instance_of(value, "java/sql/Array")? && depth < MOST_DEPTH {
        let base = text_of(env, value, "getBaseTypeName")?.unwrap_or_default();
        let values = object_of(env, value, "getArray", "()Ljava/lang/Object;")?;
        return push_value(env, &values, Element::of(&base), depth + 1, out);
    } else if name == "java.lang.String" || depth > 0 {
        push_text(out, &text(env, value)?);
    } else {
        return Ok(Seen::Unknown);
    }
    Ok(Seen::Pushed)
}

fn text(env: &mut JNIEnv<'_>, value: &JObject<'_>) -> Result<String, Fault> {
    Ok(text_of(env, value, "toString")?.unwrap_or_default())
}

fn push_timestamp(env: &mut JNIEnv<'_>, value: &JObject<'_>, element: Element, out: &mut Vec<u8>) -> Result<(), Fault> {
    let time = object_of(env, value, "toLocalDateTime", "()Ljava/time/LocalDateTime;")?;
    let text = text(env, &time)?;
    let zone = if element == Element::Zoned { "+00:00" } else { "" };
    push_text(out, &whole_time(&text).map_or(text, |time| time + zone));
    Ok(())
}

/// An array of any kind, of Java's own numbers too.
fn push_elements(
    env: &mut JNIEnv<'_>,
    values: &JObject<'_>,
    element: Element,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    const REFERENCES: i32 = 16;
    if depth >= MOST_DEPTH {
        push_text(out, &text(env, values)?);
        return Ok(());
    }
    let reflect = "java/lang/reflect/Array";
    let args = [JValue::Object(values)];
    let count = env.call_static_method(reflect, "getLength", "(Ljava/lang/Object;)I", &args)?.i()?;
    out.push(b'[');
    for at in 0..count {
        if at > 0 {
            out.push(b',');
        }
        env.with_local_frame(REFERENCES, |env| -> Result<(), Fault> {
            let args = [JValue::Object(values), JValue::Int(at)];
            let signature = "(Ljava/lang/Object;I)Ljava/lang/Object;";
            let value = env.call_static_method(reflect, "get", signature, &args)?.l()?;
            push_value(env, &value, element, depth + 1, out)?;
            Ok(())
        })?;
    }
    out.push(b']');
    Ok(())
}
