//! What a process reads on its standard input.

use crate::error::CallError;
use crate::ready::deadline;
use std::io;
use std::os::fd::OwnedFd;
use std::process::ChildStdin;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;
use tokio::sync::Mutex;
use tokio::time::timeout_at;

/// The pipe to one process; texts go in whole, one after the other.
#[derive(Debug)]
pub(crate) struct Input {
    is_pipe: bool,
    pipe: Mutex<Option<Sender>>,
}

impl Input {
    /// Must be called within a runtime where there is a pipe.
    pub(crate) fn new(stdin: Option<ChildStdin>) -> Self {
        let is_pipe = stdin.is_some();
        let pipe = stdin.and_then(|stdin| Sender::from_owned_fd(OwnedFd::from(stdin)).ok());
        Self {
            is_pipe,
            pipe: Mutex::new(pipe),
        }
    }

    /// Writes all, or says how much was taken.
    pub(crate) async fn write(
        &self,
        name: &str,
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), CallError> {
        let mut taken = 0;
        let write = async {
            let mut pipe = self.pipe.lock().await;
            let Some(pipe) = pipe.as_mut() else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            while taken < data.len() {
                taken += pipe.write(&data[taken..]).await?;
            }
            Ok(())
        };
        let ended = timeout_at(deadline(timeout).into(), write).await;
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(CallError::Request(self.refusal(name, &error))),
            Err(_) => Err(CallError::Timeout {
                message: format!(
                    "{name:?} has read {taken} of {} bytes of its standard input after {} s",
                    data.len(),
                    timeout.as_secs_f64()
                ),
                tail: None,
            }),
        }
    }

    /// Closes the pipe.
    pub(crate) async fn close(&self, name: &str) -> Result<(), CallError> {
        if !self.is_pipe {
            let error = io::ErrorKind::NotConnected.into();
            return Err(CallError::Request(self.refusal(name, &error)));
        }
        self.pipe.lock().await.take();
        Ok(())
    }

    fn refusal(&self, name: &str, error: &io::Error) -> String {
        match error.kind() {
            _ if !self.is_pipe => {
                format!("{name:?} has no standard input: start it with stdin=True")
            }
            io::ErrorKind::NotConnected => {
                format!("the standard input of {name:?} has been closed")
            }
            io::ErrorKind::BrokenPipe => format!("{name:?} reads its standard input no more"),
            _ => format!("the standard input of {name:?}: {error}"),
        }
    }
}
