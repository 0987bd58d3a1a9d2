//! What git says has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Why the changes are not known.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// git is not there.
    #[error("cannot start git, which --changed asks: {0}")]
    Start(io::Error),
    /// The folder is in no repository.
    #[error("{0:?} is in no git repository, and --changed compares with a commit\nhint: {1}")]
    NoRepository(PathBuf, String),
    /// The base is none.
    #[error(
        "git does not know {base:?}\nhint: --changed=BASE takes a commit, a branch or a tag; {said}"
    )]
    Base {
        /// What was given.
        base: String,
        /// What git said.
        said: String,
    },
    /// Something else.
    #[error("git {0}")]
    Failed(String),
}

/// What differs between a commit and the working tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// The absolute paths.
    pub paths: BTreeSet<PathBuf>,
    /// What each `conftest.py` among them held before; absent: there was none.
    pub conftests_before: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

/// The absolute paths of what differs between the commit `base` and the working tree, both
/// names of what was renamed, and of what is there and not tracked, but for what is ignored.
pub fn changed_paths(folder: &Path, base: &str) -> Result<Changed, GitError> {
    let top = git(folder, &["rev-parse", "--show-toplevel"])?;
    if !top.status.success() {
        return Err(GitError::NoRepository(folder.to_path_buf(), said(&top)));
    }
    let top = top.stdout.strip_suffix(b"\n").unwrap_or(&top.stdout);
    let top = PathBuf::from(OsStr::from_bytes(top));
    let Some(hash) = commit(&top, base)? else {
        return Err(GitError::Base {
            base: base.to_owned(),
            said: "see `git log --oneline`".to_owned(),
        });
    };
    let compare = [
        "diff",
        "--name-only",
        "--no-renames",
        "--no-ext-diff",
        "-z",
        &hash,
        "--",
    ];
    let others = ["ls-files", "--others", "--exclude-standard", "-z"];
    let mut paths = BTreeSet::new();
    for args in [compare.as_slice(), &others] {
        let listed = git(&top, args)?;
        if !listed.status.success() {
            return Err(GitError::Failed(said(&listed)));
        }
        let names = listed.stdout.split(|byte| *byte == 0);
        let names = names.filter(|name| !name.is_empty());
        paths.extend(names.map(|name| top.join(OsStr::from_bytes(name))));
    }
    let conftests = paths.iter().filter(|path| path.ends_with("conftest.py"));
    let before = conftests.map(|path| {
        let text = text_before(&top, &hash, path)?;
        Ok((path.clone(), text))
    });
    Ok(Changed {
        conftests_before: before.collect::<Result<_, GitError>>()?,
        paths,
    })
}

/// Whether git knows a commit by that name.
pub fn is_commit(folder: &Path, base: &str) -> bool {
    commit(folder, base).is_ok_and(|hash| hash.is_some())
}

/// The hash of a commit; absent where git knows none by that name.
fn commit(folder: &Path, base: &str) -> Result<Option<String>, GitError> {
    let commit = format!("{base}^{{commit}}");
    let known = git(
        folder,
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &commit,
        ],
    )?;
    let hash = String::from_utf8_lossy(&known.stdout).trim().to_owned();
    Ok(known.status.success().then_some(hash))
}

/// What a file held in a commit; absent where there was none.
fn text_before(top: &Path, hash: &str, path: &Path) -> Result<Option<Vec<u8>>, GitError> {
    let below = path.strip_prefix(top).unwrap_or(path);
    let listed = git_os(
        top,
        &[
            "ls-tree".as_ref(),
            "-z".as_ref(),
            "--full-tree".as_ref(),
            hash.as_ref(),
            "--".as_ref(),
            below.as_os_str(),
        ],
    )?;
    if !listed.status.success() {
        return Err(GitError::Failed(said(&listed)));
    }
    // `MODE blob HASH<tab>PATH`
    let entry = String::from_utf8_lossy(&listed.stdout).into_owned();
    let Some(blob) = entry.split([' ', '\t']).nth(2) else {
        return Ok(None);
    };
    let shown = git(top, &["cat-file", "-p", blob])?;
    if !shown.status.success() {
        return Err(GitError::Failed(said(&shown)));
    }
    Ok(Some(shown.stdout))
}

fn git(folder: &Path, args: &[&str]) -> Result<Output, GitError> {
    let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
    git_os(folder, &args)
}

fn git_os(folder: &Path, args: &[&OsStr]) -> Result<Output, GitError> {
    Command::new("git")
        .current_dir(folder)
        .args(args)
        .stdin(Stdio::null())
        .env("GIT_OPTIONAL_LOCKS", "0")
        .output()
        .map_err(GitError::Start)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn run(folder: &Path, args: &[&str]) {
        let done = git(folder, args).unwrap();
        assert!(done.status.success(), "{args:?}: {}", said(&done));
    }

    #[test]
    fn what_came_went_or_was_written_is_listed() {
        let root = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(root.path()).unwrap();
        let write = |name: &str, text: &str| fs::write(top.join(name), text).unwrap();
        let outside = changed_paths(&top, "HEAD");
        if matches!(outside, Err(GitError::Start(_))) {
            return eprintln!("skipped: git is not installed");
        }
        assert!(matches!(outside, Err(GitError::NoRepository(..))));
        fs::create_dir(top.join("sub")).unwrap();
        run(&top, &["init", "-q"]);
        write(".gitignore", "ignored\n");
        let conftests = ["conftest.py", "sub/conftest.py"];
        for name in [
            "same",
            "written",
            "gone",
            "old name",
            "sub/staged",
            "conftest.py",
        ] {
            write(name, name);
        }
        run(&top, &["add", "."]);
        let me = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        run(&top, &[me.as_slice(), &["commit", "-qm", "one"]].concat());
        write("written", "other");
        write("sub/staged", "other");
        write("new ü\n", "");
        write("ignored", "");
        fs::remove_file(top.join("gone")).unwrap();
        fs::rename(top.join("old name"), top.join("new name")).unwrap();
        write("conftest.py", "other");
        write("sub/conftest.py", "other");
        run(&top, &["add", "sub"]);
        let changed = changed_paths(&top.join("sub"), "HEAD").unwrap();
        assert!(is_commit(&top, "HEAD") && !is_commit(&top, "sub"));
        let names: Vec<_> = changed
            .paths
            .iter()
            .map(|path| path.strip_prefix(&top).unwrap().to_str().unwrap())
            .collect();
        let before = conftests.map(|name| changed.conftests_before.get(&top.join(name)).cloned());
        assert_eq!(before, [Some(Some(b"conftest.py".to_vec())), Some(None)]);
        let expected = [
            "conftest.py",
            "gone",
            "new name",
            "new ü\n",
            "old name",
            "sub/conftest.py",
            "sub/staged",
            "written",
        ];
        assert_eq!(names, expected);
        for base in ["no-such-branch", "--output=x"] {
            let error = changed_paths(&top, base).unwrap_err();
            assert!(matches!(error, GitError::Base { .. }), "{error}");
        }
    }
}
