//! The Python that `dyno test` takes: its version, pytest, dyno's own package, the plugins.

mod plugins;

use crate::interpreter::Interpreter;
use crate::paste;
use crate::surroundings::Build;
use dyno_model::Finding;
use plugins::plugins;
use std::path::{Path, PathBuf};

/// Pythons that dyno's tests run on.
const OLDEST: (u32, u32) = (3, 10);
const NEWEST: (u32, u32) = (3, 13);

/// pytest's versions that dyno is tested with, by their first numbers.
const PYTESTS: [u64; 2] = [8, 9];

/// What is known of the Python.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The one that would be taken, or the sentence and hint that say why none.
    pub(crate) found: Result<PathBuf, String>,
    /// What it tells, or why it does not.
    pub(crate) told: Option<Result<Interpreter, String>>,
    /// Environments that dyno would rather take.
    pub(crate) environments: Vec<Venv>,
    pub(crate) build: Build,
    /// A folder from here upwards has dyno's own Makefile.
    pub(crate) is_repository: bool,
}

/// A virtual environment.
#[derive(Debug, Clone)]
pub(crate) struct Venv {
    pub(crate) folder: PathBuf,
    /// What names it: `VIRTUAL_ENV`, or dyno's own place.
    pub(crate) named_by: &'static str,
    pub(crate) state: VenvState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VenvState {
    Fit,
    /// There is no such folder, or no environment in it.
    Gone,
    /// Its `bin/python` leads to this place, where nothing is.
    Dangling(PathBuf),
}

impl Venv {
    pub(crate) fn look(folder: &Path, named_by: &'static str) -> Self {
        let python = folder.join("bin/python");
        let state = if python.exists() {
            VenvState::Fit
        } else if let Ok(leads) = std::fs::read_link(&python) {
            // `python` leads to `python3` leads to what is gone.
            let next = folder.join("bin").join(&leads);
            VenvState::Dangling(std::fs::read_link(&next).unwrap_or(next))
        } else {
            VenvState::Gone
        };
        Self {
            folder: folder.to_owned(),
            named_by,
            state,
        }
    }
}

pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts
        .environments
        .iter()
        .map(|one| environment(one, facts))
        .collect();
    let path = match &facts.found {
        Ok(path) => path,
        Err(error) => {
            let (what, hint) = error.split_once("\nhint: ").unwrap_or((error, ""));
            let install = "sudo apt-get install python3 python3-venv";
            // One that was asked for is not to be installed.
            let is_asked = what.starts_with("there is no executable");
            let remedy = if is_asked { hint } else { install };
            findings.push(
                Finding::costs("interpreter", what, "no test can run")
                    .mended_by(Some(remedy.to_owned())),
            );
            return findings;
        }
    };
    match &facts.told {
        Some(Ok(python)) => {
            findings.push(interpreter(python));
            findings.push(pytest(python));
            findings.push(package(python, facts));
            findings.extend(plugins(python));
        }
        Some(Err(why)) => findings.push(
            Finding::costs(
                "interpreter",
                format!("{}: {why}", path.display()),
                "no test can run",
            )
            .mended_by(Some(renewal(path))),
        ),
        None => {}
    }
    findings
}

/// Makes the environment of an interpreter anew, if it is one's.
fn renewal(python: &Path) -> String {
    let folder = python.parent().and_then(Path::parent);
    match folder.filter(|folder| folder.join("pyvenv.cfg").exists()) {
        Some(folder) => format!("python3 -m venv --clear {}", paste::path(folder)),
        None => format!("{} -c pass", paste::path(python)),
    }
}

fn environment(venv: &Venv, facts: &Facts) -> Finding {
    let Venv {
        folder,
        named_by,
        state,
    } = venv;
    let shown = folder.display();
    let instead = match &facts.found {
        Ok(python) => format!(
            "dyno test takes {} instead, without your packages",
            python.display()
        ),
        Err(_) => "no test can run".to_owned(),
    };
    match state {
        VenvState::Fit => match &facts.found {
            Ok(python) if !python.starts_with(folder) => Finding::note(
                "environment",
                format!(
                    "{named_by} is {shown}, and dyno test takes {}",
                    python.display()
                ),
            )
            .mended_by(Some(paste::command(&[
                "dyno",
                "test",
                "--python",
                &folder.join("bin/python").to_string_lossy(),
            ]))),
            _ => Finding::good("environment", format!("{shown} ({named_by})")),
        },
        VenvState::Gone => Finding::costs(
            "environment",
            format!("{named_by} is {shown}, where no environment is"),
            instead,
        )
        .mended_by(Some("unset VIRTUAL_ENV".to_owned())),
        VenvState::Dangling(leads) => Finding::costs(
            "environment",
            format!(
                "the interpreter of {shown} ({named_by}) is gone: {}",
                leads.display()
            ),
            instead,
        )
        .mended_by(Some(if facts.is_repository && folder.ends_with(".venv") {
            format!("rm -rf {} && make setup", paste::path(folder))
        } else {
            format!("python3 -m venv --clear {}", paste::path(folder))
        })),
    }
}

