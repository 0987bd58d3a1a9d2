//! Which files have to be asked about.

use super::Work;
use super::known::Known;
use crate::collection::Source;
use crate::request::Settle;
use dyno_discover::layout::LayoutFile;
use dyno_model::{Doubt, Unknown};
use dyno_select::{FileSelection, NameChain, Verdict};

/// Doubts that change which tests are listed, or where.
const LISTING: [Doubt; 3] = [Doubt::Existence, Doubt::Ids, Doubt::Order];

impl Work<'_> {
    /// The places of the files of which too much is open.
    pub(super) fn open_files(&self, known: &[Known]) -> Vec<usize> {
        let files = self.project.layout().files.iter();
        let pairs = files.zip(known).enumerate();
        pairs
            .filter(|(_, (file, known))| self.is_open(file, known))
            .map(|(index, _)| index)
            .collect()
    }

    fn is_open(&self, file: &LayoutFile, known: &Known) -> bool {
        if matches!(known.source, Source::Pytest | Source::KeptAnswer) {
            return false;
        }
        let selection = self.select(file, known);
        let further: &[Doubt] = match self.request.settle {
            Settle::Nothing | Settle::Tests => &[],
            Settle::Markers => &[Doubt::Markers],
            Settle::Fixtures => &[Doubt::Markers, Doubt::Fixtures],
        };
        let decides = |unknown: &Unknown| {
            LISTING.contains(&unknown.doubt) || further.contains(&unknown.doubt)
        };
        if known.tests.unknown.iter().any(decides) || selection.misuse.is_some() {
            return true;
        }
        // An argument that fits nothing: pytest says so in its own words.
        let missing = |chain: &NameChain| {
            let mut tests = known.tests.tests.iter();
            !tests.any(|found| {
                let doubts = dyno_select::Doubts::of_test(found, &known.tests);
                chain.wants(&found.test, doubts, &file.id) == Verdict::Keep
            })
        };
        if chains(file).iter().any(missing) {
            return true;
        }
        let mut tests = known.tests.tests.iter().zip(&selection.tests);
        tests.any(|(found, selected)| {
            let counts = |unknown: &Unknown| LISTING.contains(&unknown.doubt);
            let shows = |unknown: &Unknown| decides(unknown) && selected.verdict != Verdict::Drop;
            selected.requested != Verdict::Drop
                && (selected.verdict == Verdict::Ask
                    || found.unknown.iter().any(counts)
                    || found.unknown.iter().any(shows))
        })
    }

    /// What is wanted of a file.
    pub(super) fn select(&self, file: &LayoutFile, known: &Known) -> FileSelection {
        let names = names_above(file);
        self.selection
            .file(&known.tests, &chains(file), Some(&names))
    }
}

/// The parts of a file that arguments ask for; empty: all of it.
fn chains(file: &LayoutFile) -> Vec<NameChain> {
    file.wanted
        .iter()
        .filter_map(|wanted| {
            let text = format!(
                "::{}{}",
                wanted.names.join("::"),
                wanted.parametrization.as_deref().unwrap_or_default()
            );
            NameChain::split(&text).1
        })
        .collect()
}

/// The names of the nodes above the file's tests that `-k` sees: the folders' but for the
/// topmost one's, and the file's own.
fn names_above(file: &LayoutFile) -> Vec<String> {
    let name = file.id.rsplit('/').next().unwrap_or(&file.id);
    let folders = file.folders.iter().skip(1);
    folders
        .map(|folder| folder.name.clone())
        .chain([name.to_owned()])
        .collect()
}
