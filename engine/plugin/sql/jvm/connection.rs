//! A connection to a database: opened read-only, asked once, rolled back and closed.

use jni::JNIEnv;
use jni::objects::{JClass, JObject, JValue};

use super::Tell;
use super::fault::{Fault, quiet, set, told};
use super::result::send_rows;
use crate::plugin::contract::{ErrorKind, PluginError, Retry};
use crate::plugin::sql::order::{Question, Report};

/// `ResultSet.TYPE_FORWARD_ONLY`, `ResultSet.CONCUR_READ_ONLY`.
const FORWARD_ONLY: i32 = 1_003;
const READ_ONLY: i32 = 1_007;
/// Rows that a driver gets at once.
const FETCH_ROWS: i32 = 1_000;
/// The one driver that reads a whole result into memory unless it is told this number.
const ROW_BY_ROW_DRIVERS: &str = "com.mysql.";

/// Asks, and tells the columns and the rows.
pub(super) fn ask(
    env: &mut JNIEnv<'_>,
    loader: &JObject<'_>,
    question: &Question,
    tell: Tell<'_>,
) -> Result<(), Fault> {
    let connection = connect(env, loader, question)?;
    let asked = asked(env, &connection, question, tell).map_err(|fault| match fault {
        // Before anything else is called.
        Fault::Jni(error) => Fault::Told(told(env, &error)),
        fault => fault,
    });
    for method in ["rollback", "close"] {
        let called = env.call_method(&connection, method, "()V", &[]);
        quiet(env, called)?;
    }
    asked?;
    Ok(tell(Report::Ended)?)
}

fn asked(env: &mut JNIEnv<'_>, connection: &JObject<'_>, question: &Question, tell: Tell<'_>) -> Result<(), Fault> {
    if !env.call_method(connection, "isReadOnly", "()Z", &[])?.z()? {
        env.call_method(connection, "setReadOnly", "(Z)V", &[JValue::Bool(1)])?;
    }
    // What is not committed is undone, should a function in the query write; and results come piece by piece.
    env.call_method(connection, "setAutoCommit", "(Z)V", &[JValue::Bool(0)])?;
    let kind = [JValue::Int(FORWARD_ONLY), JValue::Int(READ_ONLY)];
    let statement = env.call_method(connection, "createStatement", "(II)Ljava/sql/Statement;", &kind)?.l()?;
    let fetch = if question.driver.starts_with(ROW_BY_ROW_DRIVERS) { i32::MIN } else { FETCH_ROWS };
    // Hints, which not every driver takes: the engine has its own clock.
    let hinted = set(env, &statement, "setFetchSize", fetch);
    quiet(env, hinted)?;
    let hinted = set(env, &statement, "setQueryTimeout", seconds(question.time_ms));
    quiet(env, hinted)?;
    let text = env.new_string(&question.statement)?;
    let signature = "(Ljava/lang/String;)Ljava/sql/ResultSet;";
    let results = env.call_method(&statement, "executeQuery", signature, &[JValue::Object(&text)])?.l()?;
    send_rows(env, &results, question, tell)
}

fn connect<'e>(env: &mut JNIEnv<'e>, loader: &JObject<'_>, question: &Question) -> Result<JObject<'e>, Fault> {
    let name = env.new_string(&question.driver)?;
    let signature = "(Ljava/lang/String;)Ljava/lang/Class;";
    let class = env.call_method(loader, "loadClass", signature, &[JValue::Object(&name)])?.l()?;
    let driver = env.new_object(JClass::from(class), "()V", &[])?;
    if !env.is_instance_of(&driver, "java/sql/Driver")? {
        let message = format!("the class {} is no JDBC driver", question.driver);
        return Err(PluginError::new(ErrorKind::Unsupported, Retry::Never, message).into());
    }
    let limited = JValue::Int(seconds(question.time_ms));
    env.call_static_method("java/sql/DriverManager", "setLoginTimeout", "(I)V", &[limited])?;
    let properties = properties(env, question)?;
    let url = env.new_string(&question.url)?;
    let signature = "(Ljava/lang/String;Ljava/util/Properties;)Ljava/sql/Connection;";
    let args = [JValue::Object(&url), JValue::Object(&properties)];
    let connection = env.call_method(&driver, "connect", signature, &args)?.l()?;
    if connection.is_null() {
        let message = format!("the driver {} does not know such URLs", question.driver);
        return Err(PluginError::new(ErrorKind::Invalid, Retry::Never, message).into());
    }
    Ok(connection)
}

fn properties<'e>(env: &mut JNIEnv<'e>, question: &Question) -> Result<JObject<'e>, Fault> {
    let properties = env.new_object("java/util/Properties", "()V", &[])?;
    // SQLite cannot be made read-only later.
    let read_only = question.url.starts_with("jdbc:sqlite:").then_some(("open_mode", "1"));
    let said = question.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in said.chain(read_only) {
        let (name, value) = (env.new_string(name)?, env.new_string(value)?);
        let signature = "(Ljava/lang/String;Ljava/lang/String;)Ljava/lang/Object;";
        env.call_method(&properties, "setProperty", signature, &[JValue::Object(&name), JValue::Object(&value)])?;
    }
    Ok(properties)
}

/// Whole seconds, at least one: none would be no limit.
fn seconds(ms: u64) -> i32 {
    i32::try_from(ms.div_ceil(1_000)).unwrap_or(i32::MAX).max(1)
}
