//! The environment probe, kept for as long as the installation is as it was.
//!
//! Asking an interpreter what its plugins bring takes a second; whether anything was
//! installed since is seen in a millisecond. An installation is known by the interpreter,
//! the `.dist-info` and `.pth` entries of its folders with their times, and the files of
//! its plugins. What is edited by hand inside an installed package that is no plugin is
//! not seen.

use crate::fingerprint::checksum;
use crate::pytest::{NoAnswer, Pytest};
use crate::{Fingerprint, Variables};
use dyno_model::Environment;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Raised when an older dyno would misread a probe.
const FORMAT: &str = "dyno environment 1";

/// So many probes are kept: interpreters, each with a few sets of plugins.
const MOST_PROBES: usize = 64;

/// An environment and the state of the installation that it was asked of.
#[derive(Debug, Clone)]
pub(crate) struct Probed {
    pub(crate) environment: Environment,
    /// Equal for as long as nothing was installed or removed.
    pub(crate) key: Fingerprint,
}

/// What is kept of a probe.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    key: Fingerprint,
    environment: Environment,
}

/// Whom to ask, and where answers are kept.
pub(crate) struct Probe<'a> {
    pub(crate) python: &'a Path,
    /// Those of pytest's arguments that load plugins.
    pub(crate) args: &'a [OsString],
    pub(crate) variables: &'a Variables,
    /// The user's cache; absent: nothing is kept.
    pub(crate) cache: Option<&'a Path>,
    /// What stands for this very executable.
    pub(crate) executable: Fingerprint,
}

impl Probe<'_> {
    /// The kept environment if it holds, else what pytest says now. What there is to say
    /// of the cache goes to `notes`.
    pub(crate) fn run(
        &self,
        pytest: &dyn Pytest,
        notes: &mut Vec<String>,
    ) -> Result<Probed, NoAnswer> {
        let path = self.cache.map(|cache| self.path(cache));
        if let Some(path) = &path {
            match self.kept(path) {
                Ok(probed) => return Ok(probed),
                Err(reason) => notes.push(format!("environment: {} {reason}", path.display())),
            }
        }
        let told = pytest.probe(self.args)?;
        let Some(environment) = told.answer else {
            let printed = format!("{}{}", told.stdout, told.stderr);
            return Err(NoAnswer(printed.trim_end().to_owned()));
        };
        let key = self.key(&environment);
        let kept = Kept { key, environment };
        if let Some(path) = &path
            && let Err(error) = store(path, &kept)
        {
            let shown = path.display();
            notes.push(format!("environment: {shown} is not kept: {error}"));
        }
        Ok(Probed {
            environment: kept.environment,
            key,
        })
    }

    fn kept(&self, path: &Path) -> Result<Probed, &'static str> {
        let text = fs::read_to_string(path).map_err(|_| "is not there yet")?;
        let kept = parse(&text).ok_or("is damaged or of another version")?;
        if self.key(&kept.environment) != kept.key {
            return Err("is of another state of the installation");
        }
        Ok(Probed {
            environment: kept.environment,
            key: kept.key,
        })
    }

    /// The file that keeps the answer to this question.
    fn path(&self, cache: &Path) -> PathBuf {
        let mut parts = vec![self.python.as_os_str().as_bytes().to_vec()];
        parts.extend(self.args.iter().map(|arg| arg.as_bytes().to_vec()));
        parts.extend(self.variables.of_python());
        let name = Fingerprint::of_parts(parts.iter().map(Vec::as_slice));
        cache.join("environments").join(format!("{name}.json"))
    }

    /// The state of the installation, as far as it has a part in collection.
    fn key(&self, environment: &Environment) -> Fingerprint {
        let mut parts = vec![self.executable.to_string().into_bytes()];
        parts.extend(self.variables.of_python());
        let mut stamp = |path: &Path| parts.push(stamp(path));
        stamp(self.python);
        stamp(Path::new(&environment.python.executable));
        stamp(&Path::new(&environment.python.prefix).join("pyvenv.cfg"));
        for folder in &environment.python.site {
            for entry in installed(Path::new(folder)) {
                stamp(&entry);
            }
        }
        let files = environment.plugins.iter().map(|plugin| &plugin.file);
        let hooks = environment.hooks.iter().map(|hook| &hook.file);
        for file in files.chain(hooks).filter(|file| !file.is_empty()) {
            stamp(Path::new(file));
        }
        Fingerprint::of_parts(parts.iter().map(Vec::as_slice))
    }
}

