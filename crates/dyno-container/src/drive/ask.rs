//! Asks engines about themselves and what they have.

use crate::engine::{Asked, Engine, EngineKind, brings_buildkit, described, none_of};
use crate::error::{ContainerError, Problem};
use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

/// An engine that is well answers in a tenth of a second; one that starts on demand takes some.
const PATIENCE: Duration = Duration::from_secs(30);

/// The engine of this kind, else the first that serves; or why none does.
pub fn find_engine(
    kind: Option<EngineKind>,
) -> Result<Result<Engine, Vec<Problem>>, ContainerError> {
    let kinds = match kind {
        Some(kind) => vec![kind],
        None => EngineKind::ALL.to_vec(),
    };
    let mut refusals = Vec::new();
    for kind in kinds {
        let program = kind.name();
        let format = match kind {
            EngineKind::Docker => "{{json .}}",
            EngineKind::Podman => "json",
        };
        let info = ask(program, &["info", "--format", format])?;
        let buildkit =
            kind == EngineKind::Docker && !matches!(info, Asked::Absent) && has_buildkit(program)?;
        match described(kind, program, info, buildkit) {
            Ok(engine) => return Ok(Ok(engine)),
            Err(refusal) => refusals.push((kind, refusal)),
        }
    }
    Ok(Err(none_of(&refusals)))
}

fn has_buildkit(docker: &str) -> Result<bool, ContainerError> {
    let buildx = ask(docker, &["buildx", "version"])?;
    let client = ["version", "--format", "{{.Client.Version}}"];
    Ok(succeeded(&buildx).is_some() || brings_buildkit(said(&ask(docker, &client)?)))
}

/// Whether the engine has an image of this name.
pub fn has_image(engine: &Engine, image: &str) -> Result<bool, ContainerError> {
    let inspect = ["image", "inspect", "--format", "{{.Id}}", image];
    Ok(succeeded(&ask(&engine.program, &inspect)?).is_some())
}

/// Whether the engine has a container of this name.
pub fn has_container(engine: &Engine, name: &str) -> Result<bool, ContainerError> {
    let inspect = ["container", "inspect", "--format", "{{.Id}}", name];
    Ok(succeeded(&ask(&engine.program, &inspect)?).is_some())
}

fn succeeded(asked: &Asked) -> Option<&str> {
    match asked {
        Asked::Ended {
            success: true,
            said,
            ..
        } => Some(said),
        _ => None,
    }
}

/// What it said, also where it failed: a client tells its version without a daemon.
fn said(asked: &Asked) -> &str {
    match asked {
        Asked::Ended { said, .. } => said,
        _ => "",
    }
}

fn ask(program: &str, arguments: &[&str]) -> Result<Asked, ContainerError> {
    let runtime = super::wait::runtime()?;
    runtime.block_on(async {
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        match tokio::time::timeout(PATIENCE, command.output()).await {
            Err(_) => Ok(Asked::Silent),
            Ok(Ok(output)) => Ok(Asked::Ended {
                success: output.status.success(),
                said: String::from_utf8_lossy(&output.stdout).into_owned(),
                complained: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(Asked::Absent),
            Ok(Err(source)) => Err(ContainerError::Start {
                program: program.to_owned(),
                source,
            }),
        }
    })
}
