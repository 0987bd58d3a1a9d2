//! What must hold before a process counts as ready.

use super::Text;
use serde::{Deserialize, Serialize};

/// One thing that must hold before a process counts as ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
pub enum Probe {
    /// A TCP connection is accepted.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// An HTTP request is answered as expected.
    Http {
        /// What is sent.
        #[serde(flatten)]
        request: HttpRequest,
        /// The statuses that are expected.
        status: Vec<u16>,
        /// A regular expression that the answer's body must match somewhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body_matches: Option<String>,
    },
    /// A line of the log matches.
    Log {
        /// The regular expression.
        pattern: String,
    },
    /// The server answers `SERVING` to `grpc.health.v1.Health/Check`.
    Grpc {
        /// Host name or address.
        host: String,
        /// Port, without TLS.
        port: u16,
        /// The service asked for; empty for the server as a whole.
        service: String,
    },
    /// A command exits with 0. It runs in the environment and the folder of the process.
    Command {
        /// Program and arguments; at least the program.
        argv: Vec<Text>,
    },
}

/// One request over HTTP/1.1 without TLS. Redirects are not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// An `http://` URL.
    pub url: String,
    /// The method.
    pub method: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The request's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Text>,
}
