//! The parameters of a URL, as the real drivers name them.

use std::time::Duration;

use windlass_plugin::Problem;
use windlass_plugin::net::Verify;

use crate::driver::Driver;
use crate::target::{Target, Tls, decoded, mistake};

const MOST_MILLIS: u64 = 86_400_000;
const TRUTH: &str = "true or false";

/// What a parameter of these drivers does here.
type Apply = fn(&str, &mut Target) -> Result<(), String>;

/// Parameters of PostgreSQL.
const OF_POSTGRESQL: [(&str, Apply); 8] = [
    ("sslmode", |value, target| choose(value, &SSLMODES, target)),
    ("ssl", |value, target| choose(value, &[("true", Tls::Always(Verify::Full)), ("false", Tls::Never)], target)),
    ("connectTimeout", |value, target| timeout(value, 1_000, target)),
    ("ApplicationName", application),
    ("currentSchema", schema),
    // What these say is so in any case: rows come as a stream, over a connection that is kept alive, and are only read.
    ("defaultRowFetchSize", number),
    ("tcpKeepAlive", truth),
    ("readOnly", only_true),
];

/// Parameters of MySQL and of MariaDB.
const OF_MYSQL: [(&str, Apply); 15] = [
    ("sslMode", |value, target| choose(value, &SSL_MODES, target)),
    ("useSSL", use_ssl),
    ("useSsl", use_ssl),
    ("requireSSL", |value, target| when_true(value, Tls::Always(Verify::None), target)),
    ("verifyServerCertificate", |value, target| when_true(value, Tls::Always(Verify::Authority), target)),
    ("trustServerCertificate", |value, target| when_true(value, Tls::Always(Verify::None), target)),
    ("serverSslCert", authorities),
    ("connectTimeout", |value, target| timeout(value, 1, target)),
    ("characterEncoding", |value, _| one_of(value, &["UTF-8", "utf8", "utf8mb4"])),
    ("useUnicode", only_true),
    ("serverTimezone", |value, _| one_of(value, &["UTC"])),
    ("connectionTimeZone", |value, _| one_of(value, &["UTC"])),
    // No key of a server is ever asked for: the password goes over TLS, or as a digest.
    ("allowPublicKeyRetrieval", truth),
    ("useCursorFetch", truth),
    ("tcpKeepAlive", truth),
];

const SSLMODES: [(&str, Tls); 6] = [
    ("disable", Tls::Never),
    ("allow", Tls::Offered),
    ("prefer", Tls::Offered),
    ("require", Tls::Always(Verify::None)),
    ("verify-ca", Tls::Always(Verify::Authority)),
    ("verify-full", Tls::Always(Verify::Full)),
];

/// Those of MySQL, then those of MariaDB.
const SSL_MODES: [(&str, Tls); 9] = [
    ("DISABLED", Tls::Never),
    ("PREFERRED", Tls::Offered),
    ("REQUIRED", Tls::Always(Verify::None)),
    ("VERIFY_CA", Tls::Always(Verify::Authority)),
    ("VERIFY_IDENTITY", Tls::Always(Verify::Full)),
    ("disable", Tls::Never),
    ("trust", Tls::Always(Verify::None)),
    ("verify-ca", Tls::Always(Verify::Authority)),
    ("verify-full", Tls::Always(Verify::Full)),
];

/// Those that are a mistake, and what is to be done in their place.
const ELSEWHERE: [(&str, &str); 8] = [
    ("user", "the field `username`"),
    ("username", "the field `username`"),
    ("password", "the field `password`"),
    ("sslrootcert", "`ca` of the connection that the operator grants"),
    ("trustCertificateKeyStoreUrl", "`ca` of the connection that the operator grants"),
    ("socketTimeout", "the field `timeout_ms`"),
    ("loginTimeout", "`connectTimeout`"),
    ("allowMultiQueries", "one query in the field `query`"),
];

