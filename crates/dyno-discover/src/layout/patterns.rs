//! Patterns over paths: `fnmatch_ex` of pytest.

use dyno_model::Fnmatch;

/// A pattern of `python_files`, `norecursedirs` or `--doctest-glob`.
#[derive(Debug)]
struct PathPattern {
    pattern: Fnmatch,
    /// It holds a `/`, so it is matched against the whole path.
    whole: bool,
}

/// Several patterns, one of which is to match.
#[derive(Debug)]
pub(super) struct PathPatterns(Vec<PathPattern>);

impl PathPatterns {
    pub(super) fn new(patterns: &[String]) -> Self {
        let read = |text: &String| {
            let whole = text.contains('/');
            let pattern = if whole && !text.starts_with('/') {
                Fnmatch::new(&format!("*/{text}"))
            } else {
                Fnmatch::new(text)
            };
            PathPattern { pattern, whole }
        };
        Self(patterns.iter().map(read).collect())
    }

    /// Whether one matches the absolute path `path` with the last part `name`.
    pub(super) fn any(&self, path: &str, name: &str) -> bool {
        self.0
            .iter()
            .any(|one| one.pattern.matches(if one.whole { path } else { name }))
    }
}
