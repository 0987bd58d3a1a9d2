//! User namespaces (`user_namespaces(7)`): how whoever is not root may build walls.

use rustix::process::{Pid, getegid, geteuid};
use std::{fs, io};

/// Whether walls are built as one is, without a user namespace.
pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

/// Gives the ids of this process to a child in a user namespace of its own, so that it is
/// inside who it is outside.
pub(super) fn keep_own_ids(child: Pid) -> io::Result<()> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let of = |file: &str| format!("/proc/{}/{file}", child.as_raw_nonzero());
    fs::write(of("uid_map"), format!("{user} {user} 1"))?;
    // Without it, who is not root may not map a group.
    fs::write(of("setgroups"), "deny")?;
    fs::write(of("gid_map"), format!("{group} {group} 1"))
}
