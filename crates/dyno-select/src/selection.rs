//! The conditions joined: what is wanted of a file, and whether it need be imported.

use crate::arguments::{Deselected, Deselection, NameChain, Wanted};
use crate::doubts::Doubts;
use crate::error::ExpressionError;
use crate::keywords::{CallInKeywords, KeywordExpression, KeywordsInFile};
use crate::marks::MarkExpression;
use crate::verdict::{Presence, Verdict};
use dyno_model::{Doubt, FileTests, FoundTest, PytestVersion};

/// What was asked of a run, but for the arguments that are paths: `--deselect`, `-k` and
/// `-m`, in the order in which pytest applies them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    deselect: Deselection,
    keyword: Option<KeywordExpression>,
    mark: Option<MarkExpression>,
}

/// An expression that pytest refuses. `Display` is its sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Wrong expression passed to '{option}': {text}: at column {}: {error}", error.column())]
pub struct SelectionError {
    /// `-k` or `-m`.
    pub option: &'static str,
    /// The expression, as pytest cites it.
    pub text: String,
    /// What is wrong, and where.
    pub error: ExpressionError,
}

/// What is wanted of one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// Whether the arguments ask for it. A test that they do not ask for is not collected;
    /// one that is dropped otherwise is *deselected*, and counted.
    pub requested: Verdict,
    /// Whether it runs if it exists: requested, and not deselected.
    pub verdict: Verdict,
    /// How many tests it stands for.
    pub presence: Presence,
}

/// What is wanted of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSelection {
    /// Of each test that was found, in the file's order.
    pub tests: Vec<Selected>,
    /// Of tests that may be there and were not found; absent if there are none.
    pub rest: Option<Selected>,
    /// `-k` was given a call, and a test's evaluation comes to it: pytest ends with this
    /// error of use if it collects the test.
    pub misuse: Option<CallInKeywords>,
}

/// Whether pytest need import a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileNeed {
    /// It holds no test that would run.
    Skip {
        /// How many tests of it pytest would have counted as deselected; absent where
        /// that is not known.
        deselected: Option<usize>,
    },
    /// It may hold one.
    Import,
}

impl Selection {
    /// Reads the options; `-k` and `-m` as they were given, `""` where they were not.
    ///
    /// Every expression that is wrong is told. pytest tells that of `-k` first, and it
    /// alone, after it has collected.
    pub fn new(
        version: PytestVersion,
        keyword: &str,
        mark: &str,
        deselect: Vec<String>,
    ) -> Result<Self, Vec<SelectionError>> {
        let mut errors = Vec::new();
        let mut keep = |option, error: ExpressionError| {
            errors.push(SelectionError {
                option,
                text: error.text().to_owned(),
                error,
            });
        };
        let keyword = KeywordExpression::parse(keyword, version).unwrap_or_else(|error| {
            keep("-k", error);
            None
        });
        let mark = MarkExpression::parse(mark, version).unwrap_or_else(|error| {
            keep("-m", error);
            None
        });
        if errors.is_empty() {
            Ok(Self {
                deselect: Deselection::of(deselect),
                keyword,
                mark,
            })
        } else {
            Err(errors)
        }
    }

    /// Whether nothing was asked, so that every test is wanted.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The expression of `-m`.
    pub fn mark(&self) -> Option<&MarkExpression> {
        self.mark.as_ref()
    }

    /// What is wanted of a file.
    ///
    /// `chains` are the names that the arguments ask for within it, none for all of it.
    /// `above` is as for [`KeywordExpression::in_file`].
    pub fn file(
        &self,
        file: &FileTests,
        chains: &[NameChain],
        above: Option<&[String]>,
    ) -> FileSelection {
        let conditions = InFile {
            wanted: Wanted::of(chains),
            is_whole: chains.is_empty(),
            deselected: self.deselect.in_file(&file.file),
            keywords: (self.keyword.as_ref()).map(|keyword| keyword.in_file(&file.file, above)),
            mark: self.mark.as_ref(),
        };
        let of_file = Doubts::of(&file.unknown);
        let mut misuse = None;
        let tests = file.tests.iter();
        let tests = tests.map(|test| conditions.test(test, file, &mut misuse));
        FileSelection {
            tests: tests.collect(),
            rest: (of_file.any(&[Doubt::Existence])).then(|| conditions.unknown()),
            misuse,
        }
    }
}

impl FileSelection {
    /// Whether the file need be imported.
    pub fn need(&self) -> FileNeed {
        let mut all = self.tests.iter().chain(&self.rest);
        if all.any(|test| test.verdict != Verdict::Drop) {
            return FileNeed::Import;
        }
        self.need_of_none()
    }

    /// The same where none of the tests runs, as another condition takes what this
    /// selection leaves. A `-k` that pytest refuses is still to be refused.
    pub(crate) fn need_of_none(&self) -> FileNeed {
        if self.misuse.is_some() {
            return FileNeed::Import;
        }
        let mut deselected = Some(0);
        for test in self.tests.iter().chain(&self.rest) {
            deselected = match (test.requested, test.presence) {
                (Verdict::Drop, _) => deselected,
                (Verdict::Keep, Presence::One) => deselected.map(|count| count + 1),
                _ => None,
            };
        }
        FileNeed::Skip { deselected }
    }
}

/// The conditions, as far as they concern one file.
struct InFile<'a> {
    wanted: Wanted<'a>,
    /// The arguments ask for all of the file.
    is_whole: bool,
    deselected: Deselected<'a>,
    keywords: Option<KeywordsInFile<'a>>,
    mark: Option<&'a MarkExpression>,
}

impl InFile<'_> {
    fn test(
        &self,
        test: &FoundTest,
        file: &FileTests,
        misuse: &mut Option<CallInKeywords>,
    ) -> Selected {
        let doubts = Doubts::of_test(test, file);
        let requested = self.wanted.verdict(&test.test, doubts, &file.file);
        let stays = requested.and(self.deselected.verdict(&test.test, doubts));
        Selected {
            requested,
            verdict: self.deselect(
                stays,
                |keywords| keywords.verdict(&test.test, doubts),
                |mark| mark.verdict(&test.test, doubts),
                misuse,
            ),
            presence: Presence::of(doubts),
        }
    }

    /// A test that may be there.
    fn unknown(&self) -> Selected {
        let requested = Verdict::seen(self.is_whole, true);
        let stays = requested.and(self.deselected.verdict_on_unknown());
        Selected {
            requested,
            // Whether there is a test to raise for is not known.
            verdict: self.deselect(
                stays,
                |keywords| Ok(keywords.verdict_on_unknown().unwrap_or(Verdict::Ask)),
                MarkExpression::verdict_on_unknown,
                &mut None,
            ),
            presence: Presence::AnyNumber,
        }
    }

    /// `-k` and then `-m`, each only for what the one before may have left.
    fn deselect(
        &self,
        stays: Verdict,
        keywords: impl FnOnce(&KeywordsInFile<'_>) -> Result<Verdict, CallInKeywords>,
        mark: impl FnOnce(&MarkExpression) -> Verdict,
        misuse: &mut Option<CallInKeywords>,
    ) -> Verdict {
        let mut stays = stays;
        if let (Some(given), true) = (&self.keywords, stays != Verdict::Drop) {
            match keywords(given) {
                Ok(verdict) => stays = stays.and(verdict),
                Err(raised) => {
                    *misuse = Some(raised);
                    return Verdict::Ask;
                }
            }
        }
        match self.mark {
            Some(given) if stays != Verdict::Drop => stays.and(mark(given)),
            _ => stays,
        }
    }
}
