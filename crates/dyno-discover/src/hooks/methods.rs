//! Methods and functions by what they do to a test, or to a part of one.

/// Methods of an item that change nothing.
pub(super) const READING: &[&str] = &[
    "get_closest_marker",
    "getparent",
    "iter_markers",
    "iter_markers_with_node",
    "iter_parents",
    "listchain",
    "listnames",
    "listextrakeywords",
    "reportinfo",
    "getmodpath",
    "warn",
];

/// Functions that look at an item and keep nothing of it.
pub(super) const LOOKING: &[&str] = &[
    "isinstance",
    "str",
    "repr",
    "getattr",
    "hasattr",
    "type",
    "id",
    "print",
    "bool",
];

/// Whether a method changes the container that it is called on.
pub(super) fn changes(method: &str) -> bool {
    matches!(
        method,
        "append"
            | "extend"
            | "insert"
            | "remove"
            | "pop"
            | "clear"
            | "sort"
            | "reverse"
            | "update"
            | "setdefault"
            | "add"
            | "discard"
            | "__setitem__"
            | "popitem"
            | "move_to_end"
    )
}