fn interpreter(python: &Interpreter) -> Finding {
    let (major, minor, micro) = python.has.version;
    let found = format!("Python {major}.{minor}.{micro}, {}", python.path.display());
    if (major, minor) < OLDEST {
        let costs = format!(
            "dyno needs {}.{} or newer, so no test can run",
            OLDEST.0, OLDEST.1
        );
        Finding::costs("interpreter", found, costs).mended_by(Some(format!(
            "uv venv --python {}.{} .venv",
            NEWEST.0, NEWEST.1
        )))
    } else if (major, minor) > NEWEST {
        let newest = format!("; dyno is tested up to {}.{}", NEWEST.0, NEWEST.1);
        Finding::note("interpreter", found + &newest)
    } else {
        Finding::good("interpreter", found)
    }
}

fn pytest(python: &Interpreter) -> Finding {
    let version = python.version_of("pytest");
    let install = Some(python.install(&["pytest>=8,<10"]));
    match version {
        None if python.has_module("pytest") => {
            Finding::note("pytest", "there, of a version that nothing tells")
        }
        None => Finding::costs("pytest", "not installed", "no test can run").mended_by(install),
        Some(version) if version.major() < PYTESTS[0] => Finding::costs(
            "pytest",
            version.to_string(),
            format!("dyno needs {} or newer, so no test can run", PYTESTS[0]),
        )
        .mended_by(install),
        Some(version) if version.major() > PYTESTS[1] => Finding::costs(
            "pytest",
            version.to_string(),
            format!(
                "dyno is tested with {} and {}; with others its outcomes may differ",
                PYTESTS[0], PYTESTS[1]
            ),
        )
        .mended_by(install),
        Some(version) => Finding::good("pytest", version.to_string()),
    }
}

fn package(python: &Interpreter, facts: &Facts) -> Finding {
    let name = "dyno package";
    let Build { version, protocol } = facts.build;
    let installed = python.version_of("dyno");
    let Some(package) = &python.has.dyno else {
        return Finding::costs(
            name,
            format!("{} has no package dyno", python.path.display()),
            "dyno test cannot start in it",
        )
        .mended_by(Some(reinstall(python, facts)));
    };
    let place = package.folder.display();
    if package.protocol != Some(protocol) {
        let its = package
            .protocol
            .map_or("none".to_owned(), |its| its.to_string());
        return Finding::costs(
            name,
            format!("{place} speaks protocol {its}, and this dyno {version} protocol {protocol}"),
            "dyno test cannot talk to it",
        )
        .mended_by(Some(reinstall(python, facts)));
    }
    // A folder of PYTHONPATH comes before what is installed, and has no version.
    let is_installed = python.has.distributions.get("dyno").is_some_and(|found| {
        let beside = Path::new(found.copies.first().map_or("", String::as_str)).parent();
        beside == package.folder.parent()
    });
    match installed {
        Some(installed) if is_installed && installed.to_string() != version => Finding::costs(
            name,
            format!("{installed} in {place}, and this command is dyno {version}"),
            "what the two do not know of each other fails in the middle of a run",
        )
        .mended_by(Some(reinstall(python, facts))),
        Some(installed) if is_installed => {
            Finding::good(name, format!("{installed}, as this command"))
        }
        _ => Finding::note(
            name,
            format!("{place}, which is not installed and has no version"),
        ),
    }
}

