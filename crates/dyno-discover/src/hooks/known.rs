//! Plugins whose hooks are known by name: their text is not plain enough to be read, and
//! they are everywhere.
//!
//! An entry says what a hook does in the versions that it was checked on, by reading their
//! source and by comparing collections. Of other versions nothing is taken for known.

use dyno_model::{Environment, HookImplementation};

/// What a known hook does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing to what is collected, nor to its ids, order or markers.
    Nothing,
    /// pytest-asyncio's: marks coroutines in auto mode. Parametrizes only where something
    /// implements `pytest_asyncio_loop_factories`, which is looked for on its own.
    Asyncio,
    /// Hypothesis': marks what `given` made.
    Hypothesis,
    /// anyio's: coroutines that it takes use the fixture `anyio_backend`.
    Anyio,
}

struct Entry {
    distribution: &'static str,
    /// Versions from, and up to but without, by major and minor.
    versions: ((u32, u32), (u32, u32)),
    hook: &'static str,
    what: Known,
}

/// Read in pytest-asyncio 1.1 to 1.5 and anyio 4.2 to 4.16, and in hypothesis 6,
/// compared on the newest (2026-11).
/// pytest-asyncio up to 1.0 makes parameters of event loops, so it is not known.
const ENTRIES: &[Entry] = &[
    Entry {
        distribution: "pytest-asyncio",
        versions: ((1, 4), (1, 6)),
        hook: "pytest_generate_tests",
        what: Known::Asyncio,
    },
    Entry {
        distribution: "pytest-asyncio",
        versions: ((1, 1), (1, 6)),
        hook: "pytest_pycollect_makeitem",
        what: Known::Asyncio,
    },
    Entry {
        distribution: "anyio",
        versions: ((4, 2), (4, 17)),
        hook: "pytest_pycollect_makeitem",
        what: Known::Anyio,
    },
    Entry {
        distribution: "hypothesis",
        versions: ((6, 50), (7, 0)),
        hook: "pytest_collection_modifyitems",
        what: Known::Hypothesis,
    },
    // Looks for coroutines that bear its mark and miss its fixture, which the hook above
    // does not leave.
    Entry {
        distribution: "anyio",
        versions: ((4, 2), (4, 17)),
        hook: "pytest_collection_finish",
        what: Known::Nothing,
    },
];

/// What is known of an implementation.
pub(super) fn known(environment: &Environment, hook: &HookImplementation) -> Option<Known> {
    let plugin = environment
        .plugins
        .iter()
        .find(|plugin| plugin.name == hook.plugin)?;
    let version = version(&plugin.version)?;
    ENTRIES
        .iter()
        .find(|entry| {
            entry
                .distribution
                .eq_ignore_ascii_case(&plugin.distribution)
                && entry.hook == hook.hook
                && (entry.versions.0..entry.versions.1).contains(&version)
        })
        .map(|entry| entry.what)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|part| part.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??))
}
