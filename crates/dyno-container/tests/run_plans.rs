//! The plans of runs, by engine and caller.

use dyno_container::{
    CallerId, Engine, EngineKind, Limits, Private, RunInputs, RunOptions, RunPlan, Surroundings,
    Users,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

const CALLER: CallerId = CallerId {
    user: 1000,
    group: 100,
};
const ROOT: CallerId = CallerId { user: 0, group: 0 };

fn inputs(caller: CallerId) -> RunInputs {
    RunInputs {
        surroundings: Surroundings {
            caller,
            has_terminal: true,
            memory: 64 << 30,
            variables: BTreeMap::new(),
            limits: None,
        },
        workspace: Some(PathBuf::from("/srv/me/my suite, v2")),
        cache: PathBuf::from("/srv/me/.cache/huggingface/hub"),
        token: Some(Private::new("hf_never-shown")),
    }
}

fn pytest() -> RunOptions {
    RunOptions {
        interactive: true,
        tty: true,
        command: ["pytest", "-m", "unit and pre_merge"]
            .map(str::to_owned)
            .to_vec(),
        ..RunOptions::default()
    }
}

fn docker() -> Engine {
    Engine::assumed(EngineKind::Docker)
}

fn podman() -> Engine {
    Engine::assumed(EngineKind::Podman)
}

fn shown(options: &RunOptions, engine: &Engine, inputs: &RunInputs) -> String {
    let plan = RunPlan::new(options, engine, inputs).unwrap();
    assert!(!format!("{plan:?}").contains("never-shown"));
    let notes: Vec<String> = plan
        .notes
        .iter()
        .map(|note| format!("note: {note}\n"))
        .collect();
    format!("{}{plan}", notes.concat())
}

fn env(texts: &[&str]) -> RunOptions {
    RunOptions {
        env: texts.iter().map(ToString::to_string).collect(),
        ..pytest()
    }
}

#[test]
fn by_engine_and_caller() {
    let confined = Engine {
        has_apparmor: true,
        has_labels: true,
        ..docker()
    };
    let of = |users: Users, engine: Engine| Engine { users, ..engine };
    for (name, engine, caller) in [
        ("docker-user", docker(), CALLER),
        ("docker-root", docker(), ROOT),
        ("docker-confined", confined, CALLER),
        ("docker-rootless", of(Users::Callers, docker()), CALLER),
        ("docker-remapped", of(Users::Remapped, docker()), CALLER),
        ("podman-rootless", of(Users::Callers, podman()), CALLER),
        ("podman-root", podman(), ROOT),
    ] {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, shown(&pytest(), &engine, &inputs(caller)));
        });
    }
}

#[test]
fn without_a_terminal_there_is_none_inside() {
    let mut piped = inputs(CALLER);
    piped.surroundings.has_terminal = false;
    let shown = shown(&pytest(), &docker(), &piped);
    assert!(
        !shown.contains("--tty") && shown.contains("--interactive"),
        "{shown}"
    );
    assert!(shown.contains("note: standard input is no terminal, so there is none inside"));
}

#[test]
fn gpus_in_the_words_of_each_engine() {
    for (spec, of_docker, of_podman) in [
        ("all", "--gpus=all", "--device=nvidia.com/gpu=all"),
        (
            "2",
            "--gpus=2",
            "--device=nvidia.com/gpu=0 --device=nvidia.com/gpu=1",
        ),
        (
            "device=1,3",
            "--gpus=\"device=1,3\"",
            "--device=nvidia.com/gpu=1 --device=nvidia.com/gpu=3",
        ),
    ] {
        let options = RunOptions {
            gpus: Some(spec.to_owned()),
            ..pytest()
        };
        for (engine, expected) in [(docker(), of_docker), (podman(), of_podman)] {
            let plan = RunPlan::new(&options, &engine, &inputs(CALLER)).unwrap();
            let words = plan.command("n", "/p".as_ref()).join(" ");
            assert!(words.contains(expected), "{words}");
        }
    }
}

