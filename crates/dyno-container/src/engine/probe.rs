//! What an engine's answers come to.

use super::{Engine, EngineKind};
use crate::error::Problem;
use serde_json::Value;

/// What an engine answered when it was asked to describe itself.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// There is no such program.
    Absent,
    /// It did not answer in time.
    Silent,
    /// It ended, with or without success.
    Ended {
        /// Whether it said that it succeeded.
        success: bool,
        /// Its output.
        said: String,
        /// Its complaints.
        complained: String,
    },
}

/// Why an engine cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not installed.
    Absent,
    /// For another reason.
    Refused(Problem),
}

/// The engine, by its answer to `info`.
///
/// The program `docker` may be podman's: that is seen by what it says.
pub(crate) fn described(
    kind: EngineKind,
    program: &str,
    info: Asked,
    buildkit: bool,
) -> Result<Engine, Refusal> {
    let (success, said, complained) = match info {
        Asked::Absent => return Err(Refusal::Absent),
        Asked::Silent => {
            return Err(refused(kind, "it does not answer"));
        }
        Asked::Ended {
            success,
            said,
            complained,
        } => (success, said, complained),
    };
    let info: Value = serde_json::from_str(&said).unwrap_or_default();
    let errors: Vec<&str> = info["ServerErrors"]
        .as_array()
        .map(|errors| errors.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if let Some(error) = errors.first() {
        return Err(refused(kind, error));
    }
    if !success || !info.is_object() {
        return Err(refused(kind, &complained));
    }
    Ok(if info["host"]["security"].is_object() {
        Engine::of_podman(program, &info)
    } else {
        Engine::of_docker(program, &info, buildkit)
    })
}

/// What is told of an engine that is there and does not serve, in its own words where none of
/// ours are better.
fn refused(kind: EngineKind, why: &str) -> Refusal {
    let lowercase = why.to_lowercase();
    let (what, hint) = if lowercase.contains("permission denied") {
        (
            format!("{kind} may not be used by you: permission to its socket is denied"),
            "sudo usermod -aG docker \"$USER\", and log in anew; or install podman, which needs \
             no such permission"
                .to_owned(),
        )
    } else if lowercase.contains("cannot connect") || lowercase.contains("daemon running") {
        (
            format!("the daemon of {kind} does not run, or not where {kind} looks for it"),
            "sudo systemctl start docker; DOCKER_HOST names another place".to_owned(),
        )
    } else {
        let line = why.lines().find(|line| !line.trim().is_empty());
        let line = line.unwrap_or("it gave no reason").trim();
        (
            format!("{kind} cannot be used: {line}"),
            format!("`{kind} info` must succeed"),
        )
    };
    Refusal::Refused(Problem::new(what, hint))
}

/// What is told where no engine serves.
pub(crate) fn none_of(refusals: &[(EngineKind, Refusal)]) -> Vec<Problem> {
    let names: Vec<&str> = refusals.iter().map(|(kind, _)| kind.name()).collect();
    let problems: Vec<Problem> = refusals
        .iter()
        .filter_map(|(_, refusal)| match refusal {
            Refusal::Absent => None,
            Refusal::Refused(problem) => Some(problem.clone()),
        })
        .collect();
    if !problems.is_empty() {
        return problems;
    }
    let packages: Vec<String> = refusals
        .iter()
        .map(|(kind, _)| match kind {
            EngineKind::Docker => "sudo apt-get install docker.io".to_owned(),
            EngineKind::Podman => "sudo apt-get install podman".to_owned(),
        })
        .collect();
    let what = match names.as_slice() {
        [one] => format!("there is no {one} on PATH"),
        _ => "there is no container engine on PATH, neither docker nor podman".to_owned(),
    };
    vec![Problem::new(what, packages.join(", or "))]
}

/// Whether a docker client of this version can build with `BuildKit` without its plugin buildx:
/// those from 18.09 to 22 can.
pub fn brings_buildkit(client: &str) -> bool {
    let mut numbers = client
        .trim()
        .split(['.', '+', '-', '~'])
        .map(str::parse::<u32>);
    let version = (numbers.next(), numbers.next());
    matches!(
        version,
        (Some(Ok(18)), Some(Ok(9..))) | (Some(Ok(19..=22)), _)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(success: bool, said: &str, complained: &str) -> Asked {
        Asked::Ended {
            success,
            said: said.to_owned(),
            complained: complained.to_owned(),
        }
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let table = [
            Asked::Silent,
            ended(
                false,
                r#"{"ServerErrors":["Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"]}"#,
                "",
            ),
            ended(
                false,
                r#"{"ServerErrors":["Got permission denied while trying to connect to the Docker daemon socket"]}"#,
                "",
            ),
            ended(false, "", "\nunknown shorthand flag: 'f'\nmore"),
            ended(true, "no json", ""),
            ended(true, "", ""),
        ];
        let told: Vec<String> = table
            .into_iter()
            .map(
                |asked| match described(EngineKind::Docker, "docker", asked, true) {
                    Err(Refusal::Refused(problem)) => problem.to_string(),
                    other => format!("{other:?}"),
                },
            )
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn what_is_absent_is_named_with_its_package() {
        let absent = |kinds: &[EngineKind]| {
            let refusals: Vec<_> = kinds.iter().map(|&kind| (kind, Refusal::Absent)).collect();
            none_of(&refusals)
        };
        let [both] = &absent(&EngineKind::ALL)[..] else {
            panic!("one problem");
        };
        assert_eq!(
            both.hint,
            "sudo apt-get install docker.io, or sudo apt-get install podman"
        );
        let [one] = &absent(&[EngineKind::Podman])[..] else {
            panic!("one problem");
        };
        assert_eq!(one.what, "there is no podman on PATH");
    }

    #[test]
    fn docker_that_is_podman_is_podman() {
        let info = ended(true, r#"{"host":{"security":{"rootless":true}}}"#, "");
        let engine = described(EngineKind::Docker, "docker", info, false).unwrap();
        assert_eq!(
            (engine.kind, engine.program.as_str()),
            (EngineKind::Podman, "docker")
        );
    }

    #[test]
    fn buildkit_comes_by_a_plugin_or_with_old_clients() {
        for (has_buildx, client, expected) in [
            (true, "28.2.2", true),
            (false, "28.2.2", false),
            (false, "20.10.24+dfsg1", true),
            (false, "18.06.1", false),
            (false, "18.09.1", true),
            (false, "", false),
        ] {
            assert_eq!(has_buildx || brings_buildkit(client), expected, "{client}");
        }
    }
}