/// Reads all of them into the target; what is wrong with them. Values are not told: they may be passwords.
pub(crate) fn read(query: &str, target: &mut Target) -> Vec<Problem> {
    let known: &[(&str, Apply)] = if target.driver == Driver::PostgreSql { &OF_POSTGRESQL } else { &OF_MYSQL };
    let mut problems = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let shown = name.escape_debug().take(64).collect::<String>();
        if seen.contains(&name) {
            problems.push(mistake(format!("the parameter {shown} is there twice"), "each parameter once"));
            continue;
        }
        seen.push(name);
        if let Some((_, place)) = ELSEWHERE.iter().find(|(wrong, _)| *wrong == name) {
            problems.push(mistake(format!("the parameter {name} does not belong into it"), *place));
            continue;
        }
        let Some((_, apply)) = known.iter().find(|(it, _)| *it == name) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            problems.push(mistake(format!("there is no parameter {shown} of {}", target.driver), names.join(", ")));
            continue;
        };
        let applied = match decoded(value) {
            Some(value) => apply(&value, target),
            None => Err("a value that is well encoded".to_owned()),
        };
        if let Err(allowed) = applied {
            problems.push(mistake(format!("the value of {name} is none that it takes"), allowed));
        }
    }
    problems
}

fn choose(value: &str, choices: &[(&str, Tls)], target: &mut Target) -> Result<(), String> {
    let found = choices.iter().find(|(name, _)| *name == value);
    let (_, tls) = found.ok_or_else(|| choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))?;
    target.tls = *tls;
    Ok(())
}

fn one_of(value: &str, choices: &[&str]) -> Result<(), String> {
    if choices.contains(&value) { Ok(()) } else { Err(choices.join(", ")) }
}

fn truth(value: &str, _: &mut Target) -> Result<(), String> {
    one_of(value, &["true", "false"])
}

fn only_true(value: &str, _: &mut Target) -> Result<(), String> {
    one_of(value, &["true"])
}

fn use_ssl(value: &str, target: &mut Target) -> Result<(), String> {
    match value {
        "false" => target.tls = Tls::Never,
        // A driver of MariaDB means the strictest by it, one of MySQL whatever the others say.
        "true" if target.driver == Driver::MariaDb => stricter(Tls::Always(Verify::Full), target),
        "true" => stricter(Tls::Offered, target),
        _ => return Err(TRUTH.to_owned()),
    }
    Ok(())
}

fn when_true(value: &str, tls: Tls, target: &mut Target) -> Result<(), String> {
    match value {
        "true" => stricter(tls, target),
        "false" => {}
        _ => return Err(TRUTH.to_owned()),
    }
    Ok(())
}

/// Of several parameters the strictest counts, whatever their order.
fn stricter(tls: Tls, target: &mut Target) {
    let rank = |tls: Tls| match tls {
        Tls::Never => 0,
        Tls::Offered => 1,
        Tls::Always(Verify::None) => 2,
        Tls::Always(Verify::Authority) => 3,
        Tls::Always(Verify::Full) => 4,
    };
    if rank(tls) > rank(target.tls) {
        target.tls = tls;
    }
}

fn timeout(value: &str, unit_ms: u64, target: &mut Target) -> Result<(), String> {
    let millis = value.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_ms));
    let millis = millis.filter(|millis| *millis <= MOST_MILLIS).ok_or("a number, at most a day")?;
    // For the drivers 0 is no limit; the operator's is there all the same.
    target.connect = (millis > 0).then(|| Duration::from_millis(millis));
    Ok(())
}

fn number(value: &str, _: &mut Target) -> Result<(), String> {
    value.parse::<u32>().map(|_| ()).map_err(|_| "a number".to_owned())
}

fn application(value: &str, target: &mut Target) -> Result<(), String> {
    if value.is_empty() || value.len() > 63 || value.chars().any(char::is_control) {
        return Err("a name, at most 63 bytes".to_owned());
    }
    target.application = value.to_owned();
    Ok(())
}

