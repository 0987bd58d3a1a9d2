//! Collecting: what the text tells, what is kept, what pytest is asked, put together.
//!
//! 1. `session`: environment and configuration, from which everything follows.
//! 2. `known`: each file's tests from the cache or the text, side by side.
//! 3. `need`: the files that this leaves too much open of.
//! 4. `asked`: pytest's answer for just those, in one process; `depends` finds out what
//!    that answer depended on, so that it can be kept.
//! 5. `memory`: what pytest's own cache says of the order.
//! 6. `finish`: order and selection over everything.
//!
//! Where a hook or an option looks at the list of tests as a whole, pytest is asked for
//! the whole (`whole`).

mod asked;
mod changed;
mod depends;
mod finish;
mod imports;
mod known;
mod memory;
mod need;
mod session;
mod store;
mod threads;
mod whole;

pub use imports::{Imports, Wanted, imports, keep};

use crate::Disk;
use crate::cache::Surroundings;
use crate::collection::Collection;
use crate::pytest::Pytest;
use crate::request::{CollectError, Request, Settle};
use asked::Asked;
use dyno_discover::changed::Affected;
use dyno_discover::{Project, crossings};
use dyno_model::{Doubt, Unknown};
use dyno_select::Selection;
use known::{Known, Reader};
use session::Session;
use std::collections::HashMap;
use std::path::Path;
use store::Store;
use threads::side_by_side;

/// Everything that the steps of one collection share.
struct Work<'a> {
    request: &'a Request,
    pytest: &'a dyn Pytest,
    session: &'a Session,
    project: &'a Project<'a>,
    selection: &'a Selection,
    store: &'a Store<'a>,
    disk: &'a Disk,
}

/// What is heard on the way.
#[derive(Debug, Default)]
struct Heard {
    /// For the user.
    notes: Vec<String>,
    /// For `--debug`.
    debug: Vec<String>,
}

/// Collects.
pub fn collect(
    request: &Request,
    pytest: &dyn Pytest,
    disk: &Disk,
) -> Result<Collection, CollectError> {
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself has a lifetime too few"
    )]
    let (collection, heard) = with_work(request, pytest, disk, |work, heard| work.collect(heard))?;
    Ok(Collection {
        notes: heard.notes,
        debug: heard.debug,
        ..collection
    })
}

