//! What `dyno container` takes from the host: files, variables, and who asks.

use crate::commands::test::project_root;
use dyno_container::{CallerId, ContextFile, HostSettings, Limits, Private, Problem, Surroundings};
use dyno_hub::Place;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Where pinned requirements are, in the repository.
const REQUIREMENTS: &str = "requirements/container";

/// dyno's repository.
pub(super) fn repository(given: Option<&Path>) -> Result<PathBuf, Problem> {
    let here = std::env::current_dir().unwrap_or_default();
    let has = |folder: &&Path| folder.join(REQUIREMENTS).is_dir();
    let found = match given {
        Some(given) => Some(here.join(given)).filter(|folder| has(&folder.as_path())),
        None => here.ancestors().find(has).map(Path::to_path_buf),
    };
    found.ok_or_else(|| {
        let place = given.map_or("here and above".to_owned(), |given| {
            given.display().to_string()
        });
        Problem::new(
            format!("there is no dyno repository in {place}: nothing has {REQUIREMENTS}"),
            "start it in the repository, or name it by --repository",
        )
    })
}

/// Pinned requirements, by their names.
pub(super) fn requirements(
    repository: &Path,
    names: &[String],
) -> Result<Vec<ContextFile>, Vec<Problem>> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for name in names {
        let path = repository.join(REQUIREMENTS).join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push(ContextFile {
                path: format!("requirements/{name}"),
                text,
            }),
            Err(error) => problems.push(Problem::new(
                format!("{} cannot be read: {error}", path.display()),
                "`make pins` makes it",
            )),
        }
    }
    if problems.is_empty() {
        Ok(files)
    } else {
        Err(problems)
    }
}

/// dyno's wheel: the one named, else the newest that was built.
pub(super) fn wheel(given: Option<&Path>, repository: &Path) -> Result<PathBuf, Problem> {
    let hint = "`make setup` builds it; --wheel FILE names another";
    let is_wheel = |path: &Path| path.extension().is_some_and(|end| end == "whl") && path.is_file();
    if let Some(given) = given {
        if is_wheel(given) {
            return Ok(given.to_path_buf());
        }
        return Err(Problem::new(
            format!("{} is no wheel", given.display()),
            hint,
        ));
    }
    let folder = repository.join(".venv/wheels");
    let found = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    found
        .map(|entry| entry.path())
        .filter(|path| is_wheel(path))
        .max_by_key(|path| path.metadata().and_then(|about| about.modified()).ok())
        .ok_or_else(|| {
            let what = format!("there is no wheel of dyno in {}", folder.display());
            Problem::new(what, hint)
        })
}

/// How packages are fetched here.
pub(super) fn settings() -> HostSettings {
    let names: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .collect();
    HostSettings::of(
        |name| std::env::var(name).ok(),
        names.iter().map(String::as_str),
        |path| std::fs::read(path).ok(),
    )
}

/// The folder that is mounted as the workspace.
pub(super) fn workspace(given: Option<&Path>) -> Result<PathBuf, Problem> {
    let wrong = |path: &Path, why: &dyn std::fmt::Display| {
        Problem::new(
            format!("the workspace {} cannot be mounted: {why}", path.display()),
            "name another by --workspace",
        )
    };
    let here = std::env::current_dir().map_err(|error| wrong(Path::new("."), &error))?;
    let folder = given.map_or_else(|| project_root(&here, None), |given| here.join(given));
    let folder = folder
        .canonicalize()
        .map_err(|error| wrong(&folder, &error))?;
    std::fs::read_dir(&folder).map_err(|error| wrong(&folder, &error))?;
    Ok(folder)
}

/// The cache of models: yours, or the one that is named by itself or by its `HF_HOME`.
pub(super) fn cache(given: Option<&Path>) -> Result<PathBuf, Problem> {
    let place = Place::of(|name| std::env::var_os(name));
    let mut folder = given.map_or(place.cache, Path::to_path_buf);
    let is_home = given.is_some()
        && (folder.join("hub").is_dir()
            || folder.file_name().is_some_and(|name| name == "huggingface"));
    if is_home {
        folder.push("hub");
    }
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    if folder.exists() && !folder.is_dir() {
        return Err(Problem::new(
            format!("the cache of models {} is no folder", folder.display()),
            "name a folder by --hf-cache",
        ));
    }
    Ok(folder)
}

/// Your token of the Hub.
pub(super) fn token() -> Option<Private> {
    let token = Place::of(|name| std::env::var_os(name)).token?;
    Some(Private::new(token.secret()))
}

/// Who asks, and on what machine.
pub(super) fn surroundings() -> Surroundings {
    let system = rustix::system::sysinfo();
    let caller = CallerId {
        user: rustix::process::geteuid().as_raw(),
        group: rustix::process::getegid().as_raw(),
    };
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Surroundings {
        caller,
        has_terminal: std::io::stdin().is_terminal(),
        memory: system.totalram.saturating_mul(u64::from(system.mem_unit)),
        variables,
        limits: limits(),
    }
}

/// The limits that nobody here may raise, where that is so.
fn limits() -> Option<Limits> {
    use rustix::process::{Resource, getrlimit};
    use rustix::thread::{CapabilitySet, capabilities};
    let own = capabilities(None).ok()?;
    if own.effective.contains(CapabilitySet::SYS_RESOURCE) {
        return None;
    }
    let most = |resource| getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let processes = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok()?;
    let processes = processes.trim().parse().ok()?;
    Some(Limits {
        files: most(Resource::Nofile),
        processes: most(Resource::Nproc).min(processes),
    })
}