#[test]
fn a_caller_that_may_not_raise_limits_asks_for_none() {
    let mut limited = inputs(ROOT);
    limited.surroundings.limits = Some(Limits {
        files: 20_000,
        processes: 32_768,
    });
    let of_podman = shown(&pytest(), &podman(), &limited);
    assert!(
        of_podman.contains("--ulimit=nofile=20000:20000"),
        "{of_podman}"
    );
    assert!(!shown(&pytest(), &docker(), &limited).contains("--ulimit"));
}

/// How each of these goes: shown on the command line, by a file, or not at all.
#[test]
fn variables_go_their_ways() {
    let mut host = inputs(CALLER);
    host.surroundings.variables = [
        ("HF_ENDPOINT", "http://hub.test"),
        ("HF_HUB_OFFLINE", ""),
        ("GIVEN", "of the host"),
        ("OTHER_TOKEN", "tok_never-shown"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let options = env(&[
        "PLAIN=a b=c",
        "LINES=one\ntwo",
        "EMPTY=",
        "GIVEN",
        "UNSET",
        "OTHER_TOKEN",
        "API_KEY=key_never-shown",
        "LD_PRELOAD=/x.so",
        "PLAIN=last",
    ]);
    let plan = RunPlan::new(&options, &docker(), &host).unwrap();
    let words = plan.command("n", "/p".as_ref());
    let shown: Vec<&str> = words
        .iter()
        .filter_map(|word| word.strip_prefix("--env="))
        .collect();
    assert_eq!(
        shown,
        [
            "EMPTY=",
            "GIVEN=of the host",
            "HF_ENDPOINT=http://hub.test",
            "HF_HUB_CACHE=/var/lib/dyno/.cache/huggingface/hub",
            "HF_TOKEN_PATH=/run/dyno/secrets/HF_TOKEN",
            "LD_PRELOAD=/x.so",
            "LINES=one\ntwo",
            "PLAIN=last",
        ]
    );
    let secrets: Vec<&str> = plan.secrets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(secrets, ["API_KEY", "HF_TOKEN", "OTHER_TOKEN"]);
    assert!(
        plan.notes
            .contains(&"UNSET is not set here, so it is not set inside".to_owned())
    );
    assert!(!format!("{plan:?}{plan}").contains("never-shown"));
}

#[test]
fn an_empty_token_means_none() {
    let plan = RunPlan::new(&env(&["HF_TOKEN="]), &docker(), &inputs(CALLER)).unwrap();
    assert_eq!(plan.secrets, []);
    let own = RunPlan::new(&env(&["HF_TOKEN=hf_other"]), &docker(), &inputs(CALLER)).unwrap();
    assert_eq!(
        own.secrets,
        [("HF_TOKEN".to_owned(), Private::new("hf_other"))]
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let options = RunOptions {
        image: Some("-v".to_owned()),
        framework: Some("vllm".to_owned()),
        gpus: Some("some".to_owned()),
        env: ["1A=secret-value", "=secret-value", "A B=secret-value"]
            .map(str::to_owned)
            .to_vec(),
        shm_size: Some("much".to_owned()),
        name: Some("a".to_owned()),
        network: Some("--privileged".to_owned()),
        ..pytest()
    };
    let mut odd = inputs(CALLER);
    odd.workspace = Some(PathBuf::from("/srv/me/a\nb"));
    let problems = RunPlan::new(&options, &docker(), &odd).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let told = told.join("\n");
    assert!(!told.contains("secret-value"), "{told}");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("run-problems", told);
    });
}

#[test]
fn the_image_is_the_one_named_or_the_last_that_was_built() {
    let image = |framework: Option<&str>, target: Option<&str>| {
        let options = RunOptions {
            framework: framework.map(str::to_owned),
            target: target.map(str::to_owned),
            ..pytest()
        };
        RunPlan::new(&options, &docker(), &inputs(CALLER))
            .unwrap()
            .image
    };
    assert_eq!(image(None, None), "dyno:latest");
    assert_eq!(image(Some("vllm"), None), "dyno:vllm-runtime");
    assert_eq!(image(Some("sglang"), Some("dev")), "dyno:sglang-dev");
}