/// The entries of a folder that tell of what is installed there, sorted.
fn installed(folder: &Path) -> Vec<PathBuf> {
    const TELLING: [&[u8]; 5] = [b".dist-info", b".egg-info", b".egg-link", b".pth", b".egg"];
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| TELLING.iter().any(|end| name.as_bytes().ends_with(end)))
        .map(|name| folder.join(name))
        .collect();
    paths.sort_unstable();
    paths
}

/// A path with time and size of what is there.
fn stamp(path: &Path) -> Vec<u8> {
    let mut stamp = path.as_os_str().as_bytes().to_vec();
    if let Ok(found) = fs::metadata(path) {
        for number in [found.mtime(), found.mtime_nsec()] {
            stamp.extend(number.to_le_bytes());
        }
        stamp.extend(found.size().to_le_bytes());
        stamp.extend(found.ino().to_le_bytes());
    }
    stamp
}

fn parse(text: &str) -> Option<Kept> {
    let rest = text.strip_prefix(FORMAT)?.strip_prefix(' ')?;
    let (sum, body) = rest.split_once('\n')?;
    let sum = u64::from_str_radix(sum, 16).ok()?;
    (checksum(body.as_bytes()) == sum)
        .then(|| serde_json::from_str(body).ok())
        .flatten()
}

fn store(path: &Path, kept: &Kept) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let body = serde_json::to_string(kept)?;
    let mut file = tempfile::Builder::new()
        .prefix(".probe-")
        .tempfile_in(folder)?;
    write!(file, "{FORMAT} {:x}\n{body}", checksum(body.as_bytes()))?;
    file.persist(path).map_err(|error| error.error)?;
    crate::cache::remove_oldest(folder, ".json", ".probe-", MOST_PROBES);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answers, environment};

    fn probe<'a>(root: &'a Path, python: &'a Path, variables: &'a Variables) -> Probe<'a> {
        Probe {
            python,
            args: &[],
            variables,
            cache: Some(root),
            executable: Fingerprint::of(b"dyno"),
        }
    }

    #[test]
    fn it_is_asked_again_when_the_installation_changes() {
        let root = tempfile::tempdir().unwrap();
        let site = root.path().join("site");
        let python = root.path().join("python");
        fs::create_dir_all(site.join("a-1.0.dist-info")).unwrap();
        fs::write(site.join("plugin.py"), "").unwrap();
        fs::write(&python, "").unwrap();
        let variables = Variables::default();
        let pytest = Answers::new(environment(&site));
        let mut notes = Vec::new();
        let mut ask = || {
            notes.clear();
            let before = pytest.probes();
            probe(root.path(), &python, &variables)
                .run(&pytest, &mut notes)
                .unwrap();
            pytest.probes() > before
        };
        assert!(ask(), "nothing is kept yet");
        assert!(!ask(), "nothing has changed");
        let changes: [(&str, &dyn Fn()); 5] = [
            ("a plugin's file", &|| {
                fs::write(site.join("plugin.py"), "x = 1").unwrap();
            }),
            ("an installation", &|| {
                fs::create_dir(site.join("b-1.0.dist-info")).unwrap();
            }),
            ("a path file", &|| {
                fs::write(site.join("x.pth"), "").unwrap();
            }),
            ("the interpreter", &|| fs::write(&python, "other").unwrap()),
            ("a removal", &|| {
                fs::remove_dir(site.join("b-1.0.dist-info")).unwrap();
            }),
        ];
        for (what, change) in changes {
            change();
            assert!(ask(), "{what} is not seen");
            assert!(!ask(), "{what} is seen twice");
        }
        let kept = fs::read_dir(root.path().join("environments"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        for damage in ["", "dyno environment 1 0\n{}", "dyno environment 9 0\n"] {
            fs::write(&kept, damage).unwrap();
            assert!(ask(), "{damage:?} is taken for a probe");
            assert!(!ask());
        }
        let others = Variables::from([("PYTHONPATH", "elsewhere")]);
        let before = pytest.probes();
        probe(root.path(), &python, &others)
            .run(&pytest, &mut Vec::new())
            .unwrap();
        assert!(pytest.probes() > before, "a variable is not seen");
    }
}
