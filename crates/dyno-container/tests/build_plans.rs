//! The plans of all builds, line by line.

use dyno_container::{
    BuildInputs, BuildPlan, BuildRequest, Builder, Choice, ContextFile, Engine, EngineKind,
    HostSettings, choose,
};
use std::path::{Path, PathBuf};

fn choice(framework: &str, target: &str, build_args: &[&str]) -> Choice {
    let request = BuildRequest {
        framework: framework.to_owned(),
        target: target.to_owned(),
        build_args: build_args.iter().map(ToString::to_string).collect(),
        ..BuildRequest::default()
    };
    choose(&request).unwrap()
}

fn inputs(choice: &Choice, settings: HostSettings) -> BuildInputs {
    let requirements = choice.requirements().into_iter().map(|name| ContextFile {
        path: format!("requirements/{name}"),
        text: "pytest==9.2.0\npluggy==1.7.0\n".to_owned(),
    });
    BuildInputs {
        requirements: requirements.collect(),
        wheel: PathBuf::from("/repository/.venv/wheels/dyno-0.1.0-py3-none-any.whl"),
        settings,
    }
}

fn legacy() -> Engine {
    Engine {
        builder: Builder::Plain,
        ..Engine::assumed(EngineKind::Docker)
    }
}

fn engines() -> [(&'static str, Engine); 3] {
    [
        ("docker", Engine::assumed(EngineKind::Docker)),
        ("docker-legacy", legacy()),
        ("podman", Engine::assumed(EngineKind::Podman)),
    ]
}

/// A host behind a registry of its own, with a password in it.
fn guarded_host() -> HostSettings {
    let environment = [
        (
            "PIP_INDEX_URL",
            "https://me:s3cr3t-pass@registry.test/simple",
        ),
        ("HTTPS_PROXY", "http://me:s3cr3t-pass@proxy.test:3128"),
        ("SSL_CERT_FILE", "/ca.pem"),
    ];
    HostSettings::of(
        |name| {
            let pair = environment.iter().find(|(one, _)| *one == name);
            pair.map(|(_, value)| (*value).to_owned())
        },
        [],
        |_| Some(b"-----BEGIN CERTIFICATE-----".to_vec()),
    )
}

#[test]
fn every_framework_target_and_engine() {
    for (name, engine) in engines() {
        for (framework, build_args) in [
            ("none", &[][..]),
            ("vllm", &[]),
            ("vllm", &["DEVICE=cpu"]),
            ("sglang", &[]),
            ("trtllm", &[]),
        ] {
            for target in ["runtime", "dev"] {
                let choice = choice(framework, target, build_args);
                let inputs = inputs(&choice, HostSettings::default());
                let plan = BuildPlan::new(&choice, &engine, &inputs);
                let device = choice.device.name();
                insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
                    insta::assert_snapshot!(
                        format!("{name}-{framework}-{device}-{target}"), plan.to_string()
                    );
                });
            }
        }
    }
}

#[test]
fn what_the_host_has_is_in_no_layer_and_no_argument() {
    for (name, engine) in engines() {
        let choice = choice("none", "runtime", &[]);
        let plan = BuildPlan::new(&choice, &engine, &inputs(&choice, guarded_host()));
        let shown = plan.to_string();
        let debug = format!("{plan:?}");
        for text in [&shown, &debug] {
            assert!(!text.contains("s3cr3t"), "{name}: {text}");
            assert!(!text.contains("registry.test"), "{name}: {text}");
        }
        // The Containerfile is the same with and without.
        let bare = BuildPlan::new(&choice, &engine, &inputs(&choice, HostSettings::default()));
        assert_eq!(bare.containerfile, plan.containerfile);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("{name}-guarded-host"), shown);
        });
    }
}

/// In the dialect without mounts secrets are copied into a stage, so the image must be another.
#[test]
fn the_stage_that_holds_the_hosts_settings_is_not_the_image() {
    let choice = choice("none", "runtime", &[]);
    let plan = BuildPlan::new(&choice, &legacy(), &inputs(&choice, guarded_host()));
    let stages: Vec<&str> = plan.containerfile.split("\nFROM ").collect();
    assert_eq!(stages.len(), 4, "the heading, two stages and the image");
    assert!(stages[2].contains("COPY host /run/secrets"));
    assert!(stages[2].contains("LABEL dyno.stage=thrown-away"));
    assert!(stages[3].starts_with("system\n"));
    for (place, stage) in stages.iter().enumerate() {
        assert_eq!(stage.contains("COPY host"), place == 2, "{stage}");
    }
    let afterwards = plan.afterwards.unwrap().join(" ");
    assert_eq!(
        afterwards,
        "docker image prune --force --filter=label=dyno.stage=thrown-away"
    );
}

#[test]
fn no_plan_names_a_registry_of_images() {
    for framework in ["none", "vllm", "sglang", "trtllm"] {
        let choice = choice(framework, "dev", &[]);
        for image in [&choice.base, &choice.rust] {
            let first = image.split('/').next().unwrap();
            let is_host = image.contains('/') && first.contains(['.', ':']);
            assert!(!is_host, "{image}");
        }
    }
}

#[test]
fn the_repository_has_the_requirements_of_every_choice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../requirements/container");
    for (framework, build_args) in [
        ("none", &[][..]),
        ("vllm", &[]),
        ("vllm", &["DEVICE=cpu"]),
        ("sglang", &[]),
        ("trtllm", &[]),
    ] {
        for name in choice(framework, "dev", build_args).requirements() {
            let text = std::fs::read_to_string(folder.join(&name)).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let loose: Vec<&str> = lines.filter(|line| !line.contains("==")).collect();
            assert!(loose.is_empty(), "{name} does not pin {loose:?}");
        }
    }
}

#[test]
fn uv_is_the_one_of_the_makefile() {
    let makefile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Makefile");
    let makefile = std::fs::read_to_string(makefile).unwrap();
    let line = makefile
        .lines()
        .find_map(|line| line.strip_prefix("UV_VERSION := "));
    let choice = choice("none", "runtime", &[]);
    let inputs = inputs(&choice, HostSettings::default());
    let plan = BuildPlan::new(&choice, &Engine::assumed(EngineKind::Docker), &inputs);
    let pinned = format!("uv=={};", line.unwrap());
    assert!(plan.containerfile.contains(&pinned), "no {pinned}");
}
