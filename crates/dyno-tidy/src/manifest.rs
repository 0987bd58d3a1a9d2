//! What a crate's manifest says that it uses.

use std::collections::BTreeSet;
use toml::{Table, Value};

/// A crate of the workspace and its direct dependencies, of every kind: normal, build
/// and development ones, for any target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The crate's name.
    pub name: String,
    /// Names of what it uses, as the registry knows them.
    pub uses: BTreeSet<String>,
}

/// A manifest that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// No TOML.
    #[error("the manifest is not TOML")]
    Toml(#[from] toml::de::Error),
    /// No `package.name`.
    #[error("the manifest names no package")]
    NoName,
}

impl Manifest {
    /// Reads the text of a `Cargo.toml`.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let table: Table = text.parse()?;
        let name = table
            .get("package")
            .and_then(|package| package.get("name")?.as_str())
            .ok_or(ManifestError::NoName)?
            .to_owned();
        let mut uses = BTreeSet::new();
        collect(&table, &mut uses);
        let targets = table.get("target").and_then(Value::as_table);
        for target in targets.into_iter().flat_map(Table::values) {
            collect(target.as_table().unwrap_or(&Table::new()), &mut uses);
        }
        Ok(Self { name, uses })
    }
}

/// What the workspace's own `Cargo.toml` offers to its crates.
pub fn workspace_dependencies(text: &str) -> Result<BTreeSet<String>, ManifestError> {
    let table: Table = text.parse()?;
    let offered = table
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies")?.as_table());
    Ok(offered.into_iter().flat_map(Table::keys).cloned().collect())
}

fn collect(table: &Table, uses: &mut BTreeSet<String>) {
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let dependencies = table.get(kind).and_then(Value::as_table);
        for (name, value) in dependencies.into_iter().flatten() {
            let renamed = value.get("package").and_then(Value::as_str);
            uses.insert(renamed.unwrap_or(name).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_of_every_kind_are_found() {
        let text = r#"
            [package]
            name = "it"
            [dependencies]
            plain = "1"
            inherited.workspace = true
            alias = { version = "1", package = "renamed" }
            [dev-dependencies]
            dev = "1"
            [build-dependencies]
            build = "1"
            [target.'cfg(unix)'.dependencies]
            unix = "1"
        "#;
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.name, "it");
        let uses = ["build", "dev", "inherited", "plain", "renamed", "unix"];
        assert!(manifest.uses.iter().eq(uses.iter()), "{manifest:?}");
    }

    #[test]
    fn what_the_workspace_offers_is_found() {
        let text = "[workspace.dependencies]\na = '1'\nb = { version = '2' }";
        let offered = workspace_dependencies(text).unwrap();
        assert!(offered.iter().eq(["a", "b"]), "{offered:?}");
    }

    #[test]
    fn a_manifest_without_a_package_is_refused() {
        assert!(matches!(
            Manifest::parse("[workspace]"),
            Err(ManifestError::NoName)
        ));
        assert!(matches!(Manifest::parse("]["), Err(ManifestError::Toml(_))));
    }
}
