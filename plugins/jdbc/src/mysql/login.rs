//! From a connection to a session: what both sides can, TLS, and who asks.

use windlass_plugin::{Error, Result};

use super::packets::Packets;
use super::read::Reader;
use super::{Session, digest, refusal};
use crate::fetch::Question;
use crate::target::Tls;
use crate::wire::{MOST_MESSAGE, Wire, broken, in_the_clear, no_tls};

/// The flags of what a side can: long passwords (what MariaDB does not say of itself), long flags of columns, a database at
/// the log-in, the protocol of 4.1, TLS, transactions, log-ins of 4.1, attributes, ways to log in.
const LONG_PASSWORD: u64 = 1;
const WITH_DATABASE: u64 = 1 << 3;
const WITH_TLS: u64 = 1 << 11;
const ATTRIBUTES: u64 = 1 << 20;
const WAYS: u64 = 1 << 19;
const USED: u64 = LONG_PASSWORD | 1 << 2 | 1 << 9 | 1 << 13 | 1 << 15 | WAYS;
const NEEDED: u64 = 1 << 9 | 1 << 15 | WAYS;
/// Of MariaDB's own: types of columns in words.
const MORE_TYPES: u64 = 1 << 3;
/// utf8mb4_general_ci
const CHARSET: u8 = 45;
/// The bytes of a challenge.
const CHALLENGE: usize = 20;

/// What a server begins with.
struct Greeting {
    can: u64,
    can_more: u64,
    is_mariadb: bool,
    challenge: Vec<u8>,
    way: String,
}

impl Greeting {
    fn read(packet: &[u8]) -> Result<Greeting> {
        let mut reader = Reader::new(packet);
        match reader.byte()? {
            10 => {}
            refusal::MARK => return Err(refusal::of(packet)),
            _ => return Err(broken("another version of it")),
        }
        let version = String::from_utf8_lossy(reader.terminated()).into_owned();
        reader.bytes(4)?;
        let mut challenge = reader.bytes(8)?.to_vec();
        reader.bytes(1)?;
        let low = reader.fixed(2)?;
        reader.bytes(3)?;
        let can = reader.fixed(2)? << 16 | low;
        let length = usize::from(reader.byte()?);
        reader.bytes(6)?;
        let more = reader.fixed(4)?;
        challenge.extend_from_slice(reader.bytes(length.saturating_sub(8).clamp(13, 64))?);
        challenge.truncate(CHALLENGE);
        let way = String::from_utf8_lossy(reader.terminated()).into_owned();
        let is_mariadb = can & LONG_PASSWORD == 0 || version.contains("MariaDB");
        let can_more = if can & LONG_PASSWORD == 0 { more } else { 0 };
        Ok(Greeting { can, can_more, is_mariadb, challenge, way })
    }
}

/// Connects and logs in.
pub(super) fn begin(question: &Question<'_>) -> Result<Session> {
    let target = question.target;
    let mut packets = Packets::new(Wire::open(target)?);
    let greeting = Greeting::read(&packets.receive()?)?;
    if greeting.can & NEEDED != NEEDED {
        return Err(Error::unsupported("the database is too old: it does not speak the protocol of 4.1"));
    }
    let mut flags = USED & (greeting.can | LONG_PASSWORD) | greeting.can & ATTRIBUTES;
    if target.database.is_some() {
        flags |= WITH_DATABASE;
    }
    let offers_tls = greeting.can & WITH_TLS != 0;
    match target.tls {
        Tls::Always(_) if !offers_tls => return Err(no_tls()),
        Tls::Never => {}
        _ if !offers_tls => {}
        _ => flags |= WITH_TLS,
    }
    let more = greeting.can_more & MORE_TYPES;
    if more != 0 {
        // Who sets this flag too is no client of MariaDB, and has no more of them.
        flags &= !LONG_PASSWORD;
    }
    let mut response = head(flags, more);
    if flags & WITH_TLS != 0 {
        packets.send(&response)?;
        packets.wire.start_tls(target)?;
    }
    let mut log_in =
        LogIn { way: greeting.way.clone(), challenge: greeting.challenge, password: question.options.password() };
    response.extend(log_in.rest(question, flags, &packets)?);
    packets.send(&response)?;
    log_in.finish(&mut packets)?;
    Ok(Session { packets, is_mariadb: greeting.is_mariadb, has_more_types: more != 0 })
}

/// What is said of ourselves, before and after TLS.
fn head(flags: u64, more: u64) -> Vec<u8> {
    let four = |number: u64| u32::try_from(number & 0xffff_ffff).unwrap_or_default().to_le_bytes();
    let mut head = four(flags).to_vec();
    head.extend_from_slice(&four(MOST_MESSAGE as u64));
    head.push(CHARSET);
    head.extend_from_slice(&[0; 19]);
    head.extend_from_slice(&four(more));
    head
}

