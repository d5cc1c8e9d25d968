//! Faults that tests ask for: connections that break at a given request.

use std::str::FromStr;
use std::sync::Mutex;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) when: When,
    /// Which request, from 1.
    pub(crate) request: u64,
}

/// At which point it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The connection breaks before the request is looked at.
    Before,
    /// What was asked is done, and the connection breaks before the answer.
    After,
    /// What was asked is done, and the server ends before the answer.
    Exit,
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Cut, String> {
        let (when, request) = text.split_once(':').ok_or("a cut is before:N, after:N or exit:N")?;
        let when = match when {
            "before" => When::Before,
            "after" => When::After,
            "exit" => When::Exit,
            _ => return Err(format!("'{when}' is not before, after or exit")),
        };
        let request = request.parse().map_err(|_| format!("'{request}' is not a number"))?;
        Ok(Cut { when, request })
    }
}

/// Counts the requests.
pub(crate) struct Faults {
    state: Mutex<(u64, Vec<Cut>)>,
}

impl Faults {
    pub(crate) fn new(cuts: Vec<Cut>) -> Faults {
        Faults { state: Mutex::new((0, cuts)) }
    }

    /// What is to happen to the request that arrives now.
    pub(crate) fn next(&self) -> Option<When> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 += 1;
        let (request, cuts) = &*state;
        cuts.iter().find(|cut| cut.request == *request).map(|cut| cut.when)
    }

    /// Replaces all faults by these, whose requests count from the next one.
    pub(crate) fn replace(&self, cuts: Vec<Cut>) {
        *self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = (0, cuts);
    }
}
