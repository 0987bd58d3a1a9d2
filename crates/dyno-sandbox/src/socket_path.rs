//! Addresses of Unix sockets whose path is long.

use rustix::fs::{Mode, OFlags, open};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Another path of a socket: an address has room for 107 bytes (`unix(7)`), and the folder of a
/// run may have more.
#[derive(Debug)]
pub struct SocketPath {
    _folder: OwnedFd,
    short: PathBuf,
}

impl SocketPath {
    /// Of a socket that is, or is to be, in a folder that exists.
    pub fn of(path: &Path) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let folder = open(folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let name = path.file_name().unwrap_or_default();
        let number = folder.as_raw_fd().to_string();
        let short = Path::new("/proc/self/fd").join(number).join(name);
        Ok(Self {
            _folder: folder,
            short,
        })
    }

    /// The path, which is this process's own, and valid as long as this value is.
    pub fn as_path(&self) -> &Path {
        &self.short
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_socket_may_be_deep_down() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        let path = deep.join("socket");
        assert!(UnixListener::bind(&path).is_err(), "else nothing is shown");
        let listener = UnixListener::bind(SocketPath::of(&path).unwrap().as_path()).unwrap();
        UnixStream::connect(SocketPath::of(&path).unwrap().as_path()).unwrap();
        listener.accept().unwrap();
        assert!(path.exists());
    }
}
