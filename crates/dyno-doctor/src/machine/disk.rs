//! Room for what runs write, and whether it can be written.

use crate::paste;
use crate::surroundings::Surroundings;
use dyno_model::{Bytes, Finding};
use rustix::fs::{StatVfsMountFlags, statvfs};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A run of the Dynamo suite writes 20 MB of logs; a full disk costs a run its record.
const ROOM: u64 = 1 << 30;

/// So many files a run makes, with room for others.
const FILES: u64 = 10_000;

/// Another place for temporary files.
const ELSEWHERE: &str = "export TMPDIR=/var/tmp";

/// What is known of the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    places: Vec<Place>,
}

#[derive(Debug, Clone)]
struct Place {
    name: &'static str,
    path: PathBuf,
    space: Option<Space>,
    /// Why nothing can be written there.
    refused: Option<String>,
    mount: Option<Mount>,
}

/// What a file system has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) free: u64,
    /// Files that can still be made; `None` where the file system does not count them.
    pub(crate) files: Option<u64>,
    pub(crate) is_read_only: bool,
    pub(crate) is_noexec: bool,
}

/// Where a file system is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) at: PathBuf,
    /// Read only here, while the file system itself is not.
    pub(crate) is_bound_read_only: bool,
    pub(crate) is_read_only: bool,
}

impl Mount {
    /// The command that makes it writable.
    pub(crate) fn writable(&self) -> String {
        let how = if self.is_bound_read_only {
            "remount,bind,rw"
        } else {
            "remount,rw"
        };
        let at = self.at.to_string_lossy();
        paste::command(&["sudo", "mount", "-o", how, &at])
    }
}

pub(crate) fn space(path: &Path) -> Option<Space> {
    let found = statvfs(path).ok()?;
    Some(Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        files: (found.f_files > 0).then_some(found.f_favail),
        is_read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
        is_noexec: found.f_flag.contains(StatVfsMountFlags::NOEXEC),
    })
}

/// The mount that a path is in, of the text of `/proc/self/mountinfo` (proc(5)).
pub(crate) fn mounts(table: &str, path: &Path) -> Option<Mount> {
    let row = |line: &str| {
        let (own, rest) = line.split_once(" - ")?;
        let mut own = own.split(' ').skip(4);
        let at = PathBuf::from(std::ffi::OsStr::from_bytes(&unescaped(own.next()?)));
        let read_only = |options: &str| options.split(',').any(|one| one == "ro");
        let here = read_only(own.next()?);
        let whole = rest.split(' ').nth(2).is_some_and(read_only);
        Some(Mount {
            at,
            is_bound_read_only: here && !whole,
            is_read_only: here || whole,
        })
    };
    // Of those at one place the last hides the others.
    let holds = |mount: &Mount| path.starts_with(&mount.at);
    let all = table.lines().filter_map(row).filter(holds);
    all.max_by_key(|mount| mount.at.as_os_str().len())
}

/// `\040` is a space.
fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let octal = bytes.get(at + 1..at + 4).filter(|_| byte == b'\\');
        let value =
            octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(value.unwrap_or(byte));
        at += if value.is_some() { 4 } else { 1 };
    }
    plain
}

impl Facts {
    pub(super) fn look(around: &Surroundings) -> Self {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let place = |name, path: PathBuf| {
            let refused = tempfile::tempfile_in(&path).err().map(|error| why(&error));
            let whole = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            Place {
                name,
                space: space(&path),
                refused,
                mount: mounts(&table, &whole),
                path,
            }
        };
        Self {
            places: vec![
                place("disk of runs", around.folder.clone()),
                place("temporary files", std::env::temp_dir()),
            ],
        }
    }
}

/// An error of the system without its number.
fn why(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let text = text.split(" at path").next().unwrap_or_default();
    text.to_lowercase()
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    facts.places.iter().map(judge_place).collect()
}

/// A copy of a folder that is somebody else's.
fn elsewhere_of(path: &Path) -> String {
    match path.file_name() {
        Some(name) => format!(
            "cp -r {} ~/ && cd ~/{}",
            paste::path(path),
            paste::path(Path::new(name))
        ),
        None => "cd ~".to_owned(),
    }
}