fn schema(value: &str, target: &mut Target) -> Result<(), String> {
    if value.is_empty() || value.len() > 1_024 || value.chars().any(char::is_control) {
        return Err("names of schemas, with commas between them".to_owned());
    }
    target.schema = Some(value.to_owned());
    Ok(())
}

fn authorities(value: &str, target: &mut Target) -> Result<(), String> {
    if !value.trim_start().starts_with("-----BEGIN CERTIFICATE-----") {
        return Err("a certificate in PEM; files are for the operator, as `ca` of the connection".to_owned());
    }
    target.authorities = Some(value.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url, None).unwrap_or_else(|problems| panic!("{url}: {problems:?}"))
    }

    #[test]
    fn modes_of_tls_are_those_of_the_drivers() {
        for (query, tls) in [
            ("postgresql://h/d", Tls::Offered),
            ("postgresql://h/d?sslmode=disable", Tls::Never),
            ("postgresql://h/d?sslmode=require", Tls::Always(Verify::None)),
            ("postgresql://h/d?sslmode=verify-ca", Tls::Always(Verify::Authority)),
            ("postgresql://h/d?sslmode=verify-full", Tls::Always(Verify::Full)),
            ("postgresql://h/d?ssl=true", Tls::Always(Verify::Full)),
            ("mysql://h/d?sslMode=VERIFY_IDENTITY", Tls::Always(Verify::Full)),
            ("mysql://h/d?useSSL=false", Tls::Never),
            ("mysql://h/d?useSSL=true", Tls::Offered),
            ("mysql://h/d?verifyServerCertificate=true&useSSL=true&requireSSL=true", Tls::Always(Verify::Authority)),
            ("mariadb://h/d?sslMode=trust", Tls::Always(Verify::None)),
            ("mariadb://h/d?useSsl=true", Tls::Always(Verify::Full)),
        ] {
            assert_eq!(target(&format!("jdbc:{query}")).tls, tls, "{query}");
        }
    }

    #[test]
    fn the_other_parameters_are_read() {
        let url =
            "jdbc:postgresql://h/d?connectTimeout=5&ApplicationName=nightly%20run&currentSchema=a,b&readOnly=true";
        let found = target(url);
        assert_eq!(found.connect, Some(Duration::from_secs(5)));
        assert_eq!((found.application.as_str(), found.schema.as_deref()), ("nightly run", Some("a,b")));
        let found = target("jdbc:mysql://h/d?connectTimeout=1500&serverTimezone=UTC&allowPublicKeyRetrieval=true");
        assert_eq!(found.connect, Some(Duration::from_millis(1_500)));
        let pem = "-----BEGIN CERTIFICATE-----%0Aabc";
        assert!(target(&format!("jdbc:mariadb://h/d?serverSslCert={pem}")).authorities.unwrap().contains("\nabc"));
    }

    #[test]
    fn what_does_not_belong_is_told_by_its_name() {
        for (query, says) in [
            ("postgresql://h/d?sslMode=require", "no parameter sslMode of postgresql"),
            ("postgresql://h/d?sslrootcert=/x", "the operator grants"),
            ("postgresql://h/d?socketTimeout=3", "timeout_ms"),
            ("postgresql://h/d?ssl=true&ssl=true", "there twice"),
            ("postgresql://h/d?readOnly=false", "value of readOnly"),
            ("postgresql://h/d?connectTimeout=soon", "value of connectTimeout"),
            ("mysql://h/d?useSSL=maybe", "true or false"),
            ("mysql://h/d?sslmode=require", "no parameter sslmode of mysql"),
            ("mysql://h/d?allowMultiQueries=true", "one query"),
            ("mariadb://h/d?serverSslCert=/etc/ca.pem", "PEM"),
        ] {
            let problems = Target::parse(&format!("jdbc:{query}"), None).unwrap_err();
            let [problem] = problems.as_slice() else { panic!("{query}: {problems:?}") };
            let told = format!("{}; {}", problem.problem, problem.allowed);
            assert!(told.contains(says), "{query}: {told}");
        }
    }
}
