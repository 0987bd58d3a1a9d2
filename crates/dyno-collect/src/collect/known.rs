//! What is known of a file without asking.

use super::asked::is_above;
use super::store::Store;
use crate::Fingerprint;
use crate::cache::{Dependency, Made};
use crate::collection::Source;
use dyno_discover::Project;
use dyno_model::{CollectFailure, FileTests, FoundTest, Shared, Skip, Test, Unknown};
use dyno_python::Closure;
use serde::{Deserialize, Serialize};

/// What is known of a file, and from where.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) tests: FileTests,
    pub(super) source: Source,
    /// What its text left open, where pytest answered.
    pub(super) open: Vec<Unknown>,
    /// pytest's errors in it.
    pub(super) failures: Vec<CollectFailure>,
    pub(super) skip: Option<Skip>,
    /// The name of the collector's class.
    pub(super) kind: String,
    /// What the text's answer depends on; not looked up for a kept answer of pytest's.
    pub(super) needs: Vec<Dependency>,
    pub(super) debug: Vec<String>,
}

/// What pytest said of a file, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FileAnswer {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tests: Vec<Test>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) failures: Vec<CollectFailure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) skip: Option<Skip>,
    pub(super) kind: String,
    /// What the text left open when pytest was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) open: Vec<Unknown>,
    /// What its text has to do with other files.
    #[serde(default, skip_serializing_if = "Shared::is_empty")]
    pub(super) shared: Shared,
}

/// How a module's collector is called where nobody else collects it.
pub(super) const MODULE: &str = "Module";

/// Reads files.
pub(super) struct Reader<'a> {
    pub(super) project: &'a Project<'a>,
    pub(super) store: &'a Store<'a>,
    /// What stands for the texts that every file's tests depend on.
    pub(super) texts: Fingerprint,
}

impl<'a> Reader<'a> {
    pub(super) fn new(project: &'a Project<'a>, store: &'a Store<'a>) -> Self {
        let read = project.read_for_all();
        let states = read.into_iter().flat_map(|path| {
            let state = store.disk().fingerprint(path);
            let state = state.map(|state| state.to_string()).unwrap_or_default();
            [path.as_os_str().as_encoded_bytes().to_vec(), state.into()]
        });
        let states: Vec<Vec<u8>> = states.collect();
        Self {
            project,
            store,
            texts: Fingerprint::of_parts(states.iter().map(Vec::as_slice)),
        }
    }
}

impl Reader<'_> {
    /// The best that is known of the file: a kept answer of pytest's, a kept reading of its
    /// text, its text.
    pub(super) fn read(&self, index: usize) -> Known {
        let mut debug = Vec::new();
        let Some(file) = self.project.layout().files.get(index) else {
            return Known::nothing();
        };
        let asked = self.store.question(file);
        let of_pytest = self.store.question_of_pytest(asked);
        let by_pytest = Made::ByPytest;
        let kept: Option<FileAnswer> =
            (self.store).find(&file.id, by_pytest, of_pytest, &mut debug);
        let mut known = match kept {
            Some(answer) if !cannot_import(&file.id, &answer.failures) => {
                let nothing = Known::nothing();
                nothing.with_answer(&file.id, answer, Source::KeptAnswer)
            }
            Some(answer) => {
                let text = self.read_text(index, asked, &mut debug);
                text.with_answer(&file.id, answer, Source::KeptAnswer)
            }
            None => self.read_text(index, asked, &mut debug),
        };
        known.debug = debug;
        known
    }

    fn read_text(&self, index: usize, asked: Fingerprint, debug: &mut Vec<String>) -> Known {
        let Some(file) = self.project.layout().files.get(index) else {
            return Known::nothing();
        };
        let asked = Fingerprint::of_parts([
            asked.to_string().as_bytes(),
            self.texts.to_string().as_bytes(),
        ]);
        let kept: Option<FileTests> = self.store.find(&file.id, Made::FromText, asked, debug);
        if let Some(tests) = kept {
            return Known {
                tests,
                source: Source::KeptText,
                needs: self.store.needs(&file.id, Made::FromText),
                ..Known::nothing()
            };
        }
        let collected = self.project.tell(file);
        let mut needs = self.needs(&collected.closure);
        needs.push(Dependency::file(file.path.clone(), self.store.disk()));
        // A conftest of another folder can have a hook that sees every test. pytest's own
        // answer, which takes these over, must not be kept without them either.
        let conftests = self.project.layout().conftests.iter();
        needs.extend(conftests.map(|path| Dependency::file(path.clone(), self.store.disk())));
        needs.sort_unstable();
        needs.dedup();
        if collected.closure.unknown.is_empty() {
            let (id, made) = (&file.id, Made::FromText);
            let tests = &collected.tests;
            self.store.keep(id, made, asked, needs.clone(), tests);
        }
        Known {
            tests: collected.tests,
            needs,
            ..Known::nothing()
        }
    }

    fn needs(&self, read: &Closure) -> Vec<Dependency> {
        let disk = self.store.disk();
        let present = read.present.iter();
        let present = present.map(|path| Dependency::file(path.clone(), disk));
        // Nothing was there: neither a file nor a folder.
        let absent = read.absent.iter();
        let absent = absent.map(|path| Dependency::look(path.clone(), dyno_model::Found::Nothing));
        present.chain(absent).collect()
    }
}

impl Known {
    pub(super) fn nothing() -> Self {
        Self {
            tests: FileTests {
                file: String::new(),
                tests: Vec::new(),
                unknown: Vec::new(),
                shared: Shared::default(),
            },
            source: Source::Text,
            open: Vec::new(),
            failures: Vec::new(),
            skip: None,
            kind: MODULE.to_owned(),
            needs: Vec::new(),
            debug: Vec::new(),
        }
    }

    /// The same file once pytest has spoken. Where pytest cannot import it, its tests
    /// remain those of the text.
    pub(super) fn with_answer(self, file: &str, answer: FileAnswer, source: Source) -> Self {
        let tests = if cannot_import(file, &answer.failures) {
            self.tests
        } else {
            FileTests {
                file: file.to_owned(),
                tests: answer.tests.into_iter().map(certain).collect(),
                unknown: Vec::new(),
                shared: answer.shared,
            }
        };
        Self {
            tests,
            source,
            open: answer.open,
            failures: answer.failures,
            skip: answer.skip,
            kind: answer.kind,
            needs: self.needs,
            debug: self.debug,
        }
    }

    /// Whether pytest was asked, and could not import the file.
    pub(super) fn cannot_import(&self, file: &str) -> bool {
        cannot_import(file, &self.failures)
    }
}

/// Whether what the file needs is not installed: its own import raised `ImportError`, or
/// that of a conftest above it did.
///
/// The first is told by pytest's text (`importtestmodule` in `_pytest/python.py`, the same
/// from 8.0 to 9.2). Anything else that goes wrong is an error of the file itself.
fn cannot_import(file: &str, failures: &[CollectFailure]) -> bool {
    failures.iter().any(|failure| {
        let raised = |name: &str| {
            let crash = failure.crash.as_deref().unwrap_or_default();
            crash
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(':'))
        };
        let text = &failure.longrepr;
        if failure.node == file {
            text.starts_with("ImportError while importing test module")
        } else {
            is_above(&failure.node, file)
                && (raised("ImportError") || raised("ModuleNotFoundError"))
        }
    })
}

/// A test of which nothing is in doubt.
pub(super) fn certain(test: Test) -> FoundTest {
    FoundTest {
        test,
        unknown: Vec::new(),
    }
}
