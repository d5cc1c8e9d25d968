//! Brings images from their registries to the Docker Engine.

use std::fmt;
use std::io::{BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde::Deserialize;
use serde_json::{Deserializer, json};
use windlass_plugin::Variable;
use windlass_plugin::prelude::*;

use crate::daemon::docker;
use crate::options::Registry;
use crate::reference::Reference;
use crate::refusal::explained;

/// How long the Docker Engine may say nothing while it gets an image.
const SILENCE: Duration = Duration::from_secs(300);
/// Bytes of what it says meanwhile.
const MOST_BYTES: u64 = 64 << 20;

/// Who asks the registry. `Debug` shows nothing of it.
pub(crate) struct Credentials {
    username: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Takes them from the run options of these names.
    pub(crate) fn of(names: &Registry, environment: &[Variable]) -> Result<Credentials> {
        let find = |field: &str, name: &str| {
            let found = environment.iter().find(|it| it.name == name);
            found.ok_or_else(|| Error::invalid(format!("registry.{field}: there is no run option {name:?}")))
        };
        let (username, password) = (find("username", &names.username)?, find("password", &names.password)?);
        if !password.secret {
            let message = format!("registry.password: the run option {:?} is not marked as a secret", names.password);
            return Err(Error::invalid(message));
        }
        Ok(Credentials { username: username.value.clone(), password: password.value.clone() })
    }

    /// The value of the header `X-Registry-Auth`.
    fn header(&self, registry: Option<&str>) -> String {
        let auth = json!({ "username": self.username, "password": self.password, "serveraddress": registry });
        URL_SAFE.encode(auth.to_string())
    }
}

/// One of the messages while an image is on its way.
#[derive(Deserialize)]
struct Message {
    error: Option<String>,
}

/// Returns when the Docker Engine has the image.
pub(crate) fn pull(image: &str, credentials: Option<&Credentials>) -> Result<()> {
    let reference =
        Reference::parse(image).map_err(|problem| Error::invalid(format!("the image {image:?}: {problem}")))?;
    let request = docker().post("/images/create").query("fromImage", reference.repository).query("tag", reference.tag);
    let request = request.answer_timeout(SILENCE).silence_timeout(SILENCE);
    let request = match credentials {
        Some(credentials) => request.header("x-registry-auth", credentials.header(reference.registry())),
        None => request,
    };
    let told = |error: Error| {
        let error = explained(error);
        Error { message: format!("the image {image:?} cannot be pulled: {}", error.message), ..error }
    };
    let answer = request.send()?.ok().map_err(told)?;
    let messages = BufReader::new(answer.body().take(MOST_BYTES));
    for message in Deserializer::from_reader(messages).into_iter::<Message>() {
        let message = message.map_err(|error| match error.is_io() {
            true => Error::from(std::io::Error::from(error)),
            false => Error::unavailable(format!("the Docker Engine broke off while it pulled the image {image:?}")),
        })?;
        // The status of the answer was sent before this went wrong.
        if let Some(error) = message.error {
            return Err(told(Error::unavailable(error).code("500")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use windlass_plugin::testing::{self, Reply};

    use super::*;

    fn variable(name: &str, value: &str, secret: bool) -> Variable {
        Variable { name: name.to_owned(), value: value.to_owned(), secret }
    }

    #[test]
    fn credentials_come_from_run_options_and_the_password_is_a_secret() {
        let names = Registry { username: "USER".to_owned(), password: "PASS".to_owned() };
        let all = [variable("USER", "me", false), variable("PASS", "hush", true)];
        let credentials = Credentials::of(&names, &all).unwrap();
        let header = URL_SAFE.decode(credentials.header(Some("r.example.com"))).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(told, json!({ "username": "me", "password": "hush", "serveraddress": "r.example.com" }));
        assert!(!format!("{credentials:?}").contains("hush"));
        let open = [variable("USER", "me", false), variable("PASS", "hush", false)];
        for (environment, says) in [(&all[..1], "\"PASS\""), (&all[1..], "\"USER\""), (&open[..], "secret")] {
            let error = Credentials::of(&names, environment).unwrap_err();
            assert!(error.message.contains(says) && !error.message.contains("hush"), "{error}");
        }
    }

    #[test]
    fn an_image_is_there_when_the_last_message_has_come() {
        testing::endpoint("docker").on("POST", "/images/create", |asked| {
            assert_eq!((asked.query("fromImage"), asked.query("tag")), (Some("r.example.com/a"), Some("1")));
            Reply::bytes(200, "{\"status\":\"Pulling\",\"id\":\"1\"}\r\n{\"status\":\"Done\"}\r\n")
        });
        pull("r.example.com/a:1", None).unwrap();
    }

    #[test]
    fn what_goes_wrong_on_the_way_is_told() {
        let answer = |reply: Reply| {
            testing::reset();
            testing::endpoint("docker").on("POST", "/images/create", move |_| reply.clone());
            pull("a", None).unwrap_err()
        };
        let error =
            answer(Reply::bytes(200, "{\"status\":\"x\"}\r\n{\"error\":\"write: no space left on device\"}\r\n"));
        assert_eq!((error.kind, error.retry), (ErrorKind::Exhausted, Retry::Backoff), "{error}");
        let error = answer(Reply::bytes(200, "{\"status\":\"x\"}\r\n{\"sta").cut_off());
        assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff), "{error}");
        let error = answer(Reply::json(404, &json!({ "message": "manifest unknown" })));
        assert_eq!((error.kind, error.retry), (ErrorKind::NotFound, Retry::Never), "{error}");
    }
}
