//! How a container is run.

mod arguments;
mod confinement;
mod environment;
mod mounts;

pub use arguments::RunOptions;
pub use confinement::CallerId;
pub(crate) use confinement::SYSTEM_CALLS;

use crate::engine::{Engine, EngineKind, Users};
use crate::error::Problem;
use crate::private::Private;
use arguments::Gpus;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder in the container that has what dyno gives it.
const GIVEN: &str = "/run/dyno";

/// Where the container has the cache of models: `hub` in its `HF_HOME`.
const CACHE: &str = "/var/lib/dyno/.cache/huggingface/hub";

/// The first program of the container. It puts secrets into the environment of the command, where
/// no description of the container shows them, and lets an init stand in front, if there is one.
pub(crate) const ENTRY: &str = r#"#!/bin/sh
for dyno_file in /run/dyno/secrets/*; do
    [ -f "$dyno_file" ] || continue
    # Substitution takes newlines from the end, but not in front of a letter.
    dyno_value=$(cat "$dyno_file" && printf x) || exit 126
    export "${dyno_file##*/}=${dyno_value%x}"
done
unset dyno_file dyno_value
if [ $# -eq 0 ]; then
    if command -v bash >/dev/null; then set -- bash; else set -- sh; fi
fi
if command -v tini >/dev/null; then exec tini -- "$@"; fi
exec "$@"
"#;

/// What the host is, as far as it concerns a container.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Who runs it.
    pub caller: CallerId,
    /// Whether standard input is a terminal.
    pub has_terminal: bool,
    /// The machine's memory, in bytes.
    pub memory: u64,
    /// The variables of the environment.
    pub variables: BTreeMap<String, String>,
    /// What the caller may not exceed, where he may not raise it.
    pub limits: Option<Limits>,
}

/// Limits of resources that only who has `CAP_SYS_RESOURCE` may raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open files of a process.
    pub files: u64,
    /// Processes of a user.
    pub processes: u64,
}

/// What a run is made of besides its options.
#[derive(Debug, Clone)]
pub struct RunInputs {
    /// The host.
    pub surroundings: Surroundings,
    /// What is mounted at `/workspace`, absolute.
    pub workspace: Option<PathBuf>,
    /// The host's cache of models, absolute.
    pub cache: PathBuf,
    /// The host's token of the Hugging Face Hub.
    pub token: Option<Private>,
}

/// A run, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlan {
    /// What the container is given and nobody may read: variables and their values.
    pub secrets: Vec<(String, Private)>,
    /// What the caller should know, a clause each.
    pub notes: Vec<String>,
    /// The cache of models, made where it is missing.
    pub cache: PathBuf,
    /// The image.
    pub image: String,
    /// The container's name, where it was given one.
    pub name: Option<String>,
    program: String,
    options: Vec<String>,
    filters_calls: bool,
    command: Vec<String>,
}

