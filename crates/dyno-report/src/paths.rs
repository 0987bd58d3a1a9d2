//! Paths as they are shown: relative to where the command was given. Text only.

/// The way from folder `from` to `to`, both absolute (pytest's `bestrelpath`). A path
/// that is not absolute is given back as it is.
pub(crate) fn relative(from: &str, to: &str) -> String {
    if !from.starts_with('/') || !to.starts_with('/') {
        return to.to_owned();
    }
    let (from, to) = (parts(from), parts(to));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - shared);
    let way: Vec<&str> = up.chain(to[shared..].iter().copied()).collect();
    if way.is_empty() {
        ".".to_owned()
    } else {
        way.join("/")
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect()
}

/// A node id of the project at `root` as it is shown in folder `cwd`: its path, and the
/// rest behind the first `::` if there is one.
pub(crate) fn node<'a>(cwd: &str, root: &str, id: &'a str) -> (String, Option<&'a str>) {
    let (path, rest) = match id.split_once("::") {
        Some((path, rest)) => (path, Some(rest)),
        None => (id, None),
    };
    let path = if parts(cwd) == parts(root) {
        path.to_owned()
    } else {
        relative(cwd, &format!("{root}/{path}"))
    };
    (path, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_goes_up_and_down() {
        assert_eq!(relative("/a/b", "/a/b/c.py"), "c.py");
        assert_eq!(relative("/a/b", "/a/c/d.py"), "../c/d.py");
        assert_eq!(relative("/a", "/x/y"), "../x/y");
        assert_eq!(relative("/a/b", "/a/b"), ".");
        assert_eq!(relative("/a", "<string>"), "<string>");
    }

    #[test]
    fn a_node_keeps_what_is_behind_its_path() {
        assert_eq!(
            node("/r", "/r", "t/a.py::b[c::d]"),
            ("t/a.py".to_owned(), Some("b[c::d]"))
        );
        assert_eq!(
            node("/r/t", "/r", "t/a.py::b"),
            ("a.py".to_owned(), Some("b"))
        );
        assert_eq!(
            node("/r/u", "/r", "t/a.txt"),
            ("../t/a.txt".to_owned(), None)
        );
    }
}
