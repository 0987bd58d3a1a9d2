use super::*;
use dyno_model::{Bytes, Location, Marker, MilliCpu, TestId};

/// Name, arguments, keyword arguments.
type Mark<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)]);

fn item(id: &str, markers: &[Mark<'_>]) -> Item {
    let text = |text: &&str| Some((*text).to_owned());
    let marker = |(name, args, kwargs): &Mark<'_>| Marker {
        name: (*name).to_owned(),
        args: args.iter().map(text).collect(),
        kwargs: (kwargs.iter())
            .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
            .collect(),
    };
    let id = TestId::new(id).unwrap();
    Item {
        location: Location {
            file: id.file().to_owned(),
            line: None,
            domain: String::new(),
        },
        id,
        markers: markers.iter().map(marker).collect(),
        shares: Vec::new(),
        models: Vec::new(),
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const TABLE: &str = r#"
[tool.dyno]
workers = 3
timeout = "10m"
retries = 1
deadline = 3600
tokens = { gpu = 2 }

[tool.dyno.markers]
allow = ["asyncio"]

[[tool.dyno.rules]]
filter = "e2e and not gpu_0"
timeout = { setup = "5m", call = 30 }
tokens = ["gpu"]
slots = 2
env = { A = "first" }

[[tool.dyno.rules]]
path = "tests/serve/*"
name = "slow_one or other"
retries = 4
lane = "own"
slots = 9
memory = "1 GiB"
env = { A = "second", B = "b" }

[tool.dyno.profiles.ci]
retries = 2
slow = "5s"
tokens = { etcd = 3 }
[[tool.dyno.profiles.ci.rules]]
filter = "e2e"
exclusive = true
cpu = 1.5
"#;

#[test]
fn the_first_rule_that_says_a_thing_decides_it() {
    let rules = Rules::of(Some(TABLE), None).unwrap();
    let plain = rules.terms(
        &item("tests/a.py::test", &[]),
        TimeoutMarker::Ours,
        Beside::None,
    );
    assert_eq!(plain.claim, Claim::default());
    assert_eq!(plain.timeouts, Timeouts::each(Duration::from_secs(600)));
    assert_eq!((plain.retries, plain.lane), (1, Lane::Shared));
    let both = item("tests/serve/a.py::test_slow_one", &[("e2e", &[], &[])]);
    let terms = rules.terms(&both, TimeoutMarker::Ours, Beside::None);
    assert_eq!(terms.claim.slots, 2);
    assert_eq!(terms.claim.memory, Bytes(1 << 30));
    assert_eq!(terms.claim.tokens.len(), 1);
    assert_eq!(
        terms.timeouts,
        Timeouts {
            setup: Some(seconds(300)),
            call: Some(seconds(30)),
            teardown: Some(seconds(600)),
        }
    );
    assert_eq!((terms.retries, terms.lane), (4, Lane::Own));
    assert_eq!(terms.env["A"], "first");
    assert_eq!(terms.env["B"], "b");
    let not_gpu = item("a.py::t", &[("e2e", &[], &[]), ("gpu_0", &[], &[])]);
    assert_eq!(
        rules.terms(&not_gpu, TimeoutMarker::Ours, Beside::None),
        plain
    );
}

#[test]
fn a_profile_comes_before_the_table() {
    let rules = Rules::of(Some(TABLE), Some("ci")).unwrap();
    assert_eq!(rules.slow, Duration::from_secs(5));
    assert_eq!(rules.deadline, Some(seconds(3600)));
    assert_eq!(rules.workers, Some("3".parse().unwrap()));
    assert_eq!(rules.tokens.len(), 2);
    let terms = rules.terms(
        &item("a.py::t", &[("e2e", &[], &[])]),
        TimeoutMarker::Ours,
        Beside::None,
    );
    assert_eq!(terms.retries, 2);
    assert!(terms.claim.exclusive);
    assert_eq!(terms.claim.cpu, MilliCpu(1500));
    assert_eq!(terms.claim.slots, 2);
    let error = Rules::of(Some(TABLE), Some("nightly"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("nightly") && error.contains("there are: ci"),
        "{error}"
    );
    assert!(Rules::of(None, Some("ci")).is_err());
    assert_eq!(Rules::of(None, None).unwrap(), Rules::default());
}

#[test]
fn a_tests_own_markers_come_first() {
    let rules = Rules::of(Some(TABLE), None).unwrap();
    let resources: Mark<'_> = (
        "resources",
        &[],
        &[
            ("slots", "3"),
            ("memory", "'2 GiB'"),
            ("tokens", "{'etcd': 2, 'gpu': 1}"),
            ("exclusive", "True"),
        ],
    );
    let test = item(
        "a.py::t",
        &[("timeout", &["2.5"], &[]), resources, ("e2e", &[], &[])],
    );
    let terms = rules.terms(&test, TimeoutMarker::Ours, Beside::None);
    assert_eq!(terms.claim.slots, 3);
    assert_eq!(terms.claim.memory, Bytes(2 << 30));
    let counts: Vec<_> = terms.claim.tokens.iter().collect();
    assert_eq!(
        counts
            .iter()
            .map(|(name, count)| (name.as_str(), **count))
            .collect::<Vec<_>>(),
        [("etcd", 2), ("gpu", 1)]
    );
    assert!(terms.claim.exclusive);
    assert_eq!(terms.timeouts, Timeouts::each(Duration::from_millis(2500)));
    // The plugin's limit is its own; dyno's comes after it.
    let plugins = rules.terms(&test, TimeoutMarker::Plugins, Beside::None);
    assert_eq!(
        plugins.timeouts,
        Timeouts::each(Duration::from_millis(2500) + BEHIND_PLUGIN)
    );
    let body = item(
        "a.py::t",
        &[("timeout", &[], &[("timeout", "9"), ("func_only", "True")])],
    );
    assert_eq!(
        rules
            .terms(&body, TimeoutMarker::Ours, Beside::None)
            .timeouts,
        Timeouts {
            setup: Some(seconds(600)),
            call: Some(seconds(9)),
            teardown: Some(seconds(600))
        }
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = r#"
[[tool.dyno.rules]]
filter = "e2e and"
name = ""
[[tool.dyno.rules]]
path = "x"
"#;
    let error = Rules::of(Some(text), None).unwrap_err().to_string();
    for part in [
        "number 1",
        "e2e and\n",
        "name is empty",
        "number 2: it changes nothing",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    for text in [
        "[tool.dyno]\nworker = 3",
        "[tool.dyno]\nworkers = 'many'",
        "[tool.dyno]\ntimeout = 'soon'",
        "[tool.dyno]\ntimeout = -1",
        "[tool.dyno]\ntokens = { 'a b' = 1 }",
        "[[tool.dyno.rules]]\nlane = 'fast'",
        "[[tool.dyno.rules]]\nslots = 0",
        "[[tool.dyno.rules]]\nmemory = 'much'",
        "[[tool.dyno.rules]]\nenv = { 'A=B' = 'c' }",
        "[tool.dyno",
    ] {
        let error = Rules::of(Some(text), None).unwrap_err().to_string();
        assert!(error.contains("pyproject.toml"), "{text}: {error}");
    }
}

#[test]
fn tests_of_servers_are_sealed_where_others_run_beside_them() {
    let table = "[[tool.dyno.rules]]\nfilter = 'kv_router'\nlane = 'shared'\nexclusive = false\n";
    let rules = Rules::of(Some(table), None).unwrap();
    let lane = |marks: &[Mark<'_>], beside| {
        let test = item("tests/a.py::test", marks);
        rules.terms(&test, TimeoutMarker::Ours, beside).lane
    };
    for marker in SEALED {
        let marks = [(marker, &[][..], &[][..])];
        assert_eq!(lane(&marks, Beside::Others), Lane::Sealed, "{marker}");
        assert_eq!(lane(&marks, Beside::None), Lane::Shared, "{marker}");
    }
    assert_eq!(lane(&[("unit", &[], &[])], Beside::Others), Lane::Shared);
    let both = [("e2e", &[][..], &[][..]), ("kv_router", &[], &[])];
    assert_eq!(lane(&both, Beside::Others), Lane::Shared, "a rule decides");
    let exclusive = |marks: &[Mark<'_>]| {
        let test = item("tests/a.py::test", marks);
        let terms = rules.terms(&test, TimeoutMarker::Ours, Beside::Others);
        terms.claim.exclusive
    };
    let benchmark: Mark<'_> = ("benchmark", &[], &[]);
    assert!(exclusive(&[benchmark]));
    assert!(!exclusive(&[benchmark, both[1]]) && !exclusive(&both));
}

#[test]
fn limits_are_each_the_first_that_is_said() {
    let table = r#"
[tool.dyno]
memory-limit = "8GiB"
process-limit = 4096

[[tool.dyno.rules]]
filter = "stress"
memory-limit = "512 MiB"

[[tool.dyno.rules]]
memory-limit = "1 GiB"
process-limit = 64
path = "tests/*"

[tool.dyno.profiles.ci]
memory-limit = 1000
"#;
    let limits = |profile, id: &str, marker: &str| {
        let rules = Rules::of(Some(table), profile).unwrap();
        assert!(rules.limit_processes());
        let item = item(id, &[(marker, &[], &[])]);
        let limits = rules
            .terms(&item, TimeoutMarker::Ours, Beside::Others)
            .limits;
        (limits.memory.map(|memory| memory.0), limits.processes)
    };
    assert_eq!(limits(None, "a.py::t", "e2e"), (Some(8 << 30), Some(4096)));
    assert_eq!(
        limits(Some("ci"), "a.py::t", "e2e"),
        (Some(1000), Some(4096))
    );
    assert_eq!(
        limits(None, "tests/a.py::t", "stress"),
        (Some(512 << 20), Some(64))
    );
    let none = Rules::of(None, None).unwrap();
    assert!(none.plain().limits.is_empty() && !none.limit_processes());
}

#[test]
fn a_limit_that_is_none_is_refused() {
    let refused = |line: &str| {
        let table = format!("[tool.dyno]\n{line}\n");
        Rules::of(Some(&table), None).unwrap_err().to_string()
    };
    for (line, words) in [
        (
            "memory-limit = \"lots\"",
            "\"lots\" is no amount of memory, such as \"512 MiB\"",
        ),
        ("memory-limit = 0", "a limit of memory must be above 0"),
        (
            "process-limit = 0",
            "0 is no limit of processes: it must be a number above 0",
        ),
        ("process-limit = -3", "-3 is no limit of processes"),
        ("process-limit = \"many\"", "expected i64"),
    ] {
        let said = refused(line);
        assert!(said.contains(words) && said.contains(line), "{said}");
    }
}
