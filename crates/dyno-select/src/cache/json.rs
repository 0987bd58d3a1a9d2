//! JSON as Python's `json` reads it and as pytest writes it.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::fmt;

/// An object's members in the order in which they were written; a later one replaces an
/// earlier one of the same name in its place, as in a Python dictionary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Members(pub(super) Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Reader)
    }
}

/// `json.dumps(value, ensure_ascii=False, indent=2)` of a list of texts.
pub(super) fn write_list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    write('[', texts.map(quote), ']')
}

/// The same of an object.
pub(super) fn write_object<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    let member = |(name, value): (&str, String)| format!("{}: {value}", quote(name));
    write('{', members.map(member), '}')
}

/// A text in quotes.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write(open: char, lines: impl Iterator<Item = String>, close: char) -> String {
    let lines: Vec<String> = lines.map(|line| format!("\n  {line}")).collect();
    let end = if lines.is_empty() { "" } else { "\n" };
    format!("{open}{}{end}{close}", lines.join(","))
}
