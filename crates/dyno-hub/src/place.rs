//! Where the Hub and its cache are, by the variables that `huggingface_hub` reads
//! (its `constants.py` and `utils/_auth.py`, 1.x).

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ENDPOINT: &str = "https://huggingface.co";

/// `huggingface_hub`'s own (`DEFAULT_DOWNLOAD_TIMEOUT`).
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where models come from and where they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The Hub, without a slash at its end: `HF_ENDPOINT`.
    pub endpoint: String,
    /// The folder of `models--org--name`: `HF_HUB_CACHE`, else `hub` in `HF_HOME`.
    pub cache: PathBuf,
    /// Whether the environment forbids to ask the Hub: `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`.
    pub offline: bool,
    /// The token, where there is one.
    pub token: Option<Token>,
    /// The file that is read for a token where no variable has one.
    pub token_file: PathBuf,
    /// How long a server may be silent: `HF_HUB_DOWNLOAD_TIMEOUT`.
    pub timeout: Duration,
}

/// A token of the Hub. It is shown nowhere: its `Debug` is its source.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    secret: String,
    source: TokenSource,
}

/// Where a token was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// In this variable.
    Variable(&'static str),
    /// In this file.
    File(PathBuf),
}

impl Place {
    /// By the environment, of which `variable` gives one by its name. Reads the token's file
    /// where no variable has a token.
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some(expanded(Path::new(&value), &variable))
        };
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let home = path("HF_HOME").unwrap_or_else(|| {
            let caches = path("XDG_CACHE_HOME")
                .or_else(|| path("HOME").map(|home| home.join(".cache")))
                .unwrap_or_else(|| PathBuf::from(".cache"));
            caches.join("huggingface")
        });
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let in_variable = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
            .into_iter()
            .find_map(|name| Token::new(&text(name)?, TokenSource::Variable(name)));
        let in_file = || {
            let kept = std::fs::read_to_string(&token_file).ok()?;
            Token::new(&kept, TokenSource::File(token_file.clone()))
        };
        Self {
            endpoint: text("HF_ENDPOINT")
                .map(|endpoint| endpoint.trim_end_matches('/').to_owned())
                .filter(|endpoint| !endpoint.is_empty())
                .unwrap_or_else(|| ENDPOINT.to_owned()),
            cache: path("HF_HUB_CACHE")
                .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
                .unwrap_or_else(|| home.join("hub")),
            offline: ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
                .into_iter()
                .any(|name| text(name).is_some_and(|value| is_true(&value))),
            token: in_variable.or_else(in_file),
            token_file,
            timeout: text("HF_HUB_DOWNLOAD_TIMEOUT")
                .and_then(|seconds| seconds.trim().parse().ok())
                .filter(|&seconds| seconds > 0)
                .map_or(TIMEOUT, Duration::from_secs),
        }
    }
}

impl Token {
    /// A token as a variable or a file holds it: with white space around it, or empty.
    fn new(text: &str, source: TokenSource) -> Option<Self> {
        let secret: String = text.trim().replace(['\r', '\n'], "");
        (!secret.is_empty()).then_some(Self { secret, source })
    }

    /// Where it was found.
    pub fn source(&self) -> &TokenSource {
        &self.source
    }

    /// The secret itself, for the header of a request, and to look for it where it must not be.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Token of {}", self.source)
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => out.write_str(name),
            Self::File(path) => write!(out, "{}", path.display()),
        }
    }
}

fn is_true(value: &str) -> bool {
    matches!(
        value.to_ascii_uppercase().as_str(),
        "1" | "ON" | "YES" | "TRUE"
    )
}

/// With `~` for the home folder, as `os.path.expanduser` has it.
fn expanded(path: &Path, variable: &impl Fn(&str) -> Option<OsString>) -> PathBuf {
    match (path.strip_prefix("~"), variable("HOME")) {
        (Ok(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(environment: &[(&str, &str)]) -> Place {
        Place::of(|name| {
            let pair = environment.iter().find(|(one, _)| *one == name);
            pair.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_cache_is_where_other_tools_look() {
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("HOME", "/h")], "/h/.cache/huggingface/hub"),
            (
                &[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")],
                "/x/huggingface/hub",
            ),
            (&[("HOME", "/h"), ("HF_HOME", "~/hf")], "/h/hf/hub"),
            (&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/c")], "/c"),
            (
                &[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")],
                "/old",
            ),
            (
                &[("HF_HOME", ""), ("HOME", "/h")],
                "/h/.cache/huggingface/hub",
            ),
        ];
        for (environment, cache) in table {
            assert_eq!(
                place(environment).cache,
                Path::new(cache),
                "{environment:?}"
            );
        }
    }

    #[test]
    fn a_token_is_found_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hf_kept\n").unwrap();
        let home = folder.path().to_str().unwrap();
        let of_file = place(&[("HF_HOME", home)]).token.unwrap();
        assert_eq!(of_file.secret(), "hf_kept");
        let of_variable = place(&[("HF_HOME", home), ("HF_TOKEN", " hf_said\n")]);
        assert!(!format!("{of_variable:?}").contains("hf_said"));
        let of_variable = of_variable.token.unwrap();
        assert_eq!(of_variable.secret(), "hf_said");
        assert_eq!(of_variable.source(), &TokenSource::Variable("HF_TOKEN"));
        assert_eq!(
            place(&[("HF_HOME", "/nowhere"), ("HF_TOKEN", "")]).token,
            None
        );
    }

    #[test]
    fn the_endpoint_and_the_network() {
        assert_eq!(place(&[]).endpoint, ENDPOINT);
        let here = place(&[
            ("HF_ENDPOINT", "http://127.0.0.1:8/"),
            ("HF_HUB_OFFLINE", "yes"),
        ]);
        assert_eq!(here.endpoint, "http://127.0.0.1:8");
        assert!(here.offline);
        assert!(!place(&[("HF_HUB_OFFLINE", "0")]).offline);
    }
}
