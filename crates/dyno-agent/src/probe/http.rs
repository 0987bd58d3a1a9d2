//! HTTP: one request, and what its answer must be.

use super::{open, words};
use crate::error::CallError;
use crate::ready::Sight;
use dyno_wire::agent::{HttpAnswer, HttpRequest};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderValue, LOCATION};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use regex::bytes::Regex;
use std::time::Duration;
use tokio::time::timeout;

/// How much of an answer's body is searched, in bytes. A list of models or a metrics
/// page is tens of KB; a stream without end is not followed further.
const LONGEST_BODY: usize = 1 << 20;

/// A request, ready to be sent.
#[derive(Debug)]
pub(crate) struct HttpCall {
    url: String,
    host: String,
    port: u16,
    request: Request<Full<Bytes>>,
}

/// A request and what is expected.
#[derive(Debug)]
pub(crate) struct HttpCheck {
    call: HttpCall,
    status: Vec<u16>,
    body_matches: Option<Regex>,
}

impl HttpCall {
    /// Checks the parts of a request.
    pub(crate) fn new(request: &HttpRequest) -> Result<Self, CallError> {
        let HttpRequest {
            url,
            method,
            headers,
            body,
        } = request;
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
            url: url.clone(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            request,
        })
    }

    /// What it is, for messages.
    pub(crate) fn name(&self) -> String {
        format!("http {} {}", self.request.method(), self.url)
    }

    /// Sends it once and reads the answer, within [`super::ATTEMPT_LIMIT`] or `limit` if that
    /// is shorter.
    pub(crate) async fn fetch(&self, limit: Duration) -> Result<HttpAnswer, String> {
        let limit = limit.min(super::ATTEMPT_LIMIT);
        let whole = async {
            let answer = self.send().await?;
            let headers = answer.headers().iter();
            let headers = headers.map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            });
            Ok(HttpAnswer {
                status: answer.status().as_u16(),
                headers: headers.collect(),
                body: String::from_utf8_lossy(&read_body(answer).await?).into_owned(),
            })
        };
        let late = format!("no answer within {} s", limit.as_secs_f64());
        timeout(limit, whole).await.unwrap_or(Err(late))
    }

    async fn send(&self) -> Result<Response<Incoming>, String> {
        let opened = open(&self.host, self.port).await;
        let stream = opened.map_err(|error| words(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unanswered(&error))?;
        // It ends by itself when the sender and the answer's body are dropped.
        tokio::task::spawn_local(connection);
        let answer = sender.send_request(self.request.clone()).await;
        answer.map_err(|error| unanswered(&error))
    }
}

impl HttpCheck {
    pub(crate) fn new(
        request: &HttpRequest,
        status: Vec<u16>,
        body_matches: Option<Regex>,
    ) -> Result<Self, CallError> {
        Ok(Self {
            call: HttpCall::new(request)?,
            status,
            body_matches,
        })
    }

    /// What is looked for, for messages.
    pub(crate) fn name(&self) -> String {
        self.call.name()
    }

    /// Sends the request once.
    pub(crate) async fn attempt(&self) -> Sight {
        match self.exchange().await {
            Ok(seen) => Sight::Met(seen),
            Err(seen) => Sight::NotYet(seen),
        }
    }

    async fn exchange(&self) -> Result<String, String> {
        let answer = self.call.send().await?;
        let status = answer.status().as_u16();
        if !self.status.contains(&status) {
            let to = answer.headers().get(LOCATION);
            let to = to.map(|to| format!(" to {}", String::from_utf8_lossy(to.as_bytes())));
            let to = to.unwrap_or_default();
            return Err(format!("status {status}{to}, not {:?}", self.status));
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
        Ok(format!("status {status}"))
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

    fn get(url: &str) -> HttpRequest {
        HttpRequest {
            url: url.to_owned(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    #[test]
    fn a_url_is_taken_apart() {
        let check = HttpCall::new(&get("http://[::1]:81/a?b=c")).unwrap();
        assert_eq!((check.host.as_str(), check.port), ("::1", 81));
        assert_eq!(check.request.uri(), "/a?b=c");
        assert_eq!(check.request.headers()[HOST], "[::1]:81");
        let bare = HttpCall::new(&get("http://localhost")).unwrap();
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
            let error = HttpCall::new(&get(url)).unwrap_err().to_string();
            assert!(
                error.contains(url) && error.ends_with(why),
                "{url}: {error}"
            );
        }
    }
}
