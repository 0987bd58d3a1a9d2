//! Versions of Python's packages and what is asked of them, by
//! [PEP 440](https://peps.python.org/pep-0440/).
//!
//! ```text
//! version   = [N "!"] N {"." N} [("a" | "b" | "rc") N] [".post" N] [".dev" N] ["+" local]
//! specifier = ("==" | "!=" | "<=" | ">=" | "<" | ">" | "~=" | "===") version [".*"]
//! ```
//!
//! Other spellings of the same (`alpha`, `-1`, a leading `v`) are read too.

use regex::Regex;
use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?ix)^v?(?:(?<epoch>\d+)!)?(?<release>\d+(?:\.\d+)*)
        (?:[-_.]?(?<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?<pre_n>\d*))?
        (?:-(?<implicit>\d+)|[-_.]?(?<post>post|rev|r)[-_.]?(?<post_n>\d*))?
        (?:[-_.]?(?<dev>dev)[-_.]?(?<dev_n>\d*))?
        (?:\+(?<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?$";
    #[expect(clippy::expect_used, reason = "a constant, which a test compiles")]
    Regex::new(pattern).expect("the pattern of versions")
});

/// A version, as it was written and as it is compared.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    text: String,
    epoch: u64,
    release: Vec<u64>,
    /// The kind, `a`, `b` or `r`, and the number.
    pre: Option<(u8, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
    local: Option<String>,
}

