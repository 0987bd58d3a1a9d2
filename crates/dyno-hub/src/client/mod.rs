//! Requests to a Hub and to the storage that it sends one to.

mod failure;

pub(crate) use failure::{Passing, Refusal};

use crate::error::FetchError;
use crate::headers::{self, Headers};
use crate::mask::Mask;
use crate::{Place, Token};
use dyno_model::ModelName;
use failure::{Why, why};
use jiff::Timestamp;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url, redirect};
use std::time::Duration;

/// As many redirects as `huggingface_hub` and browsers follow, or fewer.
const MOST_REDIRECTS: usize = 10;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one Hub.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: Url,
    authorization: Option<HeaderValue>,
    token: Option<Token>,
    pub(crate) mask: Mask,
    /// The Hub, as messages name it.
    pub(crate) hub: String,
}

/// An answer of 2xx.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) headers: Headers,
    /// `X-Linked-Etag` and `X-Linked-Size` of the first answer that had them, else `ETag` and
    /// `Content-Length` of the Hub's own.
    pub(crate) etag: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) commit: Option<String>,
}

/// No such answer.
pub(crate) enum Trouble {
    /// It may pass.
    Passing(Passing),
    /// 416.
    OutOfRange,
    /// The Hub refuses; the status and what it says.
    Refusal(Refusal),
    /// It will not pass.
    Final(FetchError),
}

impl Client {
    pub(crate) fn new(place: &Place) -> Result<Self, FetchError> {
        let mask = Mask::of(place.token.as_ref());
        let wrong = |why: &str| FetchError::Endpoint {
            endpoint: mask.clean(&without_user(&place.endpoint)),
            why: why.to_owned(),
        };
        let endpoint = Url::parse(&place.endpoint).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host_str().is_none() {
            return Err(wrong("it does not begin with https:// or http://"));
        }
        let hub = host(&endpoint);
        let authorization = match &place.token {
            None => None,
            Some(token) => {
                let value = HeaderValue::try_from(format!("Bearer {}", token.secret()));
                let mut value = value.map_err(|_| FetchError::TokenRefused {
                    hub: hub.clone(),
                    source_of_token: format!(
                        "{}: it has letters that no token has",
                        token.source()
                    ),
                })?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            http: http(place.timeout, &endpoint, &mask)?,
            authorization,
            token: place.token.clone(),
            hub,
            endpoint,
            mask,
        })
    }

    /// Whether a token is sent.
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Where the token was found.
    pub(crate) fn token_source(&self) -> String {
        let source = self.token.as_ref().map(|token| token.source().to_string());
        source.unwrap_or_default()
    }

    /// A model's page for people.
    pub(crate) fn page(&self, name: &ModelName) -> String {
        let mut page = self.address(&name.as_str().split('/').collect::<Vec<_>>());
        // A user and a password of the address are nobody's business.
        let _ = page.set_username("");
        let _ = page.set_password(None);
        page.into()
    }