/// Lays the project out, reads its conftests and opens its cache; `then` does the rest.
fn with_work<T>(
    request: &Request,
    pytest: &dyn Pytest,
    disk: &Disk,
    then: impl FnOnce(&Work<'_>, &mut Heard) -> Result<T, CollectError>,
) -> Result<(T, Heard), CollectError> {
    let mut heard = Heard::default();
    let session = Session::open(request, pytest, disk, &mut heard.debug)?;
    let config = &session.config;
    let selection = Selection::new(
        config.version,
        &config.keyword_expression,
        &config.marker_expression,
        config.deselect.clone(),
    )
    .map_err(|errors| {
        let sentences: Vec<_> = errors.iter().map(ToString::to_string).collect();
        CollectError::Usage(sentences.join("\n"))
    })?;
    let project = Project::open(disk, config, &session.probed.environment);
    if !project.layout().problems.is_empty() {
        let problems = project.layout().problems.iter();
        let sentences: Vec<_> = problems.map(|problem| problem.message.clone()).collect();
        return Err(CollectError::Usage(sentences.join("\n")));
    }
    let now = Surroundings {
        disk,
        variables: &request.variables,
    };
    let store = Store::open(request, &session, &project, now, &mut heard.debug);
    let work = Work {
        request,
        pytest,
        session: &session,
        project: &project,
        selection: &selection,
        store: &store,
        disk,
    };
    let made = then(&work, &mut heard)?;
    Ok((made, heard))
}

impl Work<'_> {
    fn collect(&self, heard: &mut Heard) -> Result<Collection, CollectError> {
        let changed = self.request.changed.as_ref();
        let verdicts = changed.map(|changed| self.affected(changed, heard));
        let mut collection = self.collect_all(verdicts.as_deref(), heard)?;
        if let Some(verdicts) = verdicts {
            self.keep_affected(&verdicts, &mut collection);
        }
        Ok(collection)
    }

    fn collect_all(
        &self,
        affected: Option<&[Affected]>,
        heard: &mut Heard,
    ) -> Result<Collection, CollectError> {
        let whole = self.whole_reasons();
        if !whole.is_empty() && self.request.settle != Settle::Nothing {
            let collection = self.collect_whole(&whole, heard)?;
            self.store.save(&self.project.layout().files, heard);
            return Ok(collection);
        }
        let files = &self.project.layout().files;
        let is_affected =
            |index: usize| affected.and_then(|all| all.get(index)) != Some(&Affected::No);
        let mut known = self.read(heard, is_affected);
        let crossings = self.crossings(&known);
        if !crossings.is_empty() {
            if self.request.settle != Settle::Nothing {
                let reasons: Vec<Unknown> = crossings.into_iter().map(|(_, why)| why).collect();
                let collection = self.collect_whole(&reasons, heard)?;
                self.store.save(files, heard);
                return Ok(collection);
            }
            for (index, why) in crossings {
                if let Some(known) = known.get_mut(index) {
                    known.tests.unknown.push(why);
                }
            }
        }
        let mut errors = Vec::new();
        if self.request.settle != Settle::Nothing {
            let mut open = self.open_files(&known);
            open.retain(|index| is_affected(*index));
            // Of two files of one id an answer does not say which it means.
            if self.has_twins(&open) {
                let reason = "files that stand there twice, or share a node id, are open";
                let twins = [Unknown::new(Doubt::Existence, reason)];
                let collection = self.collect_whole(&twins, heard)?;
                self.store.save(files, heard);
                return Ok(collection);
            }
            if !open.is_empty() {
                let asked = Asked::ask(self, &open, heard)?;
                errors = asked.settle(self, &open, &mut known, heard);
            }
        }
        if self.request.settle != Settle::Nothing
            && let Some(reason) = self.forgets(&known)
        {
            let collectors = [Unknown::new(Doubt::Order, reason)];
            let collection = self.collect_whole(&collectors, heard)?;
            self.store.save(files, heard);
            return Ok(collection);
        }
        self.store.save(files, heard);
        self.finish(known, errors, &whole, heard)
    }

    /// What files change of each other's tests.
    fn crossings(&self, known: &[Known]) -> Vec<(usize, Unknown)> {
        let files = self.project.layout().files.iter();
        crossings(files.zip(known.iter().map(|known| &known.tests)))
    }

    /// Whether one of these files has its id or its path in common with another.
    fn has_twins(&self, open: &[usize]) -> bool {
        let files = &self.project.layout().files;
        let mut ids: HashMap<&str, usize> = HashMap::new();
        let mut paths: HashMap<&Path, usize> = HashMap::new();
        for file in files {
            *ids.entry(&file.id).or_default() += 1;
            *paths.entry(&file.path).or_default() += 1;
        }
        let mut open = open.iter().filter_map(|index| files.get(*index));
        open.any(|file| {
            let ids = ids.get(file.id.as_str());
            let paths = paths.get(file.path.as_path());
            ids.into_iter().chain(paths).any(|count| *count > 1)
        })
    }

    /// What is known without asking, of every file that is looked at.
    fn read(&self, heard: &mut Heard, is_looked_at: impl Fn(usize) -> bool + Sync) -> Vec<Known> {
        let reader = Reader::new(self.project, self.store);
        let files = self.project.layout().files.len();
        let mut known = side_by_side(self.request.threads, files, |index| {
            if is_looked_at(index) {
                reader.read(index)
            } else {
                Known::nothing()
            }
        });
        for known in &mut known {
            heard.debug.append(&mut known.debug);
        }
        known
    }

    /// Why the list of tests has to come from pytest as a whole; empty where it need not.
    fn whole_reasons(&self) -> Vec<Unknown> {
        let config = &self.session.config;
        let mut reasons: Vec<Unknown> = self.project.hooks().whole_list().collect();
        reasons.extend(self.project.unknown().iter().cloned());
        let mut because = |reason: &str| reasons.push(Unknown::new(Doubt::Existence, reason));
        let environment = &self.session.probed.environment;
        environment
            .unknown
            .iter()
            .for_each(|reason| because(reason));
        let cache = &config.cache;
        // Which files a run has to import is another question: pytest itself reruns there.
        let asks = self.request.settle == Settle::Nothing || !memory::follows(config);
        for (given, reason) in [
            (cache.last_failed, "`--lf` decides while it collects"),
            (
                !memory::follows(config) && cache.failed_first,
                "`--ff` orders by what failed",
            ),
            (
                !memory::follows(config) && cache.new_first,
                "`--nf` orders by what is new",
            ),
            (cache.stepwise, "`--sw` counts the tests that were there"),
        ] {
            if given && asks {
                because(reason);
            }
        }
        reasons
    }
}
