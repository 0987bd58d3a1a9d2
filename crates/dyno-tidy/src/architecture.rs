//! The two tables of `docs/ARCHITECTURE.md`, and whether the manifests agree.
//!
//! Under the heading [`LAYERS`], a row is ``| `crate` | what | may use | must not know |``:
//! a crate may use those that its third cell names, by their names without `dyno-` and
//! parted by commas, and only those further down. `model` may be used by all and is not
//! named; `all` is every crate below; `nothing` leaves out even `model`. Under
//! [`DEPENDENCIES`], a row is ``| `crate` | why | licence | upkeep |``.

use std::collections::BTreeSet;

use crate::Manifest;

const LAYERS: &str = "## Layers";
const DEPENDENCIES: &str = "## Dependencies";
const PREFIX: &str = "dyno-";
const VOCABULARY: &str = "dyno-model";

/// What the page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    layers: Vec<Layer>,
    dependencies: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Layer {
    name: String,
    may_use: MayUse,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum MayUse {
    All,
    Nothing,
    These(BTreeSet<String>),
}

impl Layer {
    fn may_use(&self, other: &str) -> bool {
        match &self.may_use {
            MayUse::All => true,
            MayUse::Nothing => false,
            MayUse::These(these) => other == VOCABULARY || these.contains(other),
        }
    }
}

/// The cells of one row; the first is the crate's name.
type Row = Vec<String>;

/// A page without one of its tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the page has no table under `{0}`")]
pub struct PageError(&'static str);

impl Page {
    /// Reads the text of the page.
    pub fn parse(text: &str) -> Result<Self, PageError> {
        let layers = table(text, LAYERS)?.into_iter().map(layer).collect();
        let dependencies = table(text, DEPENDENCIES)?;
        Ok(Self {
            layers,
            dependencies,
        })
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.name == name)
    }
}

fn layer(row: Row) -> Layer {
    let cell = row.get(2).map_or("", String::as_str);
    let may_use = match cell {
        "all" => MayUse::All,
        "nothing" => MayUse::Nothing,
        names => MayUse::These(
            names
                .split(',')
                .map(|name| name.trim().trim_matches('`'))
                .filter(|name| !name.is_empty())
                .map(|name| format!("{PREFIX}{name}"))
                .collect(),
        ),
    };
    let name = row.into_iter().next().unwrap_or_default();
    Layer { name, may_use }
}

/// The rows under `heading` whose first cell is a name in backticks.
fn table(text: &str, heading: &'static str) -> Result<Vec<Row>, PageError> {
    let rows: Vec<Row> = text
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix('|'))
        .filter_map(|line| {
            let (name, rest) = line.split_once('`')?;
            let rest = rest.split('|').skip(1).map(|cell| cell.trim().to_owned());
            Some(std::iter::once(name.to_owned()).chain(rest).collect())
        })
        .collect();
    if rows.is_empty() {
        Err(PageError(heading))
    } else {
        Ok(rows)
    }
}

/// Every way in which `page` and `manifests` disagree, one sentence each.
pub fn check_page(page: &Page, manifests: &[Manifest]) -> Vec<String> {
    let mut complaints = check_rows(page, manifests);
    for manifest in manifests {
        complaints.extend(check_edges(page, manifest));
    }
    complaints.extend(check_dependencies(page, manifests));
    complaints
}

/// One row a crate, one crate a row, and each row's names further down.
fn check_rows(page: &Page, manifests: &[Manifest]) -> Vec<String> {
    let mut complaints = Vec::new();
    for manifest in manifests {
        if page.place(&manifest.name).is_none() {
            complaints.push(format!("`{}` has no row in the layer table", manifest.name));
        }
    }
    for (place, layer) in page.layers.iter().enumerate() {
        let name = &layer.name;
        if manifests.iter().all(|manifest| manifest.name != *name) {
            complaints.push(format!("the layer table has `{name}`, which is no crate"));
        }
        let MayUse::These(these) = &layer.may_use else {
            continue;
        };
        for other in these {
            if page.place(other).is_none_or(|below| below <= place) {
                complaints.push(format!(
                    "the row of `{name}` names `{other}`, which is not below"
                ));
            }
        }
    }
    complaints
}

fn check_edges(page: &Page, manifest: &Manifest) -> Vec<String> {
    let Some(place) = page.place(&manifest.name) else {
        return Vec::new();
    };
    let layer = &page.layers[place];
    manifest
        .uses
        .iter()
        .filter(|other| other.starts_with(PREFIX) && !layer.may_use(other))
        .map(|other| {
            format!(
                "`{}` uses `{other}`, which its row does not name",
                layer.name
            )
        })
        .collect()
}

