//! Plugins of pytest, by what is known of them.

use crate::interpreter::Interpreter;
use crate::paste;
use dyno_model::Finding;

/// Plugins that `python/tests/plugins` runs under dyno and under pytest, with what is to be
/// known of them. `docs/plugins.md` tells more.
const PLUGINS: [(&str, Option<&str>); 15] = [
    ("pytest-asyncio", None),
    ("anyio", None),
    ("pytest-mock", None),
    ("pytest-httpserver", None),
    ("hypothesis", None),
    ("pytest-subtests", None),
    ("pytest-mypy", None),
    ("pytest-cov", None),
    ("pytest-html", None),
    ("pytest-json-report", None),
    ("allure-pytest", None),
    ("pytest-timeout", None),
    (
        "pytest-order",
        Some("the order is that of the units, and exact with `dyno test -n 1` only"),
    ),
    (
        "pytest-rerunfailures",
        Some("a test that kills its worker is not rerun by it; `dyno test --retries` does that"),
    ),
    (
        "pytest-benchmark",
        Some("figures of several workers are disturbed; measure with `dyno test -n 1`"),
    ),
];

/// Plugins that run tests in processes of their own, as dyno does.
const RUNNERS: [&str; 4] = [
    "pytest-xdist",
    "pytest-forked",
    "pytest-parallel",
    "pytest-isolate",
];

/// Plugins that suites of Dynamo ask for.
const WELCOME: [&str; 2] = ["pytest-asyncio", "pytest-timeout"];

pub(super) fn plugins(python: &Interpreter) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for name in &python.has.plugins {
        let version = python
            .version_of(name)
            .map_or(String::new(), |version| format!(" {version}"));
        let shown = format!("{name}{version}");
        match PLUGINS.iter().find(|(known, _)| known == name) {
            _ if matches!(name.as_str(), "dyno" | "ai-dynamo") => {}
            Some((_, None)) => known.push(shown),
            Some((_, Some(but))) => {
                findings.push(Finding::note(
                    format!("plugin {name}"),
                    format!("{shown}: {but}"),
                ));
            }
            None if name == "pytest-xdist" => known.push(shown),
            None if RUNNERS.contains(&name.as_str()) => findings.push(Finding::note(
                format!("plugin {name}"),
                format!("{shown}: runs tests in processes of its own; leave its options away"),
            )),
            None => unknown.push(shown),
        }
    }
    if !known.is_empty() {
        let found = format!("{}: as under pytest", known.join(", "));
        findings.insert(0, Finding::good("plugins", found));
    }
    if !unknown.is_empty() {
        let found = format!(
            "{}: dyno is not tested with {}",
            unknown.join(", "),
            if unknown.len() == 1 { "it" } else { "them" }
        );
        findings.push(Finding::note("other plugins", found));
    }
    let absent = |name: &&str| !python.has.plugins.iter().any(|one| one == name);
    let absent: Vec<&str> = WELCOME.into_iter().filter(absent).collect();
    if !absent.is_empty() && python.version_of("pytest").is_some() {
        let found = format!(
            "{} not installed; suites of Dynamo use them",
            paste::listed(&absent)
        );
        let install = python.install(&absent);
        findings.push(Finding::note("absent plugins", found).mended_by(Some(install)));
    }
    findings
}
