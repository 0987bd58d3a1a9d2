//! What a package asks for: a line `Requires-Dist` of its metadata, by
//! [PEP 508](https://peps.python.org/pep-0508/).

use crate::version::{Specifier, Version};
use regex::Regex;
use std::fmt;
use std::sync::LazyLock;

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?x)^\s*(?<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*
        (?:\[[^\]]*\])?\s*\(?(?<specifiers>[^;()@]*)\)?\s*(?:;(?<marker>.*))?$";
    #[expect(clippy::expect_used, reason = "a constant, which a test compiles")]
    Regex::new(pattern).expect("the pattern of requirements")
});

static EXTRA: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant, which a test compiles")]
    Regex::new(r#"extra\s*==\s*["']([^"']+)["']"#).expect("the pattern of extras")
});

/// One package that another one asks for.
#[derive(Debug, Clone)]
pub(crate) struct Requirement {
    /// Its [`normal`] name.
    pub(crate) name: String,
    /// All of them hold for a version that will do.
    pub(crate) specifiers: Vec<Specifier>,
    /// The extra that asks for it.
    pub(crate) extra: Option<String>,
    /// Whether it is asked for on other conditions: of a platform, of a Python.
    pub(crate) is_conditional: bool,
}

impl Requirement {
    /// `None` where the line cannot be read, or names an address and no version.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let found = LINE.captures(line)?;
        let specifiers = found.name("specifiers").map_or("", |found| found.as_str());
        let specifiers = specifiers.split(',').filter(|one| !one.trim().is_empty());
        let marker = found.name("marker").map_or("", |found| found.as_str());
        let extra = EXTRA.captures(marker).map(|found| found[1].to_owned());
        let rest = EXTRA.replace(marker, "");
        Some(Self {
            name: normal(&found["name"]),
            specifiers: specifiers.map(Specifier::parse).collect::<Option<_>>()?,
            extra,
            is_conditional: rest.chars().any(char::is_alphanumeric),
        })
    }

    pub(crate) fn allows(&self, version: &Version) -> bool {
        self.specifiers.iter().all(|one| one.allows(version))
    }

    /// The versions that will do: `>=1,<2`.
    pub(crate) fn versions(&self) -> String {
        let all: Vec<String> = self.specifiers.iter().map(ToString::to_string).collect();
        all.join(",")
    }
}

/// As it is told to an installer, without extras.
impl fmt::Display for Requirement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.name, self.versions())
    }
}

/// The name under which all spellings of a package's name are one.
pub(crate) fn normal(name: &str) -> String {
    let mut normal = String::new();
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            other => normal.extend(other.to_lowercase()),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_metadata_are_read() {
        for (line, shown, extra, conditional) in [
            (
                "ai-dynamo-runtime==1.4.2",
                "ai-dynamo-runtime==1.4.2",
                None,
                false,
            ),
            ("aiohttp<4.0,>=3.14.3", "aiohttp<4.0,>=3.14.3", None, false),
            (
                "typing_extensions (>=4.10)",
                "typing-extensions>=4.10",
                None,
                false,
            ),
            ("uvloop; extra == 'sglang'", "uvloop", Some("sglang"), false),
            (
                "vllm[flashinfer,otel,runai]==0.26.0; extra == \"vllm\"",
                "vllm==0.26.0",
                Some("vllm"),
                false,
            ),
            (
                "cupy>=13; sys_platform == 'linux' and extra == 'x'",
                "cupy>=13",
                Some("x"),
                true,
            ),
            ("tomli>=2; python_version < '3.11'", "tomli>=2", None, true),
        ] {
            let one = Requirement::parse(line).unwrap();
            assert_eq!(one.to_string(), shown);
            assert_eq!(one.extra.as_deref(), extra, "{line}");
            assert_eq!(one.is_conditional, conditional, "{line}");
        }
        for line in ["", "a @ file:///x", "a==x", "-a"] {
            assert!(Requirement::parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn all_specifiers_hold() {
        let one = Requirement::parse("a>=1,<2").unwrap();
        for (version, allowed) in [("1.5", true), ("2", false), ("0.9", false)] {
            assert_eq!(one.allows(&Version::parse(version).unwrap()), allowed);
        }
        assert_eq!(normal("AI_Dynamo.-runtime"), "ai-dynamo-runtime");
    }
}