/// Each external crate that is used has a row whose cells are filled, and is used still.
fn check_dependencies(page: &Page, manifests: &[Manifest]) -> Vec<String> {
    let mut complaints = Vec::new();
    let used: BTreeSet<&String> = manifests
        .iter()
        .flat_map(|manifest| &manifest.uses)
        .filter(|name| !name.starts_with(PREFIX))
        .collect();
    for name in &used {
        match page.dependencies.iter().find(|row| row[0] == **name) {
            None => complaints.push(format!("`{name}` is used and not in the dependency table")),
            Some(row) if row.len() != 4 || row.iter().any(String::is_empty) => complaints.push(
                format!("the dependency table does not say why, which licence or which upkeep `{name}` has"),
            ),
            Some(_) => {}
        }
    }
    for row in &page.dependencies {
        if !used.contains(&row[0]) {
            complaints.push(format!(
                "the dependency table has `{}`, which nothing uses",
                row[0]
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
## Layers

| crate | what it is | may use | must not know |
|---|---|---|---|
| `dyno-cli` | the command | all | |
| `dyno-runner` | runs | plan | reports |
| `dyno-plan` | plans | | clocks |
| `dyno-models` | models | nothing | all else |
| `dyno-model` | words | nothing | I/O |

## Dependencies

| crate | why | licence | upkeep |
|---|---|---|---|
| `serde` | formats | MIT | active |

## More
";

    fn manifests() -> Vec<Manifest> {
        [
            ("dyno-cli", &["dyno-runner", "dyno-models"][..]),
            ("dyno-runner", &["dyno-plan", "dyno-model"]),
            ("dyno-plan", &["dyno-model", "serde"]),
            ("dyno-models", &[]),
            ("dyno-model", &[]),
        ]
        .map(|(name, uses)| Manifest {
            name: name.to_owned(),
            uses: uses.iter().map(|&name| name.to_owned()).collect(),
        })
        .into()
    }

    fn complaints(page: &str, manifests: &[Manifest]) -> Vec<String> {
        check_page(&Page::parse(page).unwrap(), manifests)
    }

    #[test]
    fn a_page_that_agrees_raises_no_complaint() {
        assert_eq!(complaints(PAGE, &manifests()), [""; 0]);
    }

    #[test]
    fn an_edge_that_the_page_does_not_name_is_found() {
        for (from, to) in [
            ("dyno-runner", "dyno-models"),
            ("dyno-plan", "dyno-runner"),
            ("dyno-models", "dyno-model"),
        ] {
            let mut manifests = manifests();
            let manifest = manifests.iter_mut().find(|manifest| manifest.name == from);
            manifest.unwrap().uses.insert(to.to_owned());
            assert_eq!(
                complaints(PAGE, &manifests),
                [format!("`{from}` uses `{to}`, which its row does not name")]
            );
        }
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let mut manifests = manifests();
        manifests[3].name = "dyno-new".to_owned();
        assert_eq!(
            complaints(PAGE, &manifests),
            [
                "`dyno-new` has no row in the layer table",
                "the layer table has `dyno-models`, which is no crate"
            ]
        );
    }

    #[test]
    fn a_row_that_names_one_above_it_is_found() {
        let page = PAGE.replace("| plans | |", "| plans | runner |");
        assert_eq!(
            complaints(&page, &manifests()),
            ["the row of `dyno-plan` names `dyno-runner`, which is not below"]
        );
    }

    #[test]
    fn external_crates_are_held_to_their_table() {
        let unlisted = PAGE.replace("`serde`", "`gone`");
        assert_eq!(
            complaints(&unlisted, &manifests()),
            [
                "`serde` is used and not in the dependency table",
                "the dependency table has `gone`, which nothing uses"
            ]
        );
        let unexplained = PAGE.replace("| formats |", "| |");
        assert_eq!(complaints(&unexplained, &manifests()).len(), 1);
    }

    #[test]
    fn a_page_without_its_tables_is_refused() {
        assert_eq!(Page::parse("").unwrap_err(), PageError(LAYERS));
        let (layers, _) = PAGE.split_once(DEPENDENCIES).unwrap();
        assert_eq!(Page::parse(layers).unwrap_err(), PageError(DEPENDENCIES));
    }
}
