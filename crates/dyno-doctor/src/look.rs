//! All areas at once.

use crate::area::Area;
use crate::interpreter::Interpreter;
use crate::python::Venv;
use crate::suite::{ReadSuite, Suite};
use crate::surroundings::Surroundings;
use crate::{containers, dynamo, gpus, machine, models, python, services};
use dyno_model::Finding;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

/// Looks at these areas, and answers in their order. Call it from a process with one thread: a
/// sandbox is built in it first.
pub fn look(areas: &[Area], around: &Surroundings, suite: ReadSuite) -> Vec<(Area, Vec<Finding>)> {
    // It forks, which a process with other threads should not.
    let is_sealed = areas.contains(&Area::Sealed);
    let mut sealed = is_sealed.then(|| dyno_sandbox::doctor::look(&around.scratch));
    let mut suite = Some(suite);
    let main = &Main::default();
    thread::scope(|scope| {
        let started: Vec<_> = areas
            .iter()
            .map(|&area| {
                let suite = if area == Area::Models {
                    suite.take()
                } else {
                    None
                };
                let sealed = if area == Area::Sealed {
                    sealed.take()
                } else {
                    None
                };
                let look = move || match sealed {
                    Some(findings) => findings,
                    None => look_at(area, around, main, suite),
                };
                (area, scope.spawn(look))
            })
            .collect();
        let ended = started.into_iter().map(|(area, look)| {
            let findings = look
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (area, findings.into_iter().map(told).collect())
        });
        ended.collect()
    })
}

/// A finding as it is shown: in one line, and without `sudo` for root, who may not have it.
fn told(finding: Finding) -> Finding {
    let is_root = Surroundings::is_root();
    let line = |text: String| text.replace(|letter: char| letter.is_control(), " ");
    let plain = |remedy: String| {
        if is_root {
            remedy.replace("sudo ", "")
        } else {
            remedy
        }
    };
    Finding {
        found: line(finding.found),
        costs: finding.costs.map(line),
        remedy: finding.remedy.map(plain),
        ..finding
    }
}

/// What the Python of the tests tells; several areas want to know, and it is asked once.
type Main = OnceLock<Option<Result<Interpreter, String>>>;

fn look_at(
    area: Area,
    around: &Surroundings,
    main: &Main,
    suite: Option<ReadSuite>,
) -> Vec<Finding> {
    let told = || {
        main.get_or_init(|| {
            let path = around.python.as_ref().ok()?;
            Some(inspect(path, around))
        })
    };
    match area {
        Area::Sealed => Vec::new(),
        Area::Python => python::judge(&python::Facts {
            found: around.python.clone(),
            told: told().clone(),
            environments: environments(around),
            build: around.build,
            is_repository: around.repository().is_some(),
        }),
        Area::Dynamo => {
            let main = told().as_ref().and_then(|told| told.as_ref().ok());
            dynamo::judge(&dynamo_facts(main, around))
        }
        Area::Machine => machine::judge(&machine::Facts::look(around)),
        Area::Gpus => {
            let python = told().as_ref().and_then(|told| told.as_ref().ok());
            gpus::judge(&gpus::Facts::look(around, python))
        }
        Area::Models => {
            let suite = suite.unwrap_or_else(|| Box::new(|| Suite::None));
            models::judge(&models::Facts::look(around, suite))
        }
        Area::Services => services::judge(&services::Facts::look(around)),
        Area::Containers => containers::judge(&containers::Facts::look(around)),
    }
}

fn inspect(path: &Path, around: &Surroundings) -> Result<Interpreter, String> {
    Interpreter::look(path, around.program("uv").is_some())
}

/// The environments that `dyno test` prefers to the `PATH`, each once.
fn environments(around: &Surroundings) -> Vec<Venv> {
    let own = around
        .own_environment
        .iter()
        .map(|folder| Venv::look(folder, "dyno's own environment"));
    let active = around.variable("VIRTUAL_ENV").map(PathBuf::from);
    let active = active
        .iter()
        .map(|folder| Venv::look(folder, "VIRTUAL_ENV"));
    let mut all: Vec<Venv> = own.chain(active).collect();
    all.dedup_by(|later, earlier| later.folder == earlier.folder);
    all
}

fn dynamo_facts(main: Option<&Interpreter>, around: &Surroundings) -> dynamo::Facts {
    let named = ["DYNAMO_PYTHON".to_owned()]
        .into_iter()
        .chain(["vllm", "sglang", "trtllm"].map(dynamo::variable_of))
        .filter_map(|name| {
            let path = around.variable(&name).map(PathBuf::from)?;
            Some((name, path))
        });
    let mut apart: Vec<(String, PathBuf)> = named.collect();
    // Where the suite looks when no variable names one (`tests/conftest.py`).
    for engine in dynamo::MADE {
        let variable = dynamo::variable_of(engine);
        let mut made = around
            .folder
            .ancestors()
            .map(|folder| folder.join(".venv").join(engine).join("venv/bin/python"));
        if let Some(made) = made.find(|python| python.symlink_metadata().is_ok())
            && !apart.iter().any(|(name, _)| *name == variable)
        {
            apart.push((format!("environment of {engine}"), made));
        }
    }
    thread::scope(|scope| {
        let loads = main.filter(|main| main.version_of("ai-dynamo-runtime").is_some());
        let loads = loads.map(|main| scope.spawn(|| main.can("import dynamo._core")));
        let others: Vec<_> = apart
            .into_iter()
            .map(|(named_by, path)| {
                scope.spawn(move || dynamo::Other {
                    told: inspect(&path, around),
                    named_by,
                    path,
                })
            })
            .collect();
        dynamo::Facts {
            loads: loads.map(|loads| loads.join().unwrap_or(Ok(()))),
            others: others
                .into_iter()
                .filter_map(|other| other.join().ok())
                .collect(),
            is_repository: around.repository().is_some(),
            main: main.cloned(),
        }
    })
}