impl Version {
    /// `None` where the text is no version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let found = VERSION.captures(text)?;
        let number = |name: &str| match found.name(name).map(|found| found.as_str()) {
            None => None,
            Some("") => Some(0),
            Some(digits) => digits.parse().ok(),
        };
        let kind = found
            .name("pre")
            .map(|kind| match kind.as_str().as_bytes()[0] {
                b'a' | b'A' => b'a',
                b'b' | b'B' => b'b',
                _ => b'r',
            });
        let release = found.name("release")?.as_str().split('.');
        Some(Self {
            text: text.to_owned(),
            epoch: number("epoch").unwrap_or(0),
            release: release
                .map(|part| part.parse().ok())
                .collect::<Option<_>>()?,
            pre: kind.zip(number("pre_n")),
            post: number("implicit").or(number("post_n")),
            dev: number("dev_n"),
            local: found
                .name("local")
                .map(|local| local.as_str().to_lowercase()),
        })
    }

    /// The first number.
    pub(crate) fn major(&self) -> u64 {
        self.release.first().copied().unwrap_or(0)
    }

    fn part(&self, at: usize) -> u64 {
        self.release.get(at).copied().unwrap_or(0)
    }

    fn compare_releases(&self, other: &Self) -> Ordering {
        let longest = self.release.len().max(other.release.len());
        (0..longest)
            .map(|at| self.part(at).cmp(&other.part(at)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// Without the local part, which only the sender of a wheel compares.
    fn public_order(&self, other: &Self) -> Ordering {
        // What comes before the first pre-release: a development release of the version.
        let pre = |version: &Self| match version.pre {
            None if version.post.is_none() && version.dev.is_some() => (0, 0, 0),
            Some((kind, number)) => (1, kind, number),
            None => (2, 0, 0),
        };
        let dev = |version: &Self| version.dev.unwrap_or(u64::MAX);
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| self.compare_releases(other))
            .then_with(|| pre(self).cmp(&pre(other)))
            .then_with(|| self.post.cmp(&other.post))
            .then_with(|| dev(self).cmp(&dev(other)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// What is asked of a version.
#[derive(Debug, Clone)]
pub(crate) struct Specifier {
    operator: String,
    /// Without its `.*`.
    version: String,
    is_prefix: bool,
}

impl Specifier {
    /// `==1.4.2`; `None` where the text is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let operators = ["===", "==", "!=", "<=", ">=", "~=", "<", ">"];
        let operator = operators.into_iter().find(|one| text.starts_with(one))?;
        let written = text[operator.len()..].trim();
        let version = written.strip_suffix(".*");
        let one = Self {
            operator: operator.to_owned(),
            version: version.unwrap_or(written).to_owned(),
            is_prefix: version.is_some(),
        };
        (operator == "===" || Version::parse(&one.version).is_some()).then_some(one)
    }

    /// Whether a version is what is asked for.
    pub(crate) fn allows(&self, version: &Version) -> bool {
        if self.operator == "===" {
            return version.text.eq_ignore_ascii_case(&self.version);
        }
        let Some(asked) = Version::parse(&self.version) else {
            return false;
        };
        let order = version.public_order(&asked);
        let same_release = version.epoch == asked.epoch && version.compare_releases(&asked).is_eq();
        match self.operator.as_str() {
            "==" => self.equals(version, &asked),
            "!=" => !self.equals(version, &asked),
            "<=" => order.is_le(),
            ">=" => order.is_ge(),
            "<" => order.is_lt() && (asked.pre.is_some() || version.pre.is_none() || !same_release),
            ">" => {
                order.is_gt() && (asked.post.is_some() || version.post.is_none() || !same_release)
            }
            _ => {
                order.is_ge()
                    && starts_alike(version, &asked, asked.release.len().saturating_sub(1))
            }
        }
    }

    fn equals(&self, version: &Version, asked: &Version) -> bool {
        if self.is_prefix {
            return starts_alike(version, asked, asked.release.len());
        }
        version.public_order(asked).is_eq()
            && (asked.local.is_none() || asked.local == version.local)
    }
}

fn starts_alike(version: &Version, asked: &Version, parts: usize) -> bool {
    version.epoch == asked.epoch && (0..parts).all(|at| version.part(at) == asked.part(at))
}

impl fmt::Display for Specifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_prefix { ".*" } else { "" };
        write!(out, "{}{}{star}", self.operator, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_order_of_pep_440() {
        let rising = [
            "1.dev0",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345",
            "1.0rc1",
            "1.0",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.1.dev1",
            "1.3.0rc22",
            "1.3",
            "1.10",
            "2012.4",
            "1!0.1",
        ];
        // The first two are the same release, and 1.dev0 is older.
        for pair in rising.windows(2) {
            let (a, b) = (
                Version::parse(pair[0]).unwrap(),
                Version::parse(pair[1]).unwrap(),
            );
            assert_eq!(a.public_order(&b), Ordering::Less, "{pair:?}");
        }
        for (a, b) in [
            ("1.0", "1"),
            ("v1.0-1", "1.post1"),
            ("1.0-RC.1", "1rc1"),
            ("1.0alpha", "1a0"),
        ] {
            let (a, b) = (Version::parse(a).unwrap(), Version::parse(b).unwrap());
            assert!(a.public_order(&b).is_eq(), "{a} {b}");
        }
        for text in [
            "",
            "1..2",
            "latest",
            "1.0+",
            "1.0 2",
            "99999999999999999999999",
        ] {
            assert!(Version::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_asked_is_what_pip_asks() {
        for (specifier, version, allowed) in [
            ("==0.26.0", "0.26.0", true),
            ("==0.26.0", "0.26", true),
            ("==0.26.0", "0.26.0+cpu", true),
            ("==0.26.0+cu129", "0.26.0+cpu", false),
            ("==0.26.0", "0.26.1", false),
            ("==1.3.0rc22", "1.3.0rc22", true),
            ("==1.3.0rc22", "1.3.0", false),
            ("==1.4.*", "1.4.9", true),
            ("==1.4.*", "1.5.0", false),
            ("!=1.4.*", "1.5.0", true),
            (">=1.0", "1.0.post1", true),
            ("<4.0", "4.0rc1", false),
            ("<4.0", "3.14.5", true),
            (">1.7", "1.7.post1", false),
            ("~=2.2", "2.3", true),
            ("~=2.2", "3.0", false),
            ("~=1.4.5", "1.5.0", false),
            ("===1.0", "1.0", true),
        ] {
            let asked = Specifier::parse(specifier).unwrap();
            let version = Version::parse(version).unwrap();
            assert_eq!(asked.allows(&version), allowed, "{specifier} {version}");
            assert_eq!(asked.to_string(), specifier);
        }
        for text in ["", "1.0", "=1.0", "==", "==x"] {
            assert!(Specifier::parse(text).is_none(), "{text}");
        }
    }
}
