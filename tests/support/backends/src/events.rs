//! What an engine says it has done, from the moment somebody listens.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// Listens to an engine until it is dropped or the engine goes away.
pub struct Events {
    stream: UnixStream,
    heard: Arc<Mutex<Vec<Event>>>,
}

/// Something that an engine has done with a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// In the engine's word: `create`, `start`, `die`, `destroy`.
    pub action: String,
    /// The name of the container.
    pub container: String,
    /// How it ended, where the action is its end.
    pub exit_code: Option<i32>,
}

impl Events {
    pub(crate) fn of(socket: &Path) -> Events {
        let mut stream = UnixStream::connect(socket).unwrap();
        let filters = "%7B%22type%22%3A%5B%22container%22%5D%7D";
        // Whoever speaks no newer HTTP gets no chunks: each line is an event.
        write!(stream, "GET /events?filters={filters} HTTP/1.0\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        // What is done after the head of the answer is told.
        let head: Vec<String> = lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        assert!(head[0].contains(" 200 "), "{head:?}");
        let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
        let notes = heard.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                notes.lock().unwrap_or_else(PoisonError::into_inner).push(Event::read(&line));
            }
        });
        Events { stream, heard }
    }

    /// Everything that was heard so far, in its order.
    pub fn heard(&self) -> Vec<Event> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often this was done with a container of this name.
    pub fn count(&self, action: &str, container: &str) -> usize {
        self.heard().iter().filter(|event| event.action == action && event.container == container).count()
    }
}

impl Event {
    fn read(line: &str) -> Event {
        let told: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let attributes = &told["Actor"]["Attributes"];
        let exit_code = attributes["exitCode"].as_str().and_then(|code| code.parse().ok());
        Event { action: text(&told["Action"]), container: text(&attributes["name"]), exit_code }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // Ends the thread.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
