//! Container engines: what they can do, by what they say of themselves.

mod probe;

pub use probe::brings_buildkit;
pub(crate) use probe::{Asked, described, none_of};

use crate::error::Problem;
use crate::framework::one_of;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// Whose command line is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
}

/// An engine, as it described itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Whose command line it has.
    pub kind: EngineKind,
    /// The program, by name or path.
    pub program: String,
    /// How it builds.
    pub builder: Builder,
    /// Who the users of its containers are outside.
    pub users: Users,
    /// Whether it confines containers by `AppArmor`.
    pub has_apparmor: bool,
    /// Whether it confines containers by labels (`SELinux`).
    pub has_labels: bool,
    /// Whether it filters system calls.
    pub has_seccomp: bool,
}

/// Who the users of containers are outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    /// The same, by number.
    Same,
    /// The root of containers is who started the engine: it is rootless.
    Callers,
    /// Others, that the engine's owner laid down for all containers.
    Remapped,
}

/// What a step of a build may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// `RUN --mount`: secrets, caches and files of the context that no layer holds.
    Mounts,
    /// None of that (docker without `BuildKit`).
    Plain,
}

impl EngineKind {
    /// Both, the one that is looked for first in front.
    pub const ALL: [Self; 2] = [Self::Docker, Self::Podman];

    /// Its name, which is its program's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        one_of(text, "a container engine", &Self::ALL, Self::name)
    }
}

impl Engine {
    /// What is taken for granted of an engine that cannot be asked, to show a plan: docker with
    /// `BuildKit`, or podman, run by root, as their packages set them up.
    pub fn assumed(kind: EngineKind) -> Self {
        Self {
            kind,
            program: kind.name().to_owned(),
            builder: Builder::Mounts,
            users: Users::Same,
            has_apparmor: false,
            has_labels: false,
            has_seccomp: true,
        }
    }

    /// By the answer to `docker info`. `buildkit`: whether this client can use it.
    pub(crate) fn of_docker(program: &str, info: &Value, buildkit: bool) -> Self {
        let options = info["SecurityOptions"].as_array();
        let has = |name: &str| {
            options.is_some_and(|options| {
                let mut texts = options.iter().filter_map(Value::as_str);
                texts.any(|text| text.split(',').any(|part| part == format!("name={name}")))
            })
        };
        Self {
            kind: EngineKind::Docker,
            program: program.to_owned(),
            builder: if buildkit {
                Builder::Mounts
            } else {
                Builder::Plain
            },
            users: if has("rootless") {
                Users::Callers
            } else if has("userns") {
                Users::Remapped
            } else {
                Users::Same
            },
            has_apparmor: has("apparmor"),
            has_labels: has("selinux"),
            has_seccomp: has("seccomp"),
        }
    }

    /// By the answer to `podman info`.
    pub(crate) fn of_podman(program: &str, info: &Value) -> Self {
        let security = &info["host"]["security"];
        let is = |name: &str| security[name].as_bool() == Some(true);
        Self {
            kind: EngineKind::Podman,
            program: program.to_owned(),
            builder: Builder::Mounts,
            users: if is("rootless") {
                Users::Callers
            } else {
                Users::Same
            },
            has_apparmor: is("apparmorEnabled"),
            has_labels: is("selinuxEnabled"),
            has_seccomp: is("seccompEnabled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn engines_are_known_by_what_they_say() {
        let docker = Engine::of_docker(
            "docker",
            &json!({"SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"]}),
            true,
        );
        assert!(docker.has_apparmor && docker.has_seccomp && docker.users == Users::Same);
        assert_eq!(docker.builder, Builder::Mounts);
        let rootless =
            json!({"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]});
        let rootless = Engine::of_docker("docker", &rootless, false);
        assert!(rootless.users == Users::Callers && rootless.builder == Builder::Plain);
        let silent = Engine::of_docker("docker", &json!({"SecurityOptions": null}), false);
        assert!(!silent.has_seccomp && silent.users == Users::Same);
        let podman = Engine::of_podman(
            "podman",
            &json!({"host": {"security": {"rootless": true, "seccompEnabled": true}}}),
        );
        assert!(podman.users == Users::Callers && podman.has_seccomp && !podman.has_labels);
        assert_eq!(podman.builder, Builder::Mounts);
    }
}