struct LogIn<'a> {
    way: String,
    challenge: Vec<u8>,
    password: &'a str,
}

impl LogIn<'_> {
    /// What follows the head.
    fn rest(&self, question: &Question<'_>, flags: u64, packets: &Packets) -> Result<Vec<u8>> {
        let mut rest = question.options.user().as_bytes().to_vec();
        rest.push(0);
        // A way that is not known here is changed by the server, or is the error.
        let proof = self.proof(packets).unwrap_or_default();
        rest.push(u8::try_from(proof.len()).map_err(|_| Error::invalid("the password is too long"))?);
        rest.extend_from_slice(&proof);
        if let Some(database) = question.target.database.as_deref() {
            rest.extend_from_slice(database.as_bytes());
            rest.push(0);
        }
        rest.extend_from_slice(self.way.as_bytes());
        rest.push(0);
        if flags & ATTRIBUTES != 0 {
            let mut attributes = Vec::new();
            for text in ["program_name", question.target.application.as_str()] {
                // Names are short: at most 63 bytes.
                attributes.push(u8::try_from(text.len()).unwrap_or_default());
                attributes.extend_from_slice(text.as_bytes());
            }
            rest.push(u8::try_from(attributes.len()).unwrap_or_default());
            rest.extend_from_slice(&attributes);
        }
        Ok(rest)
    }

    /// What shows that the password is known.
    fn proof(&self, packets: &Packets) -> Result<Vec<u8>> {
        let password = self.password.as_bytes();
        match self.way.as_str() {
            "mysql_native_password" => Ok(digest::native(password, &self.challenge)),
            "caching_sha2_password" => Ok(digest::caching(password, &self.challenge)),
            "mysql_clear_password" => self.itself(packets),
            other => Err(Error::unsupported(format!(
                "the database wants the way {other:?} to log in; there are mysql_native_password, caching_sha2_password \
                 and mysql_clear_password"
            ))),
        }
    }

    /// The password itself, where nobody else sees it.
    fn itself(&self, packets: &Packets) -> Result<Vec<u8>> {
        if !packets.wire.is_tls() {
            return Err(in_the_clear());
        }
        let mut password = self.password.as_bytes().to_vec();
        password.push(0);
        Ok(password)
    }

    /// Answers until the server is content.
    fn finish(&mut self, packets: &mut Packets) -> Result<()> {
        // Two of each are more than any server has to say.
        for _ in 0..8 {
            let packet = packets.receive()?;
            let mut reader = Reader::new(&packet);
            match reader.byte()? {
                0x00 => return Ok(()),
                refusal::MARK => return Err(refusal::of(&packet)),
                super::END => {
                    self.way = String::from_utf8_lossy(reader.terminated()).into_owned();
                    self.challenge = reader.rest().to_vec();
                    self.challenge.truncate(CHALLENGE);
                    packets.send(&self.proof(packets)?)?;
                }
                // More of caching_sha2_password: it knows the digest already (3), or wants the password itself (4).
                0x01 if reader.rest() == [3] => {}
                0x01 if reader.rest() == [4] => packets.send(&self.itself(packets)?)?,
                _ => return Err(broken("another answer to a log-in")),
            }
        }
        Err(broken("a log-in without an end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARIADB: &[u8] = b"\x0a5.5.5-10.11.6-MariaDB\0\x01\0\0\0abcdefgh\0\xfe\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0ijklmnopqrst\0mysql_native_password\0";

    #[test]
    fn a_greeting_is_read() {
        let greeting = Greeting::read(MARIADB).unwrap();
        assert!(greeting.is_mariadb && greeting.can & WITH_TLS == 0 && greeting.can & NEEDED == NEEDED);
        assert_eq!((greeting.can_more & MORE_TYPES, greeting.way.as_str()), (MORE_TYPES, "mysql_native_password"));
        assert_eq!(greeting.challenge, b"abcdefghijklmnopqrst");
    }

    #[test]
    fn a_greeting_that_breaks_off_or_is_none_is_refused() {
        for end in 0..MARIADB.len() - 24 {
            assert!(Greeting::read(&MARIADB[..end]).is_err(), "{end}");
        }
        assert!(Greeting::read(b"SSH-2.0-OpenSSH").is_err());
        assert_eq!(
            Greeting::read(b"\xff\x10\x04Too many connections").err().unwrap().kind,
            windlass_plugin::ErrorKind::Exhausted
        );
    }
}
