//! The cells of a row, each as its column is read.

use jni::JNIEnv;
use jni::objects::{GlobalRef, JByteArray, JMethodID, JObject, JValue};
use jni::signature::{Primitive, ReturnType};

use super::fault::{Fault, object_of, quiet, text_in, text_of};
use super::values::{Element, Seen, push_value};
use crate::plugin::sql::json::{push_bytes, push_json, push_number, push_text, whole_time};
use crate::plugin::sql::kind::Kind;

/// A result, with what is called for every cell looked up once.
pub(super) struct Cells<'r> {
    results: &'r JObject<'r>,
    next: JMethodID,
    text: JMethodID,
    date: GlobalRef,
    time: GlobalRef,
    time_with_zone: GlobalRef,
    timestamp: GlobalRef,
    timestamp_with_zone: GlobalRef,
}

impl<'r> Cells<'r> {
    pub(super) fn new(env: &mut JNIEnv<'_>, results: &'r JObject<'r>) -> Result<Cells<'r>, Fault> {
        let class = "java/sql/ResultSet";
        let mut kept = |name: &str| -> Result<GlobalRef, Fault> {
            let class = env.find_class(name)?;
            Ok(env.new_global_ref(class)?)
        };
        let (date, time) = (kept("java/time/LocalDate")?, kept("java/time/LocalTime")?);
        let (time_with_zone, timestamp) = (kept("java/time/OffsetTime")?, kept("java/time/LocalDateTime")?);
        let timestamp_with_zone = kept("java/time/OffsetDateTime")?;
        let next = env.get_method_id(class, "next", "()Z")?;
        let text = env.get_method_id(class, "getString", "(I)Ljava/lang/String;")?;
        Ok(Cells { results, next, text, date, time, time_with_zone, timestamp, timestamp_with_zone })
    }

    /// Goes to the next row, if there is one.
    pub(super) fn next(&self, env: &mut JNIEnv<'_>) -> Result<bool, Fault> {
        // SAFETY: it was looked up in the interface of the object, with this signature.
        #[expect(unsafe_code, reason = "the checked way looks the method up again for each row")]
        let more = unsafe {
            env.call_method_unchecked(self.results, self.next, ReturnType::Primitive(Primitive::Boolean), &[])
        };
        Ok(more?.z()?)
    }

    /// Puts a cell of the row behind what there is.
    pub(super) fn push(&self, env: &mut JNIEnv<'_>, column: i32, kind: Kind, out: &mut Vec<u8>) -> Result<(), Fault> {
        match kind {
            Kind::Text => self.push_as(env, column, out, push_text),
            Kind::Number => self.push_as(env, column, out, push_number),
            Kind::Json => self.push_as(env, column, out, push_json),
            Kind::Truth => self.push_truth(env, column, out),
            Kind::Bytes => self.push_bytes(env, column, out),
            Kind::Blob => self.push_blob(env, column, out),
            Kind::Date => self.push_time(env, column, &self.date, out),
            Kind::Time => self.push_time(env, column, &self.time, out),
            Kind::TimeWithZone => self.push_time(env, column, &self.time_with_zone, out),
            Kind::Timestamp => self.push_time(env, column, &self.timestamp, out),
            Kind::TimestampWithZone => self.push_time(env, column, &self.timestamp_with_zone, out),
            Kind::Array => self.push_array(env, column, out),
            Kind::Object => self.push_object(env, column, out),
        }
    }

    fn text(&self, env: &mut JNIEnv<'_>, column: i32) -> Result<Option<String>, Fault> {
        // SAFETY: it was looked up in the interface of the object, with this signature.
        #[expect(unsafe_code, reason = "the checked way looks the method up again for each cell")]
        let text = unsafe {
            let args = [JValue::Int(column).as_jni()];
            env.call_method_unchecked(self.results, self.text, ReturnType::Object, &args)
        };
        Ok(text_in(env, text?.l()?)?)
    }

    fn push_as(
        &self,
        env: &mut JNIEnv<'_>,
        column: i32,
        out: &mut Vec<u8>,
        push: impl FnOnce(&mut Vec<u8>, &str),
    ) -> Result<(), Fault> {
        match self.text(env, column)? {
            Some(text) => push(out, &text),
            None => out.extend_from_slice(b"null"),
        }
        Ok(())
    }

    fn push_truth(&self, env: &mut JNIEnv<'_>, column: i32, out: &mut Vec<u8>) -> Result<(), Fault> {
        let truth = env.call_method(self.results, "getBoolean", "(I)Z", &[JValue::Int(column)])?.z()?;
        let none = env.call_method(self.results, "wasNull", "()Z", &[])?.z()?;
        let word: &[u8] = match (none, truth) {
            (true, _) => b"null",
            (false, true) => b"true",
            (false, false) => b"false",
        };
        out.extend_from_slice(word);
        Ok(())
    }

    fn push_bytes(&self, env: &mut JNIEnv<'_>, column: i32, out: &mut Vec<u8>) -> Result<(), Fault> {
        let bytes = self.get(env, "getBytes", "(I)[B", column)?;
        push_array_of_bytes(env, bytes, out)
    }

    fn push_blob(&self, env: &mut JNIEnv<'_>, column: i32, out: &mut Vec<u8>) -> Result<(), Fault> {
        let blob = self.get(env, "getBlob", "(I)Ljava/sql/Blob;", column)?;
        if blob.is_null() {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        // One that is too long for a row runs into the limit of the heap at worst.
        let len = env.call_method(&blob, "length", "()J", &[])?.j()?;
        let args = [JValue::Long(1), JValue::Int(i32::try_from(len).unwrap_or(i32::MAX))];
        let bytes = env.call_method(&blob, "getBytes", "(JI)[B", &args)?.l()?;
        push_array_of_bytes(env, bytes, out)
    }

    /// As the class of Java that is for such times; as the database's own text where the driver has no such class, or the time
    /// is none of a calendar.
    fn push_time(&self, env: &mut JNIEnv<'_>, column: i32, class: &GlobalRef, out: &mut Vec<u8>) -> Result<(), Fault> {
        let signature = "(ILjava/lang/Class;)Ljava/lang/Object;";
        let args = [JValue::Int(column), JValue::Object(class.as_obj())];
        let called = env.call_method(self.results, "getObject", signature, &args);
        let time = match quiet(env, called)? {
            Some(time) => time.l()?,
            None => return self.push_as(env, column, out, push_text),
        };
        if time.is_null() {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match whole_time(&text_of(env, &time, "toString")?.unwrap_or_default()) {
            Some(time) => push_text(out, &time),
            None => self.push_as(env, column, out, push_text)?,
        }
        Ok(())
    }

    fn push_array(&self, env: &mut JNIEnv<'_>, column: i32, out: &mut Vec<u8>) -> Result<(), Fault> {
        let array = self.get(env, "getArray", "(I)Ljava/sql/Array;", column)?;
        if array.is_null() {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        let name = text_of(env, &array, "getBaseTypeName")?.unwrap_or_default();
        let values = object_of(env, &array, "getArray", "()Ljava/lang/Object;")?;
        match push_value(env, &values, Element::of(&name), 0, out)? {
            Seen::Pushed => Ok(()),
            Seen::Unknown => self.push_as(env, column, out, push_text),
        }
    }

    fn push_object(&self, env: &mut JNIEnv<'_>, column: i32, out: &mut Vec<u8>) -> Result<(), Fault> {
        let signature = "(I)Ljava/lang/Object;";
        let object = self.get(env, "getObject", signature, column)?;
        match push_value(env, &object, Element::Plain, 0, out)? {
            Seen::Pushed => Ok(()),
            Seen::Unknown => self.push_as(env, column, out, push_text),
        }
    }

    fn get<'e>(&self, env: &mut JNIEnv<'e>, method: &str, signature: &str, column: i32) -> Result<JObject<'e>, Fault> {
        Ok(env.call_method(self.results, method, signature, &[JValue::Int(column)])?.l()?)
    }
}

/// An array of bytes, or none.
pub(super) fn push_array_of_bytes(env: &mut JNIEnv<'_>, bytes: JObject<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    if bytes.is_null() {
        out.extend_from_slice(b"null");
    } else {
        push_bytes(out, &env.convert_byte_array(JByteArray::from(bytes))?);
    }
    Ok(())
}
