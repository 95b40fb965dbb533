//! `store.url` of a PostgreSQL server: what libpq understands of it, as far as it means something here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use tokio_postgres::config::{Host, SslMode as Spoken, TargetSessionAttrs};
use url::form_urlencoded;

/// A server, and who we are there.
#[derive(Clone, PartialEq)]
pub struct Postgres {
    /// Where, who, which database.
    pub client: tokio_postgres::Config,
    /// `sslmode`
    pub ssl: SslMode,
    /// `sslrootcert`: the authorities of a server that is verified; absent: those that everybody trusts.
    pub root: Option<PathBuf>,
}

/// How the way to the server is protected, as libpq has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all.
    Disable,
    /// TLS where the server speaks it, whoever it is.
    Prefer,
    /// TLS, whoever the server is.
    Require,
    /// TLS, with a certificate that an authority has signed.
    VerifyCa,
    /// TLS, with one for this very name.
    VerifyFull,
}

/// Without what nobody should see.
impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(f, "postgres://{}/{}", hosts.join(","), self.database())
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Postgres {
    /// Reads a URL. The error says what of it is wrong, and shows none of it.
    ///
    /// `passfile` names a file as libpq has it (`PGPASSFILE`), which is looked into if the URL holds no password.
    pub fn parse(url: &str, folder: &Path, passfile: Option<&str>) -> Result<Self, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut ssl, mut root, mut passfile) = (None, None, passfile.map(PathBuf::from));
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "sslmode" => ssl = Some(SslMode::parse(&value)?),
                "sslrootcert" if value == "system" => root = None,
                "sslrootcert" => root = Some(folder.join(&*value)),
                "passfile" => passfile = Some(folder.join(&*value)),
                _ => {
                    rest.append_pair(&name, &value);
                }
            }
        }
        let rest = rest.finish().replace('+', "%20");
        let text = if rest.is_empty() { base.to_owned() } else { format!("{base}?{rest}") };
        // What the parser says quotes a parameter at most.
        let mut client = tokio_postgres::Config::from_str(&text).map_err(|error| {
            std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
        })?;
        let is_local = |host: &Host| matches!(host, Host::Unix(_));
        let default =
            if client.get_hosts().iter().all(is_local) { SslMode::Disable } else { SslMode::Prefer };
        let ssl = ssl.unwrap_or(default);
        client.ssl_mode(match ssl {
            SslMode::Disable => Spoken::Disable,
            SslMode::Prefer => Spoken::Prefer,
            _ => Spoken::Require,
        });
        if client.get_hosts().len() > 1 && !query.contains("target_session_attrs") {
            client.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if client.get_application_name().is_none() {
            client.application_name("wxgate");
        }
        if client.get_connect_timeout().is_none() {
            client.connect_timeout(std::time::Duration::from_secs(3));
        }
        let mut server = Self { client, ssl, root };
        if server.client.get_hosts().is_empty() {
            return Err("host".to_owned());
        }
        if server.client.get_password().is_none()
            && let Some(passfile) = passfile
            && let Some(password) = server.password_in(&passfile)?
        {
            server.client.password(password);
        }
        Ok(server)
    }

    fn hosts(&self) -> impl Iterator<Item = (String, u16)> {
        let ports = self.client.get_ports();
        self.client.get_hosts().iter().enumerate().map(|(index, host)| {
            let port = ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => (name.clone(), port),
                Host::Unix(path) => (path.display().to_string(), port),
            }
        })
    }

    fn database(&self) -> &str {
        self.client.get_dbname().or_else(|| self.client.get_user()).unwrap_or_default()
    }

    /// The password of the first line that fits: `host:port:database:user:password`, each but the last may be `*`.
    fn password_in(&self, file: &Path) -> Result<Option<String>, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let user = self.client.get_user().unwrap_or_default();
        let hosts: Vec<(String, u16)> = self.hosts().collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let parts = parts(line);
            let [host, port, database, name, password] = &parts[..] else { continue };
            let is = |part: &str, value: &str| part == "*" || part == value;
            let fits = hosts.iter().any(|(of, at)| is(host, of) && is(port, &at.to_string()));
            if fits && is(database, self.database()) && is(name, user) {
                return Ok(Some(password.clone()));
            }
        }
        Ok(None)
    }
}

