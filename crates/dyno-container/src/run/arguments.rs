//! The arguments of `dyno container run`, read one by one.

use crate::build::LATEST;
use crate::error::Problem;
use crate::framework::{Framework, Target};

/// The arguments, as they were written.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// `--image`.
    pub image: Option<String>,
    /// `--framework`.
    pub framework: Option<String>,
    /// `--target`.
    pub target: Option<String>,
    /// `-i`.
    pub interactive: bool,
    /// `-t`.
    pub tty: bool,
    /// `--gpus`.
    pub gpus: Option<String>,
    /// Each `--env`.
    pub env: Vec<String>,
    /// `--shm-size`.
    pub shm_size: Option<String>,
    /// `--name`.
    pub name: Option<String>,
    /// `--network`.
    pub network: Option<String>,
    /// What is run.
    pub command: Vec<String>,
}

/// Which GPUs a container has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gpus {
    None,
    All,
    /// So many, the first ones.
    Count(u32),
    /// By index or UUID.
    These(Vec<String>),
}

const GIB: u64 = 1 << 30;

impl RunOptions {
    /// The image: that of `--image`, or of a framework and target; else what was built last.
    pub(super) fn image(&self, problems: &mut Vec<Problem>) -> String {
        if let Some(image) = &self.image {
            if self.framework.is_some() || self.target.is_some() {
                let what = format!("the image is {image:?} by --image, and another by --framework");
                problems.push(Problem::new(what, "give one of the two"));
            }
            problems.extend(crate::build::wrong_image(image));
            return image.clone();
        }
        if self.framework.is_none() && self.target.is_none() {
            return LATEST.to_owned();
        }
        let mut keep = |problem| problems.push(problem);
        let framework = self
            .framework
            .as_deref()
            .unwrap_or("none")
            .parse::<Framework>();
        let target = self
            .target
            .as_deref()
            .unwrap_or("runtime")
            .parse::<Target>();
        match (framework.map_err(&mut keep), target.map_err(&mut keep)) {
            (Ok(framework), Ok(target)) => format!("dyno:{framework}-{target}"),
            _ => String::new(),
        }
    }

    /// `all`, `none`, a number, or `device=` and a list; docker's quotes around it are allowed.
    pub(super) fn gpus(&self, problems: &mut Vec<Problem>) -> Gpus {
        let Some(given) = &self.gpus else {
            return Gpus::None;
        };
        let text = given.trim_matches(|quote| quote == '"' || quote == '\'');
        let is_id = |id: &&str| {
            let fits = |letter: char| letter.is_ascii_alphanumeric() || "-:/".contains(letter);
            !id.is_empty() && id.chars().all(fits)
        };
        let ids: Option<Vec<&str>> = text
            .strip_prefix("device=")
            .map(|ids| ids.split(',').collect());
        match (text, text.parse::<u32>(), ids) {
            ("all", ..) => return Gpus::All,
            ("none", ..) => return Gpus::None,
            (_, Ok(count), _) if (1..=64).contains(&count) => return Gpus::Count(count),
            (.., Some(ids)) if ids.iter().all(is_id) => {
                return Gpus::These(ids.into_iter().map(str::to_owned).collect());
            }
            _ => {}
        }
        problems.push(Problem::new(
            format!("--gpus {given:?} names no GPUs"),
            "`all`, `none`, a number up to 64, or `device=0,1`",
        ));
        Gpus::None
    }

    /// In a spelling that both engines take. vLLM's workers share tensors through it: 8 GiB, or
    /// half of a small machine's memory.
    pub(super) fn shm_size(&self, memory: u64, problems: &mut Vec<Problem>) -> String {
        let Some(given) = &self.shm_size else {
            let half = memory / 2;
            return match half {
                0 => "64m".to_owned(),
                half if half >= 8 * GIB => "8g".to_owned(),
                half => format!("{}m", (half >> 20).max(64)),
            };
        };
        let text = given.trim().to_lowercase().replace(' ', "");
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let unit = match &text[digits.len()..] {
            "" | "b" => Some("b"),
            "k" | "kb" | "kib" => Some("k"),
            "m" | "mb" | "mib" => Some("m"),
            "g" | "gb" | "gib" => Some("g"),
            _ => None,
        };
        match (digits.parse::<u32>(), unit) {
            (Ok(number), Some(unit)) if number > 0 => format!("{number}{unit}"),
            _ => {
                problems.push(Problem::new(
                    format!("--shm-size {given:?} is no size"),
                    "a whole number with k, m or g: `--shm-size 8g`",
                ));
                String::new()
            }
        }
    }

    /// The container's name.
    pub(super) fn name(&self, problems: &mut Vec<Problem>) -> Option<String> {
        let name = self.name.clone()?;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
        let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if !(begins && name.len() > 1 && name.chars().all(fits)) {
            problems.push(Problem::new(
                format!("{name:?} is no container's name"),
                "two or more letters, digits and _ . -, the first a letter or digit",
            ));
        }
        Some(name)
    }

    /// The network.
    pub(super) fn network(&self, problems: &mut Vec<Problem>) -> Option<String> {
        let network = self.network.clone()?;
        problems.extend(crate::build::wrong_network(&network));
        Some(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_named_as_docker_names_them() {
        let read = |text: &str| {
            let mut problems = Vec::new();
            let options = RunOptions {
                gpus: Some(text.to_owned()),
                ..RunOptions::default()
            };
            let gpus = options.gpus(&mut problems);
            problems.is_empty().then_some(gpus)
        };
        let these = |ids: &[&str]| Gpus::These(ids.iter().map(ToString::to_string).collect());
        for (text, expected) in [
            ("all", Some(Gpus::All)),
            ("none", Some(Gpus::None)),
            ("2", Some(Gpus::Count(2))),
            ("device=0,1", Some(these(&["0", "1"]))),
            ("\"device=0\"", Some(these(&["0"]))),
            ("device=GPU-1a2b", Some(these(&["GPU-1a2b"]))),
            ("0", None),
            ("100000", None),
            ("-1", None),
            ("device=", None),
            ("device=0,,1", None),
            ("device=0 --privileged", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes() {
        let read = |text: Option<&str>, memory: u64| {
            let mut problems = Vec::new();
            let options = RunOptions {
                shm_size: text.map(str::to_owned),
                ..RunOptions::default()
            };
            let size = options.shm_size(memory, &mut problems);
            problems.is_empty().then_some(size)
        };
        for (text, memory, expected) in [
            (None, 64 * GIB, Some("8g")),
            (None, 6 * GIB, Some("3072m")),
            (None, 0, Some("64m")),
            (Some("16g"), GIB, Some("16g")),
            (Some("8 GiB"), GIB, Some("8g")),
            (Some("512MB"), GIB, Some("512m")),
            (Some("1024"), GIB, Some("1024b")),
            (Some("0g"), GIB, None),
            (Some("g"), GIB, None),
            (Some("8x"), GIB, None),
            (Some("-8g"), GIB, None),
            (Some("99999999999g"), GIB, None),
            (Some("é"), GIB, None),
        ] {
            assert_eq!(read(text, memory).as_deref(), expected, "{text:?}");
        }
    }
}
