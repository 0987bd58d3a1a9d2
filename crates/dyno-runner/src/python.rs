//! Which Python to test with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where an interpreter is looked for.
#[derive(Debug, Clone, Default)]
pub struct PythonPlaces {
    /// What the user asked for (`--python`), which must exist.
    pub asked: Option<PathBuf>,
    /// This executable, which a wheel puts into its environment's `bin`.
    pub executable: Option<PathBuf>,
    /// `VIRTUAL_ENV`, the active environment.
    pub active: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
}

/// Finds the interpreter that the `pytest` beside this `dyno` would use.
///
/// In order: what was asked for; the environment that dyno is installed in; the active
/// environment; `python3` and `python` on the `PATH`.
pub fn find_python(places: &PythonPlaces) -> Result<PathBuf, NoPython> {
    if let Some(asked) = &places.asked {
        return which(asked, places.path.as_ref()).ok_or_else(|| NoPython::Asked(asked.clone()));
    }
    let own = places.executable.as_deref().and_then(environment_of);
    let in_environment = |folder: &Path| is_executable(folder.join("bin/python"));
    own.iter()
        .chain(&places.active)
        .find_map(|folder| in_environment(folder))
        .or_else(|| {
            ["python3", "python"]
                .iter()
                .find_map(|name| which(Path::new(name), places.path.as_ref()))
        })
        .ok_or(NoPython::Nowhere)
}

/// No interpreter.
#[derive(Debug, thiserror::Error)]
pub enum NoPython {
    /// The one that was asked for is not there.
    #[error("there is no executable {0:?}\nhint: --python takes the path of a Python interpreter")]
    Asked(PathBuf),
    /// None is to be found.
    #[error(
        "no Python was found in dyno's environment, the active environment or the PATH\n\
         hint: activate the environment that has pytest, or name it with --python"
    )]
    Nowhere,
}

/// The virtual environment that an executable is installed in.
fn environment_of(executable: &Path) -> Option<PathBuf> {
    let folder = executable.parent()?.parent()?;
    folder
        .join("pyvenv.cfg")
        .is_file()
        .then(|| folder.to_path_buf())
}

fn which(name: &Path, path: Option<&OsString>) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return is_executable(name.to_path_buf());
    }
    std::env::split_paths(path?).find_map(|folder| is_executable(folder.join(name)))
}

fn is_executable(path: PathBuf) -> Option<PathBuf> {
    let usable = rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file();
    usable.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn interpreter(folder: &Path, name: &str) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_nearer_environment_wins() {
        let root = tempfile::tempdir().unwrap();
        let on_path = interpreter(&root.path().join("usr"), "python3");
        let active = interpreter(&root.path().join("active/bin"), "python");
        let own = interpreter(&root.path().join("own/bin"), "python");
        let mut places = PythonPlaces {
            asked: None,
            executable: Some(root.path().join("own/bin/dyno")),
            active: Some(root.path().join("active")),
            path: Some(root.path().join("usr").into_os_string()),
        };
        // Beside a system-wide dyno stands no environment.
        assert_eq!(find_python(&places).unwrap(), active);
        std::fs::write(root.path().join("own/pyvenv.cfg"), "").unwrap();
        assert_eq!(find_python(&places).unwrap(), own);
        places.executable = None;
        places.active = None;
        assert_eq!(find_python(&places).unwrap(), on_path);
        places.asked = Some(active.clone());
        assert_eq!(find_python(&places).unwrap(), active);
        places.asked = Some(root.path().join("absent"));
        assert!(matches!(find_python(&places), Err(NoPython::Asked(_))));
        places.asked = None;
        places.path = None;
        assert!(matches!(find_python(&places), Err(NoPython::Nowhere)));
    }
}