/// A line's parts, between colons; a backslash takes what follows as it is.
fn parts(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let last = parts.len() - 1;
        match letter {
            ':' if parts.len() < 5 => parts.push(String::new()),
            '\\' => parts[last].extend(letters.next()),
            _ => parts[last].push(letter),
        }
    }
    parts
}

impl SslMode {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err("sslmode: disable, prefer, require, verify-ca, verify-full".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn parse(url: &str) -> Result<Postgres, String> {
        Postgres::parse(url, Path::new("/etc/wxgate"), None)
    }

    #[test]
    fn a_url_as_libpq_has_it() {
        let server = parse("postgres://wx:p%40ss@db.example.com/wxgate?connect_timeout=7").unwrap();
        assert_eq!(server.client.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(
            (server.ssl, server.to_string().as_str()),
            (SslMode::Prefer, "postgres://db.example.com:5432/wxgate")
        );
        assert!(!format!("{server:?}").contains("ss"), "{server:?}");
        let several = parse("postgresql://wx@one:5433,two:5434/wxgate").unwrap();
        assert_eq!(several.to_string(), "postgres://one:5433,two:5434/wxgate");
        assert_eq!(several.client.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        let any = parse("postgres://wx@one,two/wxgate?target_session_attrs=any").unwrap();
        assert_eq!(any.client.get_target_session_attrs(), TargetSessionAttrs::Any);
        let local = parse("postgres://wx@/wxgate?host=/run/postgresql").unwrap();
        assert_eq!(
            (local.ssl, local.to_string().as_str()),
            (SslMode::Disable, "postgres:///run/postgresql:5432/wxgate")
        );
    }

    #[test]
    fn how_the_way_is_protected() {
        for (mode, expected) in [
            ("disable", SslMode::Disable),
            ("allow", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ] {
            let server = parse(&format!("postgres://wx@h/d?sslmode={mode}&sslrootcert=ca.pem")).unwrap();
            assert_eq!((server.ssl, server.root), (expected, Some(PathBuf::from("/etc/wxgate/ca.pem"))));
        }
        assert_eq!(parse("postgres://h/d?sslmode=verify-full&sslrootcert=system").unwrap().root, None);
        assert!(parse("postgres://h/d?sslmode=verify").unwrap_err().starts_with("sslmode"));
    }

    #[test]
    fn a_wrong_url_is_told_without_its_password() {
        for url in ["postgres://", "postgres://wx:secret@h:port/d", "postgres://wx:secret@h/d?unknown=1"] {
            let error = parse(url).unwrap_err();
            assert!(!error.contains("secret") && !error.is_empty(), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pgpass");
        std::fs::write(&file, "# mine\nother:*:*:*:no\nh:5432:d:wx:a\\:b\\\\c:d\nh:*:*:*:late\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let of = |url: &str| {
            let server = Postgres::parse(url, dir.path(), file.to_str()).unwrap();
            server.client.get_password().map(|password| String::from_utf8(password.to_vec()).unwrap())
        };
        assert_eq!(of("postgres://wx@h/d").as_deref(), Some("a:b\\c:d"));
        assert_eq!(of("postgres://wx@h:6432/d").as_deref(), Some("late"));
        assert_eq!(of("postgres://wx@elsewhere/d"), None);
        assert_eq!(of("postgres://wx:own@h/d").as_deref(), Some("own"));
        let named = Postgres::parse("postgres://wx@h/d?passfile=pgpass", dir.path(), None).unwrap();
        assert!(named.client.get_password().is_some());
        assert!(Postgres::parse("postgres://wx@h/d?passfile=none", dir.path(), None).is_err());
    }
}
