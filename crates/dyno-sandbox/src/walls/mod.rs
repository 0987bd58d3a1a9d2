//! Walls between a test and the rest of the machine: Linux namespaces (`namespaces(7)`).
//!
//! [`build()`] starts the first process of a sandbox behind the walls that a [`Blueprint`] names,
//! sets up there what tests expect of a machine (a loopback device, a routable address,
//! `/tmp`, `/dev/shm`, `/proc`), and lets it go on with what it was given to do. What is started
//! by it is behind the walls too; another process gets there by its descriptor (`setns(2)`).
//! When the first process ends, the kernel ends all others behind the same wall of processes.
//!
//! Root builds walls as it is. Whoever is not root, or a root without `CAP_SYS_ADMIN`, gets a user
//! namespace first, in which it keeps its own ids, so that files belong to whom they belonged.

mod build;
mod mounts;
mod network;
mod users;

pub(crate) use build::try_users;
pub use build::{Init, build, build_what_can_be};

use rustix::thread::UnshareFlags;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What a sandbox keeps to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wall {
    /// Network devices, addresses, ports and abstract Unix sockets.
    Net,
    /// Mounts: `/tmp` and `/dev/shm` are its own.
    Mount,
    /// Process ids. Needs [`Wall::Mount`], for a `/proc` that shows them.
    Pid,
    /// System V shared memory, semaphores and queues, and POSIX queues.
    Ipc,
    /// The hostname: who changes it, changes it for nobody else.
    Uts,
}

impl Wall {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Net, Self::Mount, Self::Pid, Self::Ipc, Self::Uts];

    fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Mount => "mount",
            Self::Pid => "pid",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
        }
    }

    fn flag(self) -> UnshareFlags {
        match self {
            Self::Net => UnshareFlags::NEWNET,
            Self::Mount => UnshareFlags::NEWNS,
            Self::Pid => UnshareFlags::NEWPID,
            Self::Ipc => UnshareFlags::NEWIPC,
            Self::Uts => UnshareFlags::NEWUTS,
        }
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A name that no wall has.
#[derive(Debug, thiserror::Error)]
#[error("no wall is called {0:?}: there are net, mount, pid, ipc and uts")]
pub struct NoSuchWall(String);

impl FromStr for Wall {
    type Err = NoSuchWall;

    fn from_str(name: &str) -> Result<Self, NoSuchWall> {
        Self::ALL
            .into_iter()
            .find(|wall| wall.name() == name)
            .ok_or_else(|| NoSuchWall(name.to_owned()))
    }
}

/// A sandbox to be built.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// Which walls.
    pub walls: Vec<Wall>,
    /// A folder of the sandbox's own. What is `/tmp` inside is `tmp` in here.
    pub folder: PathBuf,
    /// Files and folders below `/tmp` and `/dev/shm` that are inside what they are outside.
    pub shared: Vec<PathBuf>,
}

impl Blueprint {
    fn has(&self, wall: Wall) -> bool {
        self.walls.contains(&wall)
    }

    /// The same, without a wall and without those that need it.
    fn without(&self, wall: Wall) -> Self {
        let falls = |other: &Wall| *other == wall || (wall == Wall::Mount && *other == Wall::Pid);
        Self {
            walls: self
                .walls
                .iter()
                .copied()
                .filter(|wall| !falls(wall))
                .collect(),
            ..self.clone()
        }
    }
}

/// A wall that cannot be built here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wall}: {why}")]
pub struct Missing {
    /// Which.
    pub wall: Wall,
    /// What was tried, and what the kernel said.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_is_known_by_its_name() {
        for wall in Wall::ALL {
            assert_eq!(wall.to_string().parse::<Wall>().unwrap(), wall);
        }
        let error = "network".parse::<Wall>().unwrap_err().to_string();
        assert!(
            error.contains("\"network\"") && error.contains("net, mount"),
            "{error}"
        );
    }

    #[test]
    fn process_ids_are_not_walled_off_without_a_proc_that_shows_them() {
        let all = Blueprint {
            walls: Wall::ALL.to_vec(),
            folder: PathBuf::new(),
            shared: Vec::new(),
        };
        assert_eq!(
            all.without(Wall::Mount).walls,
            [Wall::Net, Wall::Ipc, Wall::Uts]
        );
        assert_eq!(all.without(Wall::Net).walls[0], Wall::Mount);
    }
}
