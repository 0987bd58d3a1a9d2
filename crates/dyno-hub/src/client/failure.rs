//! Why there is no answer, or none of 2xx.

use std::time::Duration;

/// A failure that may pass.
#[derive(Debug, Clone)]
pub(crate) enum Passing {
    /// A status of 429, or of 503 with a wish.
    Wish { told: Option<Duration> },
    /// Another status.
    Status {
        host: String,
        status: u16,
        said: String,
    },
    /// No answer.
    Network { host: String, why: String },
    /// An answer whose body broke off.
    Broken { host: String, why: String },
}

/// What the Hub says when it refuses.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// `X-Error-Code`.
    pub(crate) code: String,
    /// `X-Error-Message`, else the body's `error`; cleaned.
    pub(crate) said: String,
}

/// Why there is no answer: one clause.
pub(super) enum Why {
    /// The server's certificate is not good.
    Certificate(String),
    /// Anything else.
    Other(String),
}

/// Why there is no answer.
pub(super) fn why(error: &reqwest::Error) -> Why {
    if error.is_timeout() {
        return Why::Other("it does not answer in time".to_owned());
    }
    if error.is_dns() {
        return Why::Other("its name is not known here".to_owned());
    }
    let mut cause: &dyn std::error::Error = error;
    loop {
        if let Some(rustls) = cause.downcast_ref::<rustls::Error>() {
            return Why::Certificate(rustls.to_string());
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            // A TLS error hides in one of these, and is no source of it.
            if let Some(inner) = io.get_ref() {
                cause = inner;
                continue;
            }
        }
        match cause.source() {
            Some(source) => cause = source,
            None => break,
        }
    }
    let text = match cause.downcast_ref::<std::io::Error>() {
        Some(io) => crate::cache::in_words(io),
        None => cause.to_string(),
    };
    Why::Other(text)
}
