//! What an image is for.

use crate::error::Problem;
use std::fmt;
use std::str::FromStr;
use strsim::levenshtein;

/// The engine that an image has besides the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    /// None: the suite on Dynamo's mocker.
    None,
    /// vLLM.
    Vllm,
    /// `SGLang`.
    Sglang,
    /// TensorRT-LLM.
    Trtllm,
}

/// What an image is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Running tests.
    Runtime,
    /// Working on dyno as well: a Rust toolchain, and the tools of `make check`.
    Dev,
}

/// What an engine computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// NVIDIA's GPUs.
    Cuda,
}

impl Framework {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Vllm, Self::Sglang, Self::Trtllm, Self::None];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Trtllm => "trtllm",
        }
    }

    /// What its engine computes on where nothing is said.
    pub fn device(self) -> Device {
        match self {
            Self::None => Device::Cpu,
            Self::Vllm | Self::Sglang | Self::Trtllm => Device::Cuda,
        }
    }

    /// Whether there is an engine for this device.
    pub fn runs_on(self, device: Device) -> bool {
        matches!(
            (self, device),
            (Self::None | Self::Vllm, Device::Cpu)
                | (Self::Vllm | Self::Sglang | Self::Trtllm, Device::Cuda)
        )
    }
}

impl Target {
    /// All.
    pub const ALL: [Self; 2] = [Self::Runtime, Self::Dev];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Dev => "dev",
        }
    }
}

impl Device {
    /// All.
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Cuda];

    /// The name in `--build-arg DEVICE=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

impl fmt::Display for Framework {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Framework {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        one_of(text, "a framework", &Self::ALL, Self::name)
    }
}

impl FromStr for Target {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        one_of(text, "a target", &Self::ALL, Self::name)
    }
}

impl FromStr for Device {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        one_of(text, "a device", &Self::ALL, Self::name)
    }
}

/// The one that has this name, whatever its case; else what the names are, and the nearest.
pub(crate) fn one_of<T: Copy>(
    text: &str,
    kind: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, Problem> {
    if let Some(&one) = all.iter().find(|&&one| name(one) == text.to_lowercase()) {
        return Ok(one);
    }
    let names: Vec<&str> = all.iter().map(|&one| name(one)).collect();
    let listed = names.join(", ");
    let nearest = nearest(text, &names).map_or_else(String::new, |one| format!("`{one}`? "));
    let hint = match nearest.as_str() {
        "" => format!("there are {listed}"),
        nearest => format!("is it {nearest}There are {listed}"),
    };
    Err(Problem::new(format!("{text:?} is not {kind}"), hint))
}

/// The name that a text was probably meant to be: at most a third of its letters, or two, are
/// other ones.
pub(crate) fn nearest<'a>(text: &str, names: &[&'a str]) -> Option<&'a str> {
    let text = text.to_lowercase();
    let allowed = (text.chars().count() / 3).max(2);
    let distances = names.iter().map(|&name| (levenshtein(&text, name), name));
    let (distance, name) = distances.min()?;
    (distance <= allowed && distance < name.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framework_that_does_not_exist_is_answered_with_the_nearest() {
        let told = |text: &str| {
            let problem = text.parse::<Framework>().unwrap_err();
            format!("{}; {}", problem.what, problem.hint)
        };
        assert_eq!(
            told("vlm"),
            "\"vlm\" is not a framework; is it `vllm`? There are vllm, sglang, trtllm, none"
        );
        assert_eq!(
            told("tensorrt"),
            "\"tensorrt\" is not a framework; there are vllm, sglang, trtllm, none"
        );
        assert_eq!(
            told(""),
            "\"\" is not a framework; there are vllm, sglang, trtllm, none"
        );
        assert_eq!("VLLM".parse(), Ok(Framework::Vllm));
    }
}
