//! The folder that models are kept in.

use crate::machine::{Mount, Space, mounts, space};
use crate::paste;
use dyno_model::{Bytes, Finding};
use rustix::fs::{Access, FlockOperation, access, flock};
use std::path::{Path, PathBuf};

/// The weights of a model of 0.6 billion parameters are 1.5 GB, and are there twice while a
/// file that was cut off is fetched again.
const ROOM: u64 = 4 << 30;

/// Another cache, where nothing better is known.
const AT_HOME: &str = "export HF_HUB_CACHE=\"$HOME/.cache/huggingface/hub\"";

/// What is known of the cache.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
    state: State,
    space: Option<Space>,
    mount: Option<Mount>,
    /// It is below the user's own folder.
    is_at_home: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// It can be written; whether symbolic links and locks work in it.
    Fit { links: bool, locks: bool },
    /// It is not there and can be made in this folder.
    ToBeMade(PathBuf),
    /// It is not there and cannot be made in this folder.
    CannotBeMade(PathBuf),
    /// It is there and cannot be written: why.
    Refused(String),
    /// It is something else than a folder.
    NoFolder,
}

impl Cache {
    pub(crate) fn look(folder: &Path, home: Option<&Path>) -> Self {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        // What is there of it, for what is to be made would be in that.
        let there = folder.ancestors().find(|one| one.exists());
        let there = there
            .filter(|one| !one.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let whole = std::fs::canonicalize(there).unwrap_or_else(|_| there.to_owned());
        Self {
            folder: folder.to_owned(),
            state: state_of(folder, there),
            space: space(there),
            mount: mounts(&table, &whole),
            is_at_home: home.is_some_and(|home| folder.starts_with(home)),
        }
    }

    #[cfg(test)]
    pub(crate) fn fit() -> Self {
        Self {
            folder: PathBuf::from("/hf/hub"),
            state: State::Fit {
                links: true,
                locks: true,
            },
            space: Some(Space {
                free: 100 << 30,
                ..Space::default()
            }),
            mount: None,
            is_at_home: true,
        }
    }
}

fn state_of(folder: &Path, there: &Path) -> State {
    if folder.symlink_metadata().is_ok() && !folder.is_dir() || !there.is_dir() {
        return State::NoFolder;
    }
    if !folder.exists() {
        return match access(there, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => State::ToBeMade(there.to_owned()),
            Err(_) => State::CannotBeMade(there.to_owned()),
        };
    }
    // Hidden, so that no tool takes it for a model; gone when this returns.
    let own = match tempfile::Builder::new()
        .prefix(".dyno-doctor-")
        .tempdir_in(folder)
    {
        Ok(own) => own,
        Err(error) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            return State::Refused(
                text.split(" at path")
                    .next()
                    .unwrap_or_default()
                    .to_lowercase(),
            );
        }
    };
    let links = std::os::unix::fs::symlink("../nowhere", own.path().join("link")).is_ok();
    let file = std::fs::File::create(own.path().join("lock"));
    let locks =
        file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok());
    State::Fit { links, locks }
}

pub(super) fn judge(cache: &Cache) -> Vec<Finding> {
    let Cache {
        folder,
        state,
        mount,
        ..
    } = cache;
    let (name, shown) = ("cache", folder.display());
    let lost = "no model can be fetched: tests that name one that is not there cannot run";
    let is_read_only = mount.as_ref().is_some_and(|mount| mount.is_read_only);
    let remedy = |otherwise: String| match mount {
        Some(mount) if mount.is_read_only => mount.writable(),
        _ => otherwise,
    };
    let path = paste::path(folder);
    // One that is made for the user alone: nothing above it changes.
    let made = format!("sudo install -d -o \"$USER\" {path}");
    let owned = if cache.is_at_home {
        format!("sudo chown -R \"$USER\" {path}")
    } else {
        // Others may share it.
        AT_HOME.to_owned()
    };
    let first = match state {
        State::Refused(why) => {
            Finding::costs(name, format!("{shown} cannot be written: {why}"), lost)
                .mended_by(Some(remedy(owned)))
        }
        State::CannotBeMade(parent) => {
            let why = if is_read_only {
                "which is read-only"
            } else {
                "which you may not write"
            };
            let found = format!(
                "{shown} is not there and cannot be made in {}, {why}",
                parent.display()
            );
            Finding::costs(name, found, lost).mended_by(Some(remedy(made)))
        }
        State::NoFolder => Finding::costs(
            name,
            format!("{shown} is no folder, or is in what is none"),
            lost,
        )
        .mended_by(Some(
            "unset HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_HOME".to_owned(),
        )),
        State::ToBeMade(_) => Finding::good(name, format!("{shown}, which is to be made")),
        State::Fit { .. } => Finding::good(name, shown.to_string()),
    };
    let is_fit = first.costs.is_none();
    let mut findings = vec![first];
    if let Some(space) = cache.space.filter(|_| is_fit) {
        findings.push(room(&space, folder));
    }
    if let State::Fit { links: false, .. } = state {
        let found = "no symbolic link can be made there";
        let costs =
            "other tools keep each file once for each revision, and dyno cannot fetch into it";
        findings
            .push(Finding::costs("cache links", found, costs).mended_by(Some(AT_HOME.to_owned())));
    }
    if let State::Fit { locks: false, .. } = state {
        let found = "no lock can be taken there";
        let costs = "two runs that want one model fetch it twice, and may spoil each other's files";
        findings
            .push(Finding::costs("cache locks", found, costs).mended_by(Some(AT_HOME.to_owned())));
    }
    findings
}

