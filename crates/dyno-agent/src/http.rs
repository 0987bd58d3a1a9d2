//! The HTTP probe: one request, and what its answer must be.

use crate::check::{compile, is_itself, words};
use crate::error::CallError;
use crate::readiness::Sight;
use dyno_wire::agent::Probe;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use regex::bytes::Regex;
use tokio::net::TcpStream;

/// How much of an answer's body is searched, in bytes. A list of models or a metrics
/// page is tens of KB; a stream without end is not followed further.
const LONGEST_BODY: usize = 1 << 20;

/// A request, ready to be sent, and what is expected.
#[derive(Debug)]
pub(crate) struct HttpCheck {
    method: String,
    url: String,
    host: String,
    port: u16,
    request: Request<Full<Bytes>>,
    status: Vec<u16>,
    body_matches: Option<Regex>,
}

impl HttpCheck {
    /// Checks the parts of a [`Probe::Http`].
    pub(crate) fn new(probe: &Probe) -> Result<Self, CallError> {
        let Probe::Http {
            url,
            method,
            headers,
            body,
            status,
            body_matches,
        } = probe
        else {
            return Err(CallError::Request("not an http probe".to_owned()));
        };
        let uri = parse(url)?;
        let body = body
            .as_ref()
            .map(|body| Bytes::copy_from_slice(body.as_bytes()));
        let mut request = Request::builder()
            .method(method.as_str())
            .uri(uri.path_and_query().map_or("/", |path| path.as_str()));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| {
                CallError::Request(format!("the http probe of {url} makes no request: {error}"))
            })?;
        if let (None, Some(authority)) = (request.headers().get(HOST), uri.authority())
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            request.headers_mut().insert(HOST, host);
        }
        let host = uri.host().unwrap_or_default();
        Ok(Self {
            method: method.clone(),
            url: url.clone(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            request,
            status: status.clone(),
            body_matches: body_matches.as_deref().map(compile).transpose()?,
        })
    }

    /// What is looked for, for messages.
    pub(crate) fn name(&self) -> String {
        format!("http {} {}", self.method, self.url)
    }

    /// Sends the request once.
    pub(crate) async fn attempt(&self) -> Sight {
        match self.exchange().await {
            Ok(sight) => sight,
            Err(seen) => Sight::NotYet(seen),
        }
    }

    async fn exchange(&self) -> Result<Sight, String> {
        let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = connected.map_err(|error| words(&error))?;
        if is_itself(&stream) {
            return Err("connection refused".to_owned());
        }
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
            .await
            .map_err(|error| unanswered(&error))?;
        // It ends by itself when the sender and the body below are dropped.
        tokio::task::spawn_local(connection);
        let answer = sender.send_request(self.request.clone()).await;
        let answer = answer.map_err(|error| unanswered(&error))?;
        let status = answer.status().as_u16();
        if !self.status.contains(&status) {
            return Err(format!("status {status}, not {:?}", self.status));
        }
        if let Some(pattern) = &self.body_matches {
            let body = read_body(answer).await?;
            if !pattern.is_match(&body) {
                return Err(format!(
                    "status {status}, and nothing in its body ({} bytes) matches {:?}",
                    body.len(),
                    pattern.as_str()
                ));
            }
        }
        Ok(Sight::Met(format!("status {status}")))
    }
}

fn parse(url: &str) -> Result<Uri, CallError> {
    let bad = |why: &str| CallError::Request(format!("the http probe of {url:?}: {why}"));
    let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some(_) => return Err(bad("only http:// is supported")),
        None => return Err(bad("a URL begins with http://")),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(bad("it names no host"));
    }
    Ok(uri)
}

async fn read_body(answer: Response<Incoming>) -> Result<Vec<u8>, String> {
    let mut body = answer.into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unanswered(&error))?;
        if let Some(data) = frame.data_ref() {
            read.extend_from_slice(&data[..data.len().min(LONGEST_BODY - read.len())]);
        }
        if read.len() == LONGEST_BODY {
            break;
        }
    }
    Ok(read)
}

fn unanswered(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        text = format!("{text}: {cause}");
    }
    format!("no proper answer ({})", text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(url: &str) -> Probe {
        Probe::Http {
            url: url.to_owned(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            status: vec![200],
            body_matches: None,
        }
    }

    #[test]
    fn a_url_is_taken_apart() {
        let check = HttpCheck::new(&probe("http://[::1]:81/a?b=c")).unwrap();
        assert_eq!((check.host.as_str(), check.port), ("::1", 81));
        assert_eq!(check.request.uri(), "/a?b=c");
        assert_eq!(check.request.headers()[HOST], "[::1]:81");
        let bare = HttpCheck::new(&probe("http://localhost")).unwrap();
        assert_eq!((bare.port, bare.request.uri().path()), (80, "/"));
    }

    #[test]
    fn what_cannot_be_asked_is_refused_before_it_is_tried() {
        for (url, why) in [
            ("https://localhost/", "only http:// is supported"),
            ("localhost:80", "a URL begins with http://"),
            ("/health", "a URL begins with http://"),
            ("http://a b/", "not a URL"),
        ] {
            let error = HttpCheck::new(&probe(url)).unwrap_err().to_string();
            assert!(
                error.contains(url) && error.ends_with(why),
                "{url}: {error}"
            );
        }
    }
}
