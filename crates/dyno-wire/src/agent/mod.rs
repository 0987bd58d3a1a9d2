//! A test session and its agent.
//!
//! The session calls, the agent answers. Every call bears an id that its answer
//! repeats; several calls may be on the way at once, and answers come in the order in
//! which the work ends. [`Request::Hello`] comes first. The agent ends when the socket
//! does, or the client process, whichever is first, and then everything it started is
//! killed.
//!
//! Processes and leased ports belong to a *scope*. Closing it stops its processes,
//! newest first, and only then lets go of its ports.

mod answer;
mod millis;
mod order;
mod probe;
mod request;
mod text;

pub use answer::{Answer, Death, Ended, EndedBy, Failure, FailureKind, Forward, HttpAnswer, Usage};
pub use order::{Order, Stdin};
pub use probe::{HttpRequest, Probe};
pub use request::Request;
pub use text::Text;

use serde::{Deserialize, Serialize};

/// A scope of a session, as [`Answer::Scope`] names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeId(pub u64);

/// A process of a session, in the order of start; no operating-system id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(pub u64);

/// What the session sends: a request and the id that its answer is to bear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the session; not 0, which is the agent's own.
    pub id: u64,
    /// What is asked for.
    #[serde(flatten)]
    pub request: Request,
}

/// What the agent sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The call's id; 0 for an [`Failure`] that ends the session and belongs to no call.
    pub id: u64,
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_model::ProcessExit;
    use std::time::Duration;

    fn read(text: &str) -> Call {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn calls_are_read_as_the_client_writes_them() {
        let call = read(
            r#"{"id":7,"type":"start","scope":1,"name":"web","argv":["python",[255,1]],
                "env":[["A","1"]],"cwd":"/","log":"/tmp/a.log","log_limit":4096,
                "grace_ms":1500,"stdin":"pipe","guard":false,"secrets":[]}"#,
        );
        let Request::Start { order, .. } = call.request else {
            panic!("{call:?}");
        };
        assert_eq!(order.argv[1].as_bytes(), [255, 1]);
        assert_eq!(order.grace, Duration::from_millis(1500));
        assert_eq!(order.stdin, Stdin::Pipe);

        let stop = read(r#"{"id":8,"type":"stop","process":2}"#);
        assert_eq!(
            stop.request,
            Request::Stop {
                process: ProcessId(2),
                grace: None
            }
        );
    }

    #[test]
    fn answers_come_back_as_they_were() {
        for answer in [
            Answer::Done,
            Answer::State {
                exit: Some(ProcessExit::Signal(9)),
                paused: false,
            },
            Answer::Failed(Failure {
                kind: FailureKind::Timeout,
                message: "late".to_owned(),
                exit: None,
                tail: Some("a\nb".to_owned()),
            }),
        ] {
            let reply = Reply { id: 3, answer };
            let text = serde_json::to_string(&reply).unwrap();
            assert_eq!(
                serde_json::from_str::<Reply>(&text).unwrap(),
                reply,
                "{text}"
            );
        }
    }

    #[test]
    fn an_unknown_request_is_refused() {
        assert!(serde_json::from_str::<Call>(r#"{"id":1,"type":"reboot"}"#).is_err());
    }
}