fn judge_place(place: &Place) -> Finding {
    let Place { name, path, .. } = place;
    let shown = path.display();
    let is_temporary = *name == "temporary files";

    if let Some(why) = &place.refused {
        let costs = if is_temporary {
            "no test can run"
        } else {
            "runs leave no record: no report, no resume"
        };
        let remedy = match &place.mount {
            Some(mount) if mount.is_read_only => mount.writable(),
            _ if !path.exists() => paste::command(&["mkdir", "-p", &path.to_string_lossy()]),
            _ if is_temporary => ELSEWHERE.to_owned(),
            _ => elsewhere_of(path),
        };
        return Finding::costs(*name, format!("{shown} cannot be written: {why}"), costs)
            .mended_by(Some(remedy));
    }
    let Some(space) = place.space else {
        return Finding::good(*name, shown.to_string());
    };
    let found = format!("{} free in {shown}", Bytes(space.free));
    let largest = format!(
        "du -xh --max-depth=2 {} | sort -h | tail",
        paste::path(path)
    );
    if space.free < ROOM {
        return Finding::costs(
            *name,
            found,
            "runs lose their record, and tests fail, when it is full",
        )
        .mended_by(Some(largest));
    }
    if let Some(files) = space.files.filter(|files| *files < FILES) {
        return Finding::costs(
            *name,
            format!("{found}, and room for {files} files"),
            "runs lose their record, and tests fail, when no more can be made",
        )
        .mended_by(Some(
            largest
                .replace("du -xh", "du -x --inodes")
                .replace("sort -h", "sort -n"),
        ));
    }
    if space.is_noexec && is_temporary {
        return Finding::costs(
            *name,
            format!("{found}, where nothing may be executed (noexec)"),
            "what compiles at run time (Triton, torch.compile) fails, and so do tests that write a program",
        )
        .mended_by(Some(ELSEWHERE.to_owned()));
    }
    Finding::good(*name, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_the_page::assert_mends;
    use dyno_model::FindingState::{Costs, Good};

    const TABLE: &str = "\
22 1 8:1 / / rw,relatime - ext4 /dev/root rw
23 22 0:5 / /proc rw - proc proc rw
24 22 8:1 /cache /my\\040cache ro,relatime shared:1 - ext4 /dev/root rw
25 22 8:2 / /frozen rw - ext4 /dev/sdb ro
";

    #[test]
    fn a_path_is_in_the_nearest_mount() {
        for (path, at, bound, read_only) in [
            ("/home/x", "/", false, false),
            ("/my cache/hub", "/my cache", true, true),
            ("/my cached", "/", false, false),
            ("/frozen/x", "/frozen", false, true),
        ] {
            let mount = mounts(TABLE, Path::new(path)).unwrap();
            assert_eq!(mount.at, Path::new(at));
            assert_eq!(
                (mount.is_bound_read_only, mount.is_read_only),
                (bound, read_only),
                "{path}"
            );
        }
        let mount = mounts(TABLE, Path::new("/my cache")).unwrap();
        assert_eq!(
            mount.writable(),
            "sudo mount -o remount,bind,rw '/my cache'"
        );
        assert_eq!(mounts("odd\n", Path::new("/")), None);
    }

    #[test]
    fn a_place_can_be_written_or_costs() {
        let well = Space {
            free: 50 << 30,
            files: Some(1 << 20),
            ..Space::default()
        };
        let place = |name, space, refused: Option<&str>| Place {
            name,
            path: PathBuf::from("/frozen"),
            space: Some(space),
            refused: refused.map(str::to_owned),
            mount: mounts(TABLE, Path::new("/frozen")),
        };
        let runs = "disk of runs";
        let temporary = "temporary files";
        for (place, state, command) in [
            (place(runs, well, None), Good, ""),
            (
                place(
                    runs,
                    Space {
                        free: 1 << 20,
                        ..well
                    },
                    None,
                ),
                Costs,
                "du -xh --max-depth=2 /frozen | sort -h | tail",
            ),
            (
                place(
                    runs,
                    Space {
                        files: Some(9),
                        ..well
                    },
                    None,
                ),
                Costs,
                "du -x --inodes",
            ),
            (
                place(
                    runs,
                    Space {
                        files: None,
                        ..well
                    },
                    None,
                ),
                Good,
                "",
            ),
            (
                place(
                    runs,
                    Space {
                        is_noexec: true,
                        ..well
                    },
                    None,
                ),
                Good,
                "",
            ),
            (
                place(
                    temporary,
                    Space {
                        is_noexec: true,
                        ..well
                    },
                    None,
                ),
                Costs,
                "export TMPDIR=/var/tmp",
            ),
            (
                place(temporary, well, Some("read-only file system")),
                Costs,
                "mount -o remount,rw /frozen",
            ),
        ] {
            let found = judge_place(&place);
            assert_mends(&found, state, command);
        }
    }
}
