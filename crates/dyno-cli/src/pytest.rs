//! The real pytest, for collection: what the runner asks.

use dyno_collect::{Fingerprint, NoAnswer, Pytest, Request, Settle, Told, Variables};
use dyno_model::{Environment, RealCollection};
use dyno_runner::{Ask, AskError, PythonPlaces, find_python};
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// An interpreter's pytest, started in a folder.
#[derive(Debug)]
pub(crate) struct RealPytest {
    dyno: PathBuf,
    python: PathBuf,
    folder: PathBuf,
}

impl RealPytest {
    /// The pytest of the interpreter that `dyno test` would take.
    pub(crate) fn find(asked: Option<PathBuf>) -> anyhow::Result<Result<Self, String>> {
        let folder = std::env::current_dir().context("cannot tell the working directory")?;
        match find_python(&places(asked)) {
            Ok(python) => Self::of(python, folder).map(Ok),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// The pytest of an interpreter.
    pub(crate) fn of(python: PathBuf, folder: PathBuf) -> anyhow::Result<Self> {
        Ok(Self {
            dyno: std::env::current_exe().context("cannot tell where dyno itself is")?,
            python,
            folder,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A request to collect by these arguments of pytest's.
    pub(crate) fn request(&self, args: &[OsString], settle: Settle, cached: bool) -> Request {
        let text = |arg: &OsString| arg.to_string_lossy().into_owned();
        Request {
            python: self.python.clone(),
            folder: self.folder.clone(),
            args: args.iter().map(text).collect(),
            variables: Variables::of_this_process(),
            cache: cached.then(user_cache),
            executable: stamp(&self.dyno),
            settle,
            changed: None,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }

    fn ask<'a>(&'a self, args: &'a [OsString]) -> Ask<'a> {
        Ask {
            dyno: &self.dyno,
            python: &self.python,
            cwd: &self.folder,
            args,
        }
    }
}

impl Pytest for RealPytest {
    fn probe(&self, args: &[OsString]) -> Result<Told<Environment>, NoAnswer> {
        told(dyno_runner::probe(&self.ask(args)))
    }

    fn collect(
        &self,
        args: &[OsString],
        import: Option<&[PathBuf]>,
    ) -> Result<Told<RealCollection>, NoAnswer> {
        told(dyno_runner::collect(&self.ask(args), import))
    }
}

/// Where dyno looks for an interpreter.
pub(crate) fn places(asked: Option<PathBuf>) -> PythonPlaces {
    PythonPlaces {
        asked,
        executable: std::env::current_exe().ok(),
        active: std::env::var_os("VIRTUAL_ENV").map(PathBuf::from),
        path: std::env::var_os("PATH"),
    }
}

fn told<T>(told: Result<dyno_runner::Told<T>, AskError>) -> Result<Told<T>, NoAnswer> {
    match told {
        Ok(told) => Ok(Told {
            answer: told.answer,
            code: told.code,
            stdout: told.stdout,
            stderr: told.stderr,
        }),
        Err(error) => Err(NoAnswer(error.to_string())),
    }
}

/// `$XDG_CACHE_HOME/dyno`, else `~/.cache/dyno`, else among the temporary files.
fn user_cache() -> PathBuf {
    let of = |name| std::env::var_os(name).map(PathBuf::from);
    let absolute = |path: &PathBuf| path.is_absolute();
    let cache = of("XDG_CACHE_HOME")
        .filter(absolute)
        .or_else(|| of("HOME").filter(absolute).map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    cache.join("dyno")
}

/// What tells this executable from another one.
fn stamp(dyno: &Path) -> Fingerprint {
    let parts = std::fs::metadata(dyno).map(|found| {
        [
            found.mtime(),
            found.mtime_nsec(),
            found.size().cast_signed(),
        ]
        .map(i64::to_le_bytes)
    });
    let parts = parts.unwrap_or_default();
    Fingerprint::of_parts(parts.iter().map(<[u8; 8]>::as_slice))
}