fn room(space: &Space, folder: &Path) -> Finding {
    let name = "room for models";
    let found = format!("{} free", Bytes(space.free));
    if space.free >= ROOM {
        return Finding::good(name, found);
    }
    let unused = "dyno models gc --unused-for 30d".to_owned();
    Finding::costs(name, found, "the weights of a small model have no room").mended_by(Some(
        if folder.is_dir() {
            unused
        } else {
            "df -h".to_owned()
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::on_the_page::{assert_mends, assert_on_the_page, named};
    use dyno_model::FindingState::{Costs, Good};

    fn judged(facts: &Cache) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Models, &findings);
        findings
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn a_cache_can_be_written_or_costs() {
        let read_only = Mount {
            at: PathBuf::from("/hf"),
            is_bound_read_only: true,
            is_read_only: true,
        };
        let whole = Cache::fit;
        let in_mount = |state| Cache {
            state,
            mount: Some(read_only.clone()),
            ..whole()
        };
        let refused = |is_at_home| Cache {
            state: State::Refused("permission denied".to_owned()),
            is_at_home,
            ..whole()
        };
        for (cache, name, state, command) in [
            (whole(), "cache", Good, ""),
            (
                Cache {
                    state: State::ToBeMade("/".into()),
                    ..whole()
                },
                "cache",
                Good,
                "",
            ),
            (
                in_mount(State::Refused("read-only file system".to_owned())),
                "cache",
                Costs,
                "sudo mount -o remount,bind,rw /hf",
            ),
            (
                in_mount(State::CannotBeMade("/hf".into())),
                "cache",
                Costs,
                "remount,bind,rw /hf",
            ),
            (
                Cache {
                    state: State::CannotBeMade("/hf".into()),
                    ..whole()
                },
                "cache",
                Costs,
                "sudo install -d -o \"$USER\" /hf/hub",
            ),
            (
                refused(true),
                "cache",
                Costs,
                "sudo chown -R \"$USER\" /hf/hub",
            ),
            (refused(false), "cache", Costs, "export HF_HUB_CACHE"),
            (
                Cache {
                    state: State::NoFolder,
                    ..whole()
                },
                "cache",
                Costs,
                "unset HF_HUB_CACHE",
            ),
            (
                Cache {
                    state: State::Fit {
                        links: false,
                        locks: true,
                    },
                    ..whole()
                },
                "cache links",
                Costs,
                "export HF_HUB_CACHE",
            ),
            (
                Cache {
                    state: State::Fit {
                        links: true,
                        locks: false,
                    },
                    ..whole()
                },
                "cache locks",
                Costs,
                "export HF_HUB_CACHE",
            ),
            (whole(), "room for models", Good, ""),
            (
                Cache {
                    space: Some(Space::default()),
                    ..whole()
                },
                "room for models",
                Costs,
                "df -h",
            ),
        ] {
            let findings = judged(&cache);
            let found = named(&findings, name);
            assert_mends(found, state, command);
        }
    }

    #[test]
    fn a_folder_is_tried_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let hub = folder.path().join("hub");
        assert!(matches!(
            Cache::look(&hub.join("x"), None).state,
            State::ToBeMade(_)
        ));
        std::fs::create_dir(&hub).unwrap();
        assert_eq!(
            Cache::look(&hub, None).state,
            State::Fit {
                links: true,
                locks: true
            }
        );
        assert_eq!(std::fs::read_dir(&hub).unwrap().count(), 0);
        std::fs::write(hub.join("file"), "").unwrap();
        assert_eq!(Cache::look(&hub.join("file"), None).state, State::NoFolder);
        assert_eq!(
            Cache::look(&hub.join("file/below"), None).state,
            State::NoFolder
        );
        std::os::unix::fs::symlink("nowhere", hub.join("link")).unwrap();
        assert_eq!(Cache::look(&hub.join("link"), None).state, State::NoFolder);
    }
}
