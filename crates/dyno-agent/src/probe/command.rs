//! The command probe: a program that says by its exit code whether a server is ready.

use crate::error::CallError;
use crate::process::{Child, Children, Running, command_of, why_not};
use crate::ready::Sight;
use dyno_model::ProcessExit;
use dyno_sandbox::{Process, Snapshot, strike};
use dyno_wire::agent::{Order, Text};
use rustix::process::getpid;
use std::io::{self, pipe};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// How much of what a command says is kept, in bytes: its last line is told.
const MOST_SAID: usize = 4096;

/// A command, and the server's environment and folder for it.
#[derive(Debug)]
pub(crate) struct CommandCheck {
    argv: Vec<Text>,
    order: Order,
    children: Rc<Children>,
}

/// One run of the command. Dropped, it is ended: an attempt that takes too long is dropped.
struct Attempt {
    child: Rc<Child>,
    pipe: Receiver,
    said: Vec<u8>,
}

impl CommandCheck {
    pub(crate) fn new(
        argv: &[Text],
        process: &Running,
        children: &Rc<Children>,
    ) -> Result<Self, CallError> {
        if argv.is_empty() {
            let message = "a command probe needs a command".to_owned();
            return Err(CallError::Request(message));
        }
        Ok(Self {
            argv: argv.to_vec(),
            order: process.order.clone(),
            children: Rc::clone(children),
        })
    }

    pub(crate) fn name(&self) -> String {
        let words: Vec<_> = self.argv.iter().map(Text::shown).collect();
        format!("command {:?}", words.join(" "))
    }

    /// Runs the command once.
    pub(crate) async fn attempt(&self) -> Sight {
        let mut attempt = match self.start() {
            Ok(attempt) => attempt,
            Err(error) => {
                let program = self.argv[0].to_os_string();
                let cwd = self.order.cwd.to_os_string();
                return Sight::NotYet(why_not(program.as_ref(), Path::new(&cwd), &error));
            }
        };
        match attempt.end().await {
            ProcessExit::Code(0) => Sight::Met("exit code 0".to_owned()),
            exit => match attempt.last_line() {
                line if line.is_empty() => Sight::NotYet(exit.to_string()),
                line => Sight::NotYet(format!("{exit}: {line}")),
            },
        }
    }

    fn start(&self) -> io::Result<Attempt> {
        let (pipe, say) = pipe()?;
        let mut command = command_of(&self.order, &self.argv);
        command
            .stdin(Stdio::null())
            .stdout(say.try_clone()?)
            .stderr(say);
        let (child, _) = self.children.start(&mut command)?;
        Ok(Attempt {
            child,
            pipe: Receiver::from_owned_fd(OwnedFd::from(pipe))?,
            said: Vec::new(),
        })
    }
}

impl Attempt {
    /// Waits for its end, and reads meanwhile, so that nothing it says holds it up.
    async fn end(&mut self) -> ProcessExit {
        let mut bytes = vec![0; 1 << 16];
        let mut reads = true;
        loop {
            tokio::select! {
                biased;
                exit = self.child.ended() => {
                    // Its children may have the pipe too, and go on.
                    while let Ok(read @ 1..) = self.pipe.try_read(&mut bytes) {
                        keep(&mut self.said, &bytes[..read]);
                    }
                    return exit;
                }
                read = self.pipe.read(&mut bytes), if reads => match read {
                    Ok(read @ 1..) => keep(&mut self.said, &bytes[..read]),
                    _ => reads = false,
                },
            }
        }
    }

    fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.said);
        text.trim_end()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned()
    }
}

fn keep(said: &mut Vec<u8>, more: &[u8]) {
    said.extend_from_slice(more);
    said.drain(..said.len().saturating_sub(MOST_SAID));
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let leader = self.child.pid.as_raw_nonzero().get();
        let whole = |snapshot: &Snapshot| -> Vec<Process> {
            let mut below = snapshot.descendants(getpid());
            below.retain(|one| one.session == leader);
            below
        };
        if self.child.exit().is_none() {
            // What it leaves is this process's to reap, and goes at its end at the latest.
            let _ = strike(whole);
        }
    }
}