impl RunPlan {
    /// The plan of this run, or everything that is wrong with it.
    pub fn new(
        options: &RunOptions,
        engine: &Engine,
        inputs: &RunInputs,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let image = options.image(&mut problems);
        let gpus = options.gpus(&mut problems);
        let shm_size = options.shm_size(inputs.surroundings.memory, &mut problems);
        let name = options.name(&mut problems);
        let variables = environment::resolve(&options.env, inputs, &mut problems);
        let mut notes = variables.notes;
        let mut words = Vec::new();
        let mut say = |word: &str| words.push(word.to_owned());
        if options.interactive {
            say("--interactive");
        }
        if options.tty {
            if inputs.surroundings.has_terminal {
                say("--tty");
            } else {
                notes.push("standard input is no terminal, so there is none inside".to_owned());
            }
        }
        let confined = confinement::options(engine, inputs.surroundings.caller);
        confined.words.iter().for_each(|word| say(word));
        notes.extend(confined.notes);
        say(&format!("--shm-size={shm_size}"));
        for word in limit_words(engine, inputs.surroundings.limits) {
            say(&word);
        }
        for word in gpu_words(&gpus, engine.kind) {
            say(&word);
        }
        if let Some(network) = options.network(&mut problems) {
            say(&format!("--network={network}"));
        }
        let places = [
            (inputs.workspace.as_deref(), "/workspace"),
            (Some(inputs.cache.as_path()), CACHE),
        ];
        for (source, target) in places {
            match source.map(|source| mounts::bind(source, target, false)) {
                Some(Ok(word)) => say(&word),
                Some(Err(problem)) => problems.push(problem),
                None => {}
            }
        }
        if inputs.workspace.is_some() {
            say("--workdir=/workspace");
        }
        for (variable, value) in &variables.shown {
            say(&format!("--env={variable}={value}"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            secrets: variables.secrets,
            notes,
            cache: inputs.cache.clone(),
            image,
            name,
            program: engine.program.clone(),
            options: words,
            filters_calls: confined.filters_calls,
            command: options.command.clone(),
        })
    }

    /// The engine's command, with this name for the run, which is also the container's where it
    /// was given none, and this folder for what is private.
    pub fn command(&self, run: &str, private: &Path) -> Vec<String> {
        let mut words = vec![
            self.program.clone(),
            "run".to_owned(),
            "--rm".to_owned(),
            format!("--name={}", self.name.as_deref().unwrap_or(run)),
            format!("--label={}", label(run)),
        ];
        words.extend(self.options.iter().cloned());
        if self.filters_calls {
            let file = private.join("calls.json");
            words.push(format!("--security-opt=seccomp={}", file.display()));
        }
        // Its name is dyno's own, which no rule of quoting concerns.
        let given = private.join("given");
        words.push(mounts::bind(&given, GIVEN, true).unwrap_or_default());
        words.push("--entrypoint=/bin/sh".to_owned());
        words.push(self.image.clone());
        words.push(format!("{GIVEN}/entry"));
        words.extend(self.command.iter().cloned());
        words
    }

    /// Whether the container has a filter of system calls of dyno's.
    pub(crate) fn filters_calls(&self) -> bool {
        self.filters_calls
    }
}

/// The label by which the container of a run is told from all others, whatever its name.
pub(crate) fn label(run: &str) -> String {
    format!("dyno.run={run}")
}

/// Podman run by root asks for the most that a system may have, and starts nothing where root may
/// not have it: in a container, or a machine without `CAP_SYS_RESOURCE`.
fn limit_words(engine: &Engine, limits: Option<Limits>) -> Vec<String> {
    match limits {
        Some(Limits { files, processes })
            if engine.kind == EngineKind::Podman && engine.users != Users::Callers =>
        {
            vec![
                format!("--ulimit=nofile={files}:{files}"),
                format!("--ulimit=nproc={processes}:{processes}"),
            ]
        }
        _ => Vec::new(),
    }
}

/// Docker counts GPUs or names them; podman names devices of the container device interface.
fn gpu_words(gpus: &Gpus, kind: EngineKind) -> Vec<String> {
    let device = |which: &str| format!("--device=nvidia.com/gpu={which}");
    match (gpus, kind) {
        (Gpus::None, _) => Vec::new(),
        (Gpus::All, EngineKind::Docker) => vec!["--gpus=all".to_owned()],
        (Gpus::Count(count), EngineKind::Docker) => vec![format!("--gpus={count}")],
        // Its own quotes, around a list that commas part.
        (Gpus::These(ids), EngineKind::Docker) => {
            vec![format!("--gpus=\"device={}\"", ids.join(","))]
        }
        (Gpus::All, EngineKind::Podman) => vec![device("all")],
        (Gpus::Count(count), EngineKind::Podman) => (0..*count)
            .map(|index| device(&index.to_string()))
            .collect(),
        (Gpus::These(ids), EngineKind::Podman) => ids.iter().map(|id| device(id)).collect(),
    }
}
