//! What the doctor looks at, by areas.

use std::fmt;
use std::str::FromStr;

/// One part of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Walls and control groups of sealed tests.
    Sealed,
    /// The Python of the tests, pytest, plugins.
    Python,
    /// Dynamo and engines that fit each other.
    Dynamo,
    /// Limits, memory, disk, network.
    Machine,
    /// NVIDIA GPUs.
    Gpus,
    /// The cache of models, the token, the models of the tests.
    Models,
    /// etcd and NATS.
    Services,
    /// Container engines.
    Containers,
}

impl Area {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Sealed,
        Self::Python,
        Self::Dynamo,
        Self::Machine,
        Self::Gpus,
        Self::Models,
        Self::Services,
        Self::Containers,
    ];

    /// The word for it on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Python => "python",
            Self::Dynamo => "dynamo",
            Self::Machine => "machine",
            Self::Gpus => "gpus",
            Self::Models => "models",
            Self::Services => "services",
            Self::Containers => "containers",
        }
    }

    /// The words over its findings.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sealed => "sealed tests",
            other => other.name(),
        }
    }

    /// What is looked at, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Sealed => "the kernel, the walls round sealed tests, control groups",
            Self::Python => {
                "the interpreter that `dyno test` takes, pytest, dyno's package, plugins"
            }
            Self::Dynamo => "Dynamo, its runtime and its engines, and whether their versions fit",
            Self::Machine => "limits, memory, processors, disk, network, the clock",
            Self::Gpus => "NVIDIA's driver, GPUs, who holds their memory, CUDA",
            Self::Models => "the cache, the token, and whether the models of the tests can be had",
            Self::Services => "etcd and NATS",
            Self::Containers => "docker and podman",
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A word that names no area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoArea(String);

impl fmt::Display for NoArea {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<&str> = Area::ALL.iter().map(|area| area.name()).collect();
        write!(
            out,
            "{:?} is no area; there are {}",
            self.0,
            crate::paste::listed(&all)
        )
    }
}

impl std::error::Error for NoArea {}

impl FromStr for Area {
    type Err = NoArea;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL
            .into_iter()
            .find(|area| area.name() == word || area.title() == word);
        named.ok_or_else(|| NoArea(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_an_area() {
        for area in Area::ALL {
            assert_eq!(area.name().parse(), Ok(area));
            assert_eq!(area.title().parse(), Ok(area));
        }
        let error = "gpu".parse::<Area>().unwrap_err().to_string();
        assert!(
            error.starts_with("\"gpu\" is no area; there are sealed, python, "),
            "{error}"
        );
    }
}
