//! How packages are fetched on the host: settings that a build needs and its image must not have.

use crate::private::Private;
use std::fmt::Write;

/// The names of the build's secrets, which are files in `/run/secrets` of a step, or in `host` of
/// the context.
pub(super) const REGISTRY: &str = "registry";
pub(super) const AUTHORITIES: &str = "authorities";

/// Variables by which pip and uv find their registry. Those that name a place on the host are
/// not among them.
const CARRIED: [&str; 19] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_TIMEOUT",
    "PIP_RETRIES",
    "PIP_PROXY",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX_STRATEGY",
    "UV_INSECURE_HOST",
    "UV_HTTP_TIMEOUT",
    "UV_HTTP_RETRIES",
    "UV_CONCURRENT_DOWNLOADS",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_KEYRING_PROVIDER",
];

/// Proxies, in both cases that programs read. Builders take them for arguments that leave no
/// trace in an image's history.
const PROXIES: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
];

/// Variables that name a file of certificates, the nearest to pip first.
const BUNDLES: [&str; 4] = [
    "PIP_CERT",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];

/// How packages are fetched on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// Variables and their values.
    variables: Vec<(String, Private)>,
    /// The certificates that the host trusts, where it names a file of them.
    authorities: Option<Private>,
    /// The proxies' variables that are set.
    pub(super) proxies: Vec<String>,
}

impl HostSettings {
    /// By the environment, of which `variable` gives one by its name, `names` all names, and
    /// `file` the content of a file.
    pub fn of<'a>(
        variable: impl Fn(&str) -> Option<String>,
        names: impl IntoIterator<Item = &'a str>,
        file: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut carried: Vec<String> = CARRIED
            .iter()
            .chain(&PROXIES)
            .map(ToString::to_string)
            .collect();
        // The passwords of named indices.
        let mut of_indices: Vec<&str> = names
            .into_iter()
            .filter(|name| name.starts_with("UV_INDEX_"))
            .filter(|name| name.ends_with("_USERNAME") || name.ends_with("_PASSWORD"))
            .collect();
        of_indices.sort_unstable();
        carried.extend(of_indices.into_iter().map(str::to_owned));
        let mut variables: Vec<(String, Private)> = carried
            .into_iter()
            .filter_map(|name| Some((name.clone(), Private::new(set(&name)?))))
            .collect();
        // uv reads no setting of pip's, and installs what pip's user expects from his registry.
        for (of_pip, of_uv, older) in [
            ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"),
            ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"),
        ] {
            if let (Some(value), None, None) = (set(of_pip), set(of_uv), set(older)) {
                variables.push((of_uv.to_owned(), Private::new(value)));
            }
        }
        let authorities = BUNDLES.iter().find_map(|name| file(&set(name)?));
        let proxies = PROXIES.iter().filter(|name| set(name).is_some());
        Self {
            variables,
            authorities: authorities
                .filter(|text| !text.is_empty())
                .map(Private::new),
            proxies: proxies.map(ToString::to_string).collect(),
        }
    }

    /// The names of what is carried, to show.
    pub fn names(&self) -> Vec<&str> {
        let names = self.variables.iter().map(|(name, _)| name.as_str());
        let bundle = self.authorities.as_ref().map(|_| "the host's certificates");
        names.chain(bundle).collect()
    }

    /// As files: shell text that sets the variables, and the certificates.
    pub(super) fn secrets(&self) -> Vec<(&'static str, Private)> {
        let mut text = String::new();
        for (name, value) in &self.variables {
            let value = String::from_utf8_lossy(value.bytes()).into_owned();
            let quoted = value.replace('\'', r"'\''");
            let _ = writeln!(text, "export {name}='{quoted}'");
        }
        let mut secrets = Vec::new();
        if !text.is_empty() {
            secrets.push((REGISTRY, Private::new(text)));
        }
        if let Some(authorities) = &self.authorities {
            secrets.push((AUTHORITIES, authorities.clone()));
        }
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(environment: &[(&str, &str)]) -> HostSettings {
        HostSettings::of(
            |name| {
                let pair = environment.iter().find(|(one, _)| *one == name);
                pair.map(|(_, value)| (*value).to_owned())
            },
            environment.iter().map(|(name, _)| *name),
            |path| (path == "/ca.pem").then(|| b"certificates".to_vec()),
        )
    }

    #[test]
    fn what_finds_the_registry_is_carried_and_not_shown() {
        let some = settings(&[
            ("PIP_INDEX_URL", "https://me:pass'word@registry.test/simple"),
            ("PIP_FIND_LINKS", "/opt/wheels"),
            ("UV_INDEX_MINE_PASSWORD", "$(touch /x)"),
            ("PIP_CERT", "/missing.pem"),
            ("SSL_CERT_FILE", "/ca.pem"),
            ("https_proxy", "http://proxy.test:3128"),
            ("HF_TOKEN", "hf_secret"),
        ]);
        let shown = format!("{some:?}");
        assert!(
            !shown.contains("word") && !shown.contains("proxy.test"),
            "{shown}"
        );
        let secrets = some.secrets();
        assert_eq!(secrets.len(), 2);
        let text = String::from_utf8(secrets[0].1.bytes().to_vec()).unwrap();
        assert_eq!(
            text,
            "export PIP_INDEX_URL='https://me:pass'\\''word@registry.test/simple'\n\
             export https_proxy='http://proxy.test:3128'\n\
             export UV_INDEX_MINE_PASSWORD='$(touch /x)'\n\
             export UV_DEFAULT_INDEX='https://me:pass'\\''word@registry.test/simple'\n"
        );
        assert_eq!(secrets[1].1.bytes(), b"certificates");
    }

    #[test]
    fn a_host_without_settings_gives_none() {
        let none = settings(&[("PIP_INDEX_URL", ""), ("PATH", "/bin")]);
        assert_eq!(none, HostSettings::default());
        assert_eq!(none.secrets(), []);
    }
}
