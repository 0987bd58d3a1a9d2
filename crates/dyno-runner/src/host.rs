//! A keeper, the templates below it, and how their end becomes known.

use crate::RunError;
use crate::lifeline::{self, Told};
use crate::machine::Input;
use crate::peer::{Outbox, connect};
use crate::spawn::Template;
use dyno_model::{ProcessExit, TemplateId};
use dyno_wire::FrameError;
use dyno_wire::template::ToTemplate;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashMap;
use std::io;
use std::os::unix::net;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_local};

/// How long a dead template's last words may take to be read. Its socket closes with it,
/// unless something else holds a copy.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a keeper did what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// It ended after everything below it.
    ToTheEnd,
    /// A signal ended it, and what was below it may live.
    Lost,
}

/// What was started to collect and fork.
pub(crate) struct Host {
    template: Outbox,
    siblings: HashMap<TemplateId, Outbox>,
    pub(crate) pid: Option<u32>,
    pidfd: Option<OwnedFd>,
    keeper_ended: JoinHandle<Keeping>,
    /// Once it has.
    kept: Option<Keeping>,
    /// Dropping it kills everything under the keeper.
    lifeline: OwnedWriteHalf,
}

impl Host {
    pub(crate) fn connect(template: Template, inbox: &mpsc::Sender<Input>) -> io::Result<Self> {
        let Template {
            keeper,
            socket,
            lifeline,
        } = template;
        // How the template ended is told after all that it said.
        let (drained, is_drained) = oneshot::channel::<()>();
        let says = |message| Input::Template(TemplateId::FIRST, message);
        let outbox = connect(socket, inbox.clone(), says, move |garbage| {
            let _ = drained.send(());
            garbage.map(Input::TemplateGarbled)
        })?;
        lifeline.set_nonblocking(true)?;
        let (told, lifeline) = UnixStream::from_std(lifeline)?.into_split();
        let keeper_ended = spawn_local(watch(keeper, told, is_drained, inbox.clone()));
        Ok(Self {
            template: outbox,
            siblings: HashMap::new(),
            pid: None,
            pidfd: None,
            keeper_ended,
            kept: None,
            lifeline,
        })
    }

    /// Hands the template the sockets of its siblings.
    pub(crate) fn add_siblings(
        &mut self,
        count: u32,
        inbox: &mpsc::Sender<Input>,
    ) -> Result<(), RunError> {
        for template in (1..=count).map(TemplateId) {
            let (ours, theirs) = net::UnixStream::pair().map_err(RunError::Runtime)?;
            let sibling = ToTemplate::Sibling { template };
            self.tell(TemplateId::FIRST, &sibling, vec![theirs.into()])?;
            let says = move |message| Input::Template(template, message);
            let outbox = connect(ours, inbox.clone(), says, move |garbage| {
                let closed = Input::SiblingClosed(template);
                Some(garbage.map_or(closed, Input::TemplateGarbled))
            });
            self.siblings
                .insert(template, outbox.map_err(RunError::Runtime)?);
        }
        Ok(())
    }

    /// Takes hold of the template's process.
    pub(crate) fn is_process(&mut self, pid: u32) {
        self.pid = Some(pid);
        self.pidfd = open_pidfd(pid);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pidfd) = &self.pidfd {
            // It may have ended meanwhile, which is as good.
            let _ = pidfd_send_signal(pidfd, signal);
        }
    }

    /// Lets go of the siblings: one that hears nobody any more ends, and its workers live on.
    pub(crate) fn drop_siblings(&mut self) {
        self.siblings.clear();
    }

    /// Tells the first template, or a sibling where there is this one.
    pub(crate) fn tell(
        &self,
        template: TemplateId,
        message: &ToTemplate,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), FrameError> {
        let outbox = self.siblings.get(&template).unwrap_or(&self.template);
        outbox.send(message, descriptors)
    }

    /// Waits until the keeper has ended.
    pub(crate) async fn ended(&mut self) {
        if self.kept.is_none() {
            self.kept = (&mut self.keeper_ended).await.ok();
        }
    }

    /// Whether the keeper was killed, and what was below it may live.
    pub(crate) async fn is_lost(&mut self) -> bool {
        if self.keeper_ended.is_finished() {
            self.ended().await;
        }
        self.kept == Some(Keeping::Lost)
    }

    /// Kills what is left and waits until it is dead.
    pub(crate) async fn close(mut self) {
        drop(self.lifeline);
        if self.kept.is_none() {
            let _ = (&mut self.keeper_ended).await;
        }
    }
}

/// A descriptor that names a process for as long as it is held.
pub(crate) fn open_pidfd(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Tells once that the template ended, and each orphan's end, until the keeper's own.
async fn watch(
    mut keeper: Child,
    told: OwnedReadHalf,
    is_drained: oneshot::Receiver<()>,
    inbox: mpsc::Sender<Input>,
) -> Keeping {
    let mut is_drained = Some(is_drained);
    let mut lines = BufReader::new(told).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let input = match lifeline::parse(&line) {
            Some(Told::TemplateEnded(exit)) => {
                drain(&mut is_drained).await;
                Input::TemplateGone(exit)
            }
            Some(Told::OrphanEnded { pid, exit }) => Input::OrphanEnded { pid, exit },
            None => continue,
        };
        let _ = inbox.send(input).await;
    }
    let exit = match keeper.wait().await.map(|status| status.code()) {
        Ok(Some(code)) if code > 128 => ProcessExit::Signal(code - 128),
        Ok(Some(code)) => ProcessExit::Code(code),
        _ => ProcessExit::Unknown,
    };
    if is_drained.is_some() {
        drain(&mut is_drained).await;
        let _ = inbox.send(Input::TemplateGone(exit)).await;
    }
    if exit == ProcessExit::Unknown {
        Keeping::Lost
    } else {
        Keeping::ToTheEnd
    }
}

async fn drain(is_drained: &mut Option<oneshot::Receiver<()>>) {
    if let Some(is_drained) = is_drained.take() {
        let _ = tokio::time::timeout(LAST_WORDS, is_drained).await;
    }
}
