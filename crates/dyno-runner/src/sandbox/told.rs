//! What `dyno sandbox` says of what stands (`dyno_sandbox::sandbox`).

use dyno_model::MissingWall;
use rustix::fd::OwnedFd;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// What is said of walls is a line of at most a few hundred bytes for each.
const LONGEST_WORD: usize = 16 * 1024;

/// What stands of one worker's sandbox.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    /// Walls that cannot be built here.
    pub(crate) missing: Vec<MissingWall>,
    /// The flags of `setns(2)`, and the descriptor of the first process behind the others.
    pub(crate) inside: Option<(u32, OwnedFd)>,
    /// Why there is no group, where one was wanted.
    pub(crate) ungrouped: Option<String>,
}

/// Reads what is said, which comes in one piece.
pub(super) async fn listen(lifeline: &UnixStream) -> Sandbox {
    hear(lifeline)
        .await
        .unwrap_or_else(|error| nothing_stands(&error))
}

fn nothing_stands(error: &io::Error) -> Sandbox {
    let wall = "all".to_owned();
    let why = format!("the process that builds them said nothing: {error}");
    Sandbox {
        missing: vec![MissingWall { wall, why }],
        ..Sandbox::default()
    }
}

async fn hear(lifeline: &UnixStream) -> io::Result<Sandbox> {
    loop {
        lifeline.readable().await?;
        match lifeline.try_io(Interest::READABLE, || receive(lifeline)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return received,
        }
    }
}

fn receive(lifeline: &UnixStream) -> io::Result<Sandbox> {
    let mut bytes = vec![0; LONGEST_WORD];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(lifeline, &mut into, &mut ancillary, flags)?.bytes;
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let inside = descriptors.flatten().next();
    if received == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let said = String::from_utf8_lossy(&bytes[..received]);
    Ok(parse(&said, inside))
}

/// Takes the lines apart.
fn parse(said: &str, mut inside: Option<OwnedFd>) -> Sandbox {
    let mut sandbox = Sandbox::default();
    for line in said.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.split_once(' ')) {
            ("missing", Some((wall, why))) => sandbox.missing.push(MissingWall {
                wall: wall.to_owned(),
                why: why.to_owned(),
            }),
            ("ungrouped", _) => sandbox.ungrouped = Some(rest.to_owned()),
            ("built", _) => {
                let namespaces = rest.parse().unwrap_or(0);
                sandbox.inside = inside.take().map(|inside| (namespaces, inside));
            }
            _ => {}
        }
    }
    sandbox
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn lines_are_read_as_a_sandbox_writes_them() {
        let any = || OwnedFd::from(File::open("/dev/null").unwrap());
        let said = "missing net make a process: no\nbuilt 42\n";
        let nothing = parse(said, None);
        assert_eq!(nothing.missing[0].wall, "net");
        assert_eq!(nothing.missing[0].why, "make a process: no");
        assert!(nothing.inside.is_none());
        assert_eq!(parse(said, Some(any())).inside.unwrap().0, 42);
        let why = "cannot make x: Permission denied";
        let walls = parse(&format!("ungrouped {why}\nbuilt 42\n"), Some(any()));
        assert_eq!(walls.ungrouped.as_deref(), Some(why));
        assert!(walls.inside.is_some());
    }
}
