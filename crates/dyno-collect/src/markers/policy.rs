//! `[tool.dyno.markers]` in `pyproject.toml`.
//!
//! ```toml
//! [tool.dyno.markers]
//! require = ["lifecycle", "role", "hardware"]  # groups of which each test bears a marker
//! allow = ["asyncio"]                          # names that need no registration
//! registered = true                            # whether all others do
//!
//! [tool.dyno.markers.groups]
//! lifecycle = ["pre_merge", "post_merge"]      # in place of the registered ones
//! ```
//!
//! Without a table, the groups are those by which markers are registered: dyno's plugin
//! ends each line with its group (`pre_merge: runs before a change is merged [lifecycle]`),
//! and so may a project's ini file. Required are then lifecycle, role and hardware, as far
//! as there are such groups.

use super::Registered;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Groups of which each test bears a marker, where no table says otherwise.
const REQUIRED: [&str; 3] = ["lifecycle", "role", "hardware"];

/// What is asked of every test's markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Groups of which each test bears a marker, with the names in each.
    pub require: Vec<(String, Vec<String>)>,
    /// Names that need no registration.
    pub allow: Vec<String>,
    /// Whether the others have to be registered.
    pub registered: bool,
}

/// A policy that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The file is no TOML, or the table has other keys or types.
    #[error("pyproject.toml: {0}")]
    Toml(String),
    /// A required group has no names.
    #[error(
        "[tool.dyno.markers] requires the group `{0}`, which is not there\n\
         hint: list its names in [tool.dyno.markers.groups]"
    )]
    Group(String),
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    tool: Tool,
}

#[derive(Debug, Default, Deserialize)]
struct Tool {
    #[serde(default)]
    dyno: Dyno,
}

#[derive(Debug, Default, Deserialize)]
struct Dyno {
    markers: Option<Table>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    require: Option<Vec<String>>,
    #[serde(default)]
    allow: Vec<String>,
    registered: Option<bool>,
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
}

impl Policy {
    /// The policy of a `pyproject.toml`, if there is one.
    pub fn of(pyproject: Option<&str>, registered: &Registered) -> Result<Self, PolicyError> {
        let file: File = pyproject
            .map(toml::from_str)
            .transpose()
            .map_err(|error| PolicyError::Toml(error.to_string().trim_end().to_owned()))?
            .unwrap_or_default();
        let table = file.tool.dyno.markers.unwrap_or_default();
        let mut groups = registered.groups.clone();
        groups.extend(table.groups);
        let names = |group: &str| groups.get(group).filter(|names| !names.is_empty()).cloned();
        let require = match table.require {
            Some(required) => required
                .into_iter()
                .map(|group| match names(&group) {
                    Some(names) => Ok((group, names)),
                    None => Err(PolicyError::Group(group)),
                })
                .collect::<Result<_, _>>()?,
            None => REQUIRED
                .iter()
                .filter_map(|group| Some(((*group).to_owned(), names(group)?)))
                .collect(),
        };
        Ok(Self {
            require,
            allow: table.allow,
            registered: table.registered.unwrap_or(true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered() -> Registered {
        let mut registered = Registered::default();
        registered.add("pre_merge: before [lifecycle]");
        registered.add("nightly: at night [lifecycle]");
        registered.add("gpu_0: none [hardware]");
        registered
    }

    #[test]
    fn groups_come_from_registration_unless_a_table_names_them() {
        let policy = Policy::of(None, &registered()).unwrap();
        let groups: Vec<_> = policy
            .require
            .iter()
            .map(|(group, names)| (group.as_str(), names.len()))
            .collect();
        assert_eq!(groups, [("lifecycle", 2), ("hardware", 1)]);
        let text = "[tool.dyno.markers]\nrequire = ['lifecycle']\nallow = ['x']\n\
                    [tool.dyno.markers.groups]\nlifecycle = ['always']";
        let policy = Policy::of(Some(text), &registered()).unwrap();
        assert_eq!(
            policy.require,
            [("lifecycle".to_owned(), vec!["always".to_owned()])]
        );
        assert_eq!(policy.allow, ["x"]);
        assert!(
            Policy::of(None, &Registered::default())
                .unwrap()
                .require
                .is_empty()
        );
    }

    #[test]
    fn a_policy_that_cannot_be_followed_says_why() {
        for text in [
            "[tool.dyno.markers]\nrequire = ['speed']",
            "[tool.dyno.markers]\nrequired = []",
            "[tool.dyno.markers]\nallow = 'x'",
            "[tool.dyno",
        ] {
            let error = Policy::of(Some(text), &registered()).unwrap_err();
            assert!(!error.to_string().is_empty(), "{text}");
        }
        assert!(Policy::of(Some("[tool.other]\nx = 1"), &registered()).is_ok());
    }
}
