//! Container engines, for `dyno container`.

use crate::child::{Answer, ask};
use crate::surroundings::Surroundings;
use dyno_model::Finding;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A daemon answers in 0.1 s; podman reads its storage first, which takes up to 2 s.
const LIMIT: Duration = Duration::from_secs(5);

/// `4.3.1 crun`.
const OF_PODMAN: &str = "{{.Version.Version}} {{.Host.OCIRuntime.Name}}";

/// There only where both versions are mounted; it holds the controllers of the second.
const HYBRID: &str = "/sys/fs/cgroup/unified/cgroup.controllers";

/// What is known of the engines.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The client, what the daemon says of its version, and whether it can build with
    /// `BuildKit`.
    docker: Option<(PathBuf, Answer, bool)>,
    /// The program, and what it says of its version and its runtime.
    podman: Option<(PathBuf, Answer)>,
    /// Control groups of both versions, with controllers in the second.
    has_hybrid_groups: bool,
    is_container: bool,
    starter: Starter,
    /// `DOCKER_HOST` is set.
    has_host: bool,
    /// There are GPUs, and whether containers can be given them.
    gpus: Option<bool>,
}

/// What starts docker's daemon.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Starter {
    Systemd,
    /// `dockerd` is there, and nothing that keeps services.
    Hand,
    /// There is no daemon.
    #[default]
    Nothing,
}

impl Facts {
    pub(crate) fn look(around: &Surroundings) -> Self {
        let docker = around.program("docker").map(|path| {
            let answer = ask(
                Command::new(&path).args(["version", "--format", "{{.Server.Version}}"]),
                LIMIT,
            );
            // Without a daemon nothing is built.
            let builds = answer.said().is_some() && has_buildkit(&path);
            (path, answer, builds)
        });
        let podman = around.program("podman").map(|path| {
            let answer = ask(
                Command::new(&path).args(["info", "--format", OF_PODMAN]),
                LIMIT,
            );
            (path, answer)
        });
        let toolkit = [
            "nvidia-ctk",
            "nvidia-container-runtime",
            "nvidia-container-cli",
        ];
        let has_toolkit = || toolkit.iter().any(|name| around.program(name).is_some());
        Self {
            docker,
            podman,
            is_container: around.is_container(),
            has_hybrid_groups: std::fs::read(HYBRID).is_ok_and(|names| !names.is_empty()),
            starter: if around.program("dockerd").is_none() {
                Starter::Nothing
            } else if Path::new("/run/systemd/system").exists() {
                Starter::Systemd
            } else {
                Starter::Hand
            },
            has_host: around.variable("DOCKER_HOST").is_some(),
            gpus: Path::new("/dev/nvidiactl").exists().then(has_toolkit),
        }
    }
}

fn has_buildkit(docker: &Path) -> bool {
    let told = |args: &[&str]| ask(Command::new(docker).args(args), LIMIT);
    let client = ["version", "--format", "{{.Client.Version}}"];
    told(&["buildx", "version"]).said().is_some()
        || told(&client)
            .said()
            .is_some_and(dyno_container::brings_buildkit)
}

pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { docker, podman, .. } = facts;
    if docker.is_none() && podman.is_none() {
        let found = if facts.is_container {
            "none, which a container seldom has"
        } else {
            "neither docker nor podman; `dyno container` cannot build or run"
        };
        let install =
            (!facts.is_container).then(|| "sudo apt-get install podman buildah".to_owned());
        return vec![Finding::note("engine", found).mended_by(install)];
    }
    let docker_works = docker
        .as_ref()
        .is_some_and(|(_, answer, _)| answer.said().is_some());
    let podman_works = podman
        .as_ref()
        .is_some_and(|(_, answer)| answer.said().is_some());
    let mut findings = Vec::new();
    if let Some((path, answer, has_buildkit)) = docker {
        let remedy = without_daemon(&answer.why_not(), facts).to_owned();
        findings.push(engine("docker", path, answer, podman_works, remedy));
        if docker_works {
            findings.push(buildkit(*has_buildkit));
        }
    }
    if let Some((path, answer)) = podman {
        let remedy = "podman system migrate".to_owned();
        findings.push(engine("podman", path, answer, docker_works, remedy));
        if facts.has_hybrid_groups && answer.said().is_some_and(uses_crun) {
            findings.push(hybrid_groups(docker_works));
        }
    }
    if facts.gpus == Some(false) && !facts.is_container {
        findings.push(
            Finding::costs(
                "gpus in containers",
                "no NVIDIA container toolkit",
                "`dyno container run --gpus` fails",
            )
            .mended_by(Some(
                "sudo apt-get install nvidia-container-toolkit".to_owned(),
            )),
        );
    }
    findings
}

fn uses_crun(told: &str) -> bool {
    told.split_whitespace().nth(1) == Some("crun")
}

fn hybrid_groups(other_works: bool) -> Finding {
    let name = "podman's runtime";
    let found = "crun starts nothing where control groups of both versions have controllers";
    let finding = if other_works {
        Finding::note(name, found)
    } else {
        Finding::costs(name, found, "`dyno container run` fails")
    };
    finding.mended_by(Some(
        "sudo sh -c 'apt-get install runc && mkdir -p /etc/containers/containers.conf.d && \
         printf \"[engine]\\nruntime = \\\"runc\\\"\\n\" >/etc/containers/containers.conf.d/runc.conf'"
            .to_owned(),
    ))
}