    /// The address of something below the endpoint, each part of it quoted.
    pub(crate) fn address(&self, parts: &[&str]) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// Asks, and follows redirects. The token goes to the Hub alone.
    pub(crate) async fn ask(
        &self,
        method: Method,
        address: Url,
        from: u64,
    ) -> Result<Answer, Trouble> {
        let mut url = address;
        let (mut etag, mut size, mut commit) = (None, None, None);
        for _ in 0..=MOST_REDIRECTS {
            let at_hub = url.origin() == self.endpoint.origin();
            let response = self.send(method.clone(), url.clone(), from, at_hub).await?;
            let text = |name: &str| of(response.headers(), name);
            commit = commit.or_else(|| text("x-repo-commit"));
            etag = etag.or_else(|| text("x-linked-etag"));
            size = size.or_else(|| text("x-linked-size")?.parse().ok());
            let status = response.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                url = self.target(&url, &response).map_err(Trouble::Final)?;
                // What a file in large-file storage is stands in the Hub's own answer.
                if method == Method::HEAD && etag.is_some() {
                    return Ok(self.answer(response, etag, size, commit));
                }
                continue;
            }
            if !status.is_success() {
                return Err(self.trouble(response, at_hub).await);
            }
            if at_hub {
                etag = etag.or_else(|| of(response.headers(), "etag"));
                if status == StatusCode::OK {
                    size = size.or_else(|| of(response.headers(), "content-length")?.parse().ok());
                }
            }
            return Ok(self.answer(response, etag, size, commit));
        }
        Err(Trouble::Final(FetchError::Redirects {
            host: self.hub.clone(),
            what: self.what(&url),
            why: "in a circle",
        }))
    }

    /// What was asked for, as a message names it: without a query, which may be a signature.
    pub(crate) fn what(&self, url: &Url) -> String {
        self.mask.clean(url.path())
    }

    /// A host, as messages name it: a redirect names what it likes.
    fn host(&self, url: &Url) -> String {
        self.mask.clean(&host(url))
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        from: u64,
        at_hub: bool,
    ) -> Result<Response, Trouble> {
        let host = self.host(&url);
        let mut request = self
            .http
            .request(method, url)
            // Bytes are counted and summed up as they are stored.
            .header(header::ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if let Some(authorization) = self.authorization.as_ref().filter(|_| at_hub) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let sent = request.send().await;
        sent.map_err(|error| self.no_answer(&host, error))
    }

    fn target(&self, url: &Url, response: &Response) -> Result<Url, FetchError> {
        let wrong = |why| FetchError::Redirects {
            host: self.host(url),
            what: self.what(url),
            why,
        };
        let location = of(response.headers(), "location").ok_or_else(|| wrong("nowhere"))?;
        let target = url.join(&location).map_err(|_| wrong("nowhere"))?;
        if !matches!(target.scheme(), "http" | "https") || target.host_str().is_none() {
            return Err(wrong("to what is no web address"));
        }
        Ok(target)
    }

    fn answer(
        &self,
        response: Response,
        etag: Option<String>,
        size: Option<u64>,
        commit: Option<String>,
    ) -> Answer {
        Answer {
            headers: read(response.headers()),
            response,
            etag,
            size,
            commit: commit.map(|commit| self.mask.clean(&commit)),
        }
    }

    async fn trouble(&self, response: Response, at_hub: bool) -> Trouble {
        let (status, host) = (response.status(), self.host(response.url()));
        let told = read(response.headers()).wait;
        let code = of(response.headers(), "x-error-code").unwrap_or_default();
        let message = of(response.headers(), "x-error-message");
        let said = match message {
            Some(message) => message,
            None => error_of_body(response).await,
        };
        let said = self.mask.clean(&said);
        match status {
            StatusCode::RANGE_NOT_SATISFIABLE => Trouble::OutOfRange,
            StatusCode::TOO_MANY_REQUESTS => Trouble::Passing(Passing::Wish { told }),
            StatusCode::SERVICE_UNAVAILABLE if told.is_some() => {
                Trouble::Passing(Passing::Wish { told })
            }
            // A storage that refuses has been sent an address that is too old: the Hub gives a
            // new one with the next attempt.
            status
                if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT || !at_hub =>
            {
                Trouble::Passing(Passing::Status {
                    host,
                    status: status.as_u16(),
                    said,
                })
            }
            status => Trouble::Refusal(Refusal {
                status: status.as_u16(),
                code: self.mask.clean(&code),
                said,
            }),
        }
    }

    fn no_answer(&self, host: &str, error: reqwest::Error) -> Trouble {
        let host = host.to_owned();
        let error = error.without_url();
        match why(&error) {
            Why::Certificate(why) => Trouble::Final(FetchError::Tls {
                host,
                why: self.mask.clean(&why),
            }),
            Why::Other(why) => Trouble::Passing(Passing::Network {
                host,
                why: self.mask.clean(&why),
            }),
        }
    }

    /// Why a body broke off.
    pub(crate) fn broken(&self, host: &str, error: reqwest::Error) -> Passing {
        let (Why::Certificate(why) | Why::Other(why)) = why(&error.without_url());
        Passing::Broken {
            host: self.mask.clean(host),
            why: self.mask.clean(&why),
        }
    }
}

/// `HF_ENDPOINT` without a user and a password.
fn without_user(endpoint: &str) -> String {
    match (endpoint.split_once("://"), endpoint.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => endpoint.to_owned(),
    }
}

fn http(timeout: Duration, endpoint: &Url, mask: &Mask) -> Result<reqwest::Client, FetchError> {
    // Fails where there is one already, which is then good enough.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("dyno/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(timeout)
    };
    match builder().build() {
        Ok(client) => Ok(client),
        // A machine without certificates can still speak to a Hub without TLS.
        Err(_) if endpoint.scheme() == "http" => builder()
            .tls_certs_only([])
            .build()
            .map_err(|error| tls(endpoint, &error, mask)),
        Err(error) => Err(tls(endpoint, &error, mask)),
    }
}

fn tls(endpoint: &Url, error: &reqwest::Error, mask: &Mask) -> FetchError {
    let (Why::Certificate(why) | Why::Other(why)) = why(error);
    FetchError::Tls {
        host: host(endpoint),
        why: mask.clean(&why),
    }
}

/// `huggingface.co`, `127.0.0.1:8080`.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn of(headers: &HeaderMap, name: &str) -> Option<String> {
    let name = HeaderName::try_from(name).ok()?;
    let value = String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned();
    Some(value).filter(|value| !value.is_empty())
}

fn read(headers: &HeaderMap) -> Headers {
    let text = |name| of(headers, name);
    Headers {
        wait: headers::wait(
            text("retry-after").as_deref(),
            text("ratelimit").as_deref(),
            Timestamp::now(),
        ),
        range: text("content-range").and_then(|text| headers::content_range(&text)),
        length: text("content-length").and_then(|text| text.parse().ok()),
    }
}

/// The `error` of a JSON body, of which no more is read than a message has.
async fn error_of_body(mut response: Response) -> String {
    #[derive(serde::Deserialize)]
    struct Body {
        error: String,
    }
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > 64 << 10 {
            break;
        }
    }
    serde_json::from_slice::<Body>(&body).map_or_else(|_| String::new(), |body| body.error)
}