/// The way to a package and a command of one version.
fn reinstall(python: &Interpreter, facts: &Facts) -> String {
    if facts.is_repository {
        return "rm -f .venv/stamps/dyno && make setup".to_owned();
    }
    let beside = python.path.with_file_name("dyno");
    if beside.exists() {
        // The command that was installed with that package.
        return paste::command(&[&beside.to_string_lossy(), "doctor", "python"]);
    }
    let Build { version, .. } = facts.build;
    let wheel = format!("dyno-{version}-*.whl");
    // The wildcard is the shell's.
    format!("{} {wheel}", python.install(&[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::interpreter::DynoPackage;
    use crate::on_the_page::assert_on_the_page;
    use dyno_model::FindingState::{Costs, Good, Note};

    fn judged(facts: &Facts) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Python, &findings);
        findings
    }

    const BUILD: Build = Build {
        version: "0.1.0",
        protocol: 9,
    };

    fn facts(python: Interpreter) -> Facts {
        Facts {
            found: Ok(python.path.clone()),
            told: Some(Ok(python)),
            environments: Vec::new(),
            build: BUILD,
            is_repository: false,
        }
    }

    fn whole() -> Interpreter {
        let mut python = Interpreter::with(
            &[("pytest", "9.2.0"), ("dyno", "0.1.0")],
            &["pip", "pytest"],
        );
        python.has.dyno = Some(DynoPackage {
            folder: PathBuf::from("/venv/lib/dyno"),
            protocol: Some(9),
        });
        python.has.plugins = vec![
            "dyno".into(),
            "pytest-asyncio".into(),
            "pytest-timeout".into(),
        ];
        python
    }

    fn one(findings: &[Finding], name: &str) -> Finding {
        let mut named = findings.iter().filter(|finding| finding.name == name);
        named
            .next()
            .unwrap_or_else(|| panic!("no {name} in {findings:?}"))
            .clone()
    }

    #[test]
    fn a_whole_environment_is_good() {
        let findings = judged(&facts(whole()));
        assert!(
            findings.iter().all(|finding| finding.state == Good),
            "{findings:?}"
        );
    }

    #[test]
    fn versions_are_those_that_dyno_is_tested_with() {
        for (version, state) in [
            ((3, 9, 2), Costs),
            ((3, 10, 0), Good),
            ((3, 13, 1), Good),
            ((3, 14, 0), Note),
        ] {
            let mut python = whole();
            python.has.version = version;
            assert_eq!(
                one(&judged(&facts(python)), "interpreter").state,
                state,
                "{version:?}"
            );
        }
        for (version, state) in [
            ("7.4.4", Costs),
            ("8.0.0", Good),
            ("9.2.0", Good),
            ("10.0", Costs),
        ] {
            let mut python = whole();
            let pytest = python.has.distributions.get_mut("pytest").unwrap();
            pytest.version = version.to_owned();
            let found = one(&judged(&facts(python)), "pytest");
            assert_eq!(found.state, state, "{version}");
            assert_eq!(found.remedy.is_some(), state == Costs);
        }
    }

    #[test]
    fn the_package_and_the_command_are_of_one_version() {
        let judged = |change: &dyn Fn(&mut Interpreter)| {
            let mut python = whole();
            change(&mut python);
            one(&judged(&facts(python)), "dyno package")
        };
        let gone = judged(&|python| python.has.dyno = None);
        assert_eq!(
            (gone.state, gone.found.as_str()),
            (Costs, "/venv/bin/python has no package dyno")
        );
        let other = judged(&|python| {
            python.has.distributions.get_mut("dyno").unwrap().version = "0.2.0".to_owned();
        });
        assert!(
            other.state == Costs && other.found.contains("0.2.0") && other.found.contains("0.1.0")
        );
        let foreign = judged(&|python| python.has.dyno.as_mut().unwrap().protocol = None);
        assert!(foreign.found.contains("protocol none"), "{foreign:?}");
        let source = judged(&|python| {
            python.has.dyno.as_mut().unwrap().folder = PathBuf::from("/src/python/dyno");
        });
        assert_eq!(source.state, Note);
    }

    #[test]
    fn plugins_are_told_by_what_is_known_of_them() {
        let mut python = whole();
        python.has.plugins = vec![
            "pytest-benchmark".into(),
            "pytest-odd".into(),
            "pytest-forked".into(),
        ];
        let findings = judged(&facts(python));
        assert!(
            one(&findings, "plugin pytest-benchmark")
                .found
                .contains("-n 1")
        );
        assert!(one(&findings, "other plugins").found.contains("pytest-odd"));
        assert_eq!(one(&findings, "plugin pytest-forked").state, Note);
        let absent = one(&findings, "absent plugins");
        assert!(
            absent
                .remedy
                .unwrap()
                .ends_with("install pytest-asyncio pytest-timeout")
        );
    }

    #[test]
    fn an_environment_whose_interpreter_is_gone_is_named() {
        let venv = |state| Venv {
            folder: PathBuf::from("/my env"),
            named_by: "VIRTUAL_ENV",
            state,
        };
        let mut facts = facts(whole());
        facts.environments = vec![venv(VenvState::Dangling("/usr/bin/python3.9".into()))];
        let found = one(&judged(&facts), "environment");
        assert_eq!(
            found.remedy.as_deref(),
            Some("python3 -m venv --clear '/my env'")
        );
        assert!(found.costs.unwrap().contains("/venv/bin/python instead"));
        facts.environments = vec![venv(VenvState::Fit)];
        assert_eq!(one(&judged(&facts), "environment").state, Note);
        facts.found = Err("no Python was found\nhint: x".to_owned());
        let found = one(&judged(&facts), "interpreter");
        assert_eq!(found.found, "no Python was found");
    }
}
