//! From a connection to a session: TLS, and who asks.

use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;
use windlass_plugin::{Error, ErrorKind, Result};

use super::session::Session;
use crate::fetch::Question;
use crate::target::Tls;
use crate::wire::{Wire, broken, in_the_clear, no_tls};

/// Rounds of SCRAM; PostgreSQL asks for 4,096. Each costs a millionth of a second, and a server could ask for any number.
const MOST_ROUNDS: u64 = 1_000_000;

/// Connects and logs in.
pub(super) fn begin(question: &Question<'_>) -> Result<Session> {
    let target = question.target;
    let mut session = Session { wire: Wire::open(target)? };
    if target.tls != Tls::Never {
        session.send(|message| {
            frontend::ssl_request(message);
            Ok(())
        })?;
        match (session.wire.byte()?, target.tls) {
            (b'S', _) => session.wire.start_tls(target)?,
            (b'N', Tls::Offered) => {}
            (b'N', _) => return Err(no_tls()),
            _ => return Err(broken("another answer to the question for TLS")),
        }
    }
    let user = question.options.user();
    let mut parameters =
        vec![("user", user), ("application_name", target.application.as_str()), ("client_encoding", "UTF8")];
    parameters.extend(target.database.as_deref().map(|name| ("database", name)));
    session.send(|message| frontend::startup_message(parameters, message))?;
    authenticate(&mut session, user, question.options.password())?;
    loop {
        match session.receive()? {
            Message::BackendKeyData(_) => {}
            Message::ReadyForQuery(_) => return Ok(session),
            _ => return Err(broken("another answer to a log-in")),
        }
    }
}

fn authenticate(session: &mut Session, user: &str, password: &str) -> Result<()> {
    loop {
        match session.receive()? {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword if !session.wire.is_tls() => return Err(in_the_clear()),
            Message::AuthenticationCleartextPassword => {
                session.send(|message| frontend::password_message(password.as_bytes(), message))?;
            }
            Message::AuthenticationMd5Password(body) => {
                let digest = md5_hash(user.as_bytes(), password.as_bytes(), body.salt());
                session.send(|message| frontend::password_message(digest.as_bytes(), message))?;
            }
            Message::AuthenticationSasl(body) => scram(session, &body, password)?,
            _ => return Err(unknown()),
        }
    }
}

fn unknown() -> Error {
    Error::unsupported("the database wants a way to log in other than a password (SCRAM-SHA-256, MD5, in the clear)")
}

/// SCRAM-SHA-256 (RFC 7677): the server shows that it knows the password too.
fn scram(session: &mut Session, body: &AuthenticationSaslBody, password: &str) -> Result<()> {
    let mut mechanisms = body.mechanisms();
    let mut is_offered = false;
    while let Some(mechanism) = mechanisms.next().map_err(broken)? {
        is_offered |= mechanism == SCRAM_SHA_256;
    }
    if !is_offered {
        return Err(unknown());
    }
    let unproven = |_| Error::new(ErrorKind::Unauthenticated, "the database does not show that it knows the password");
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    session.send(|message| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), message))?;
    let Message::AuthenticationSaslContinue(body) = session.receive()? else {
        return Err(broken("another answer to SCRAM"));
    };
    if rounds(body.data()) > MOST_ROUNDS {
        return Err(Error::unsupported("the database wants the password to be hashed too often"));
    }
    scram.update(body.data()).map_err(broken)?;
    session.send(|message| frontend::sasl_response(scram.message(), message))?;
    let Message::AuthenticationSaslFinal(body) = session.receive()? else {
        return Err(broken("another answer to SCRAM"));
    };
    scram.finish(body.data()).map_err(unproven)
}

/// How often the password is to be hashed: `i=4096` in what a server says first.
fn rounds(first: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(first);
    let rounds =
        text.split(',').find_map(|part| part.strip_prefix("i=")).map(|count| count.parse().unwrap_or(u64::MAX));
    rounds.unwrap_or_default()
}