fn engine(name: &str, path: &Path, answer: &Answer, other_works: bool, remedy: String) -> Finding {
    let place = path.display();
    match answer.said() {
        Some(told) => {
            let version = told.split_whitespace().next().unwrap_or_default();
            Finding::good(name, format!("{version} answers, {place}"))
        }
        None if other_works => {
            Finding::note(name, format!("{place}: {}", answer.why_not())).mended_by(Some(remedy))
        }
        None => Finding::costs(
            name,
            format!("{place}: {}", answer.why_not()),
            "`dyno container` cannot build or run with it",
        )
        .mended_by(Some(remedy)),
    }
}

fn without_daemon(why: &str, facts: &Facts) -> &'static str {
    if facts.has_host {
        "unset DOCKER_HOST"
    } else if why.contains("permission denied") {
        "sudo usermod -aG docker \"$USER\" && newgrp docker"
    } else {
        match facts.starter {
            Starter::Systemd => "sudo systemctl restart docker",
            Starter::Hand => "sudo sh -c 'dockerd >/var/log/dockerd.log 2>&1 &'",
            Starter::Nothing => "sudo apt-get install docker.io",
        }
    }
}

fn buildkit(is_there: bool) -> Finding {
    let name = "buildkit";
    if is_there {
        return Finding::good(name, "builds keep what they download in caches");
    }
    Finding::costs(
        name,
        "docker cannot build with BuildKit: it has no buildx",
        "each build downloads its packages again",
    )
    .mended_by(Some("sudo apt-get install docker-buildx".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::on_the_page::assert_on_the_page;
    use dyno_model::FindingState::{Costs, Good, Note};

    fn judged(facts: &Facts) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Containers, &findings);
        findings
    }

    fn answer(code: i32, out: &str, err: &str) -> Answer {
        let (out, err) = (out.to_owned(), err.to_owned());
        Answer::Ended { code, out, err }
    }

    fn docker(answer: Answer) -> Facts {
        Facts {
            docker: Some(("/usr/bin/docker".into(), answer, true)),
            ..Facts::default()
        }
    }

    #[test]
    fn an_engine_answers_or_says_why() {
        let refused = || answer(1, "", "Cannot connect to the Docker daemon at unix:///x.");
        let denied = answer(1, "\n", "permission denied while trying to connect");
        for (facts, state, says, command) in [
            (
                docker(answer(0, "28.2.2\n", "")),
                Good,
                "28.2.2 answers",
                "",
            ),
            (
                docker(refused()),
                Costs,
                "Cannot connect",
                "sudo apt-get install docker.io",
            ),
            (
                Facts {
                    starter: Starter::Systemd,
                    ..docker(refused())
                },
                Costs,
                "Cannot connect",
                "sudo systemctl restart docker",
            ),
            (
                Facts {
                    has_host: true,
                    ..docker(refused())
                },
                Costs,
                "Cannot connect",
                "unset DOCKER_HOST",
            ),
            (docker(denied), Costs, "permission denied", "sudo usermod"),
            (docker(Answer::Late(LIMIT)), Costs, "within 5 s", ""),
            (
                Facts::default(),
                Note,
                "neither",
                "sudo apt-get install podman",
            ),
            (
                Facts {
                    is_container: true,
                    ..Facts::default()
                },
                Note,
                "seldom",
                "",
            ),
        ] {
            let finding = &judged(&facts)[0];
            assert_eq!(finding.state, state, "{finding:?}");
            assert!(finding.found.contains(says), "{finding:?}");
            assert!(
                finding
                    .remedy
                    .as_deref()
                    .unwrap_or_default()
                    .contains(command),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn one_engine_is_enough() {
        let facts = Facts {
            podman: Some(("/usr/bin/podman".into(), answer(0, "4.3.1 crun\n", ""))),
            ..docker(answer(1, "", "Cannot connect"))
        };
        let states: Vec<_> = judged(&facts).iter().map(|finding| finding.state).collect();
        assert_eq!(states, [Note, Good]);
    }

    #[test]
    fn a_runtime_that_does_not_fit_the_control_groups_costs_where_there_is_no_other() {
        for (runtime, has_hybrid_groups, docker_says, states) in [
            ("crun", true, None, &[Good, Costs][..]),
            ("crun", true, Some(0), &[Good, Good, Good, Note]),
            ("crun", false, None, &[Good]),
            ("runc", true, None, &[Good]),
        ] {
            let told = answer(0, &format!("4.3.1 {runtime}\n"), "");
            let facts = Facts {
                podman: Some(("/usr/bin/podman".into(), told)),
                has_hybrid_groups,
                ..docker_says.map_or_else(Facts::default, |code| docker(answer(code, "28", "")))
            };
            let found = judged(&facts);
            let found: Vec<_> = found.iter().map(|finding| finding.state).collect();
            assert_eq!(found, states, "{runtime}");
        }
    }

    #[test]
    fn caches_and_gpus_of_builds_and_runs() {
        let mut facts = docker(answer(0, "20.10.24\n", ""));
        facts.docker.as_mut().unwrap().2 = false;
        facts.gpus = Some(false);
        let findings = judged(&facts);
        let costs: Vec<_> = findings.iter().filter(|one| one.state == Costs).collect();
        let names: Vec<_> = costs.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["buildkit", "gpus in containers"]);
    }
}
