//! A JVM within this process, and the drivers in it. The only module that names jni.
//!
//! There is one JVM in the life of a process and one thread that calls it. An exception stays pending in the JVM until
//! somebody looks at it: calls in between fail at once, so whatever is to go on clears it first.

mod cells;
mod connection;
mod drivers;
mod fault;
mod result;
mod start;
mod values;

use std::io;

use jni::JNIEnv;

use super::order::{Order, Report, Task};
use fault::Fault;

/// Where reports go; it returns when there is room for more.
type Tell<'t> = &'t mut dyn FnMut(Report) -> io::Result<()>;

/// Does what the order says, and tells of it.
///
/// # Errors
/// The engine is not there any more.
pub(super) fn perform(order: &Order, tell: Tell<'_>) -> io::Result<()> {
    let vm = match start::start(&order.jvm) {
        Ok(vm) => vm,
        Err(error) => return tell(Report::Failed(error)),
    };
    let mut env = match vm.attach_current_thread_permanently() {
        Ok(env) => env,
        Err(error) => return tell(Report::Failed(fault::broken(&error))),
    };
    tell(Report::Started)?;
    match perform_in(&mut env, order, tell) {
        Ok(()) => Ok(()),
        Err(Fault::Pipe(error)) => Err(error),
        Err(Fault::Told(error)) => tell(Report::Failed(error)),
        Err(Fault::Jni(error)) => tell(Report::Failed(fault::told(&mut env, &error))),
    }
}

fn perform_in(env: &mut JNIEnv<'_>, order: &Order, tell: Tell<'_>) -> Result<(), Fault> {
    let loader = start::loader(env, &order.jvm.jars)?;
    match &order.task {
        Task::Drivers => {
            let drivers = drivers::offered(env, &loader)?;
            Ok(tell(Report::Drivers(drivers))?)
        }
        Task::Query(question) => connection::ask(env, &loader, question, tell),
    }
}
