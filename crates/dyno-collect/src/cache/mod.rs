//! The collection cache: what the text or pytest once said of a file, for as long as
//! everything it depends on is as it was.
//!
//! A [`Pack`] is one file, `<rootdir>/.dyno/cache/collection/<context>.pack`. The context
//! is what all its entries have in common: interpreter, plugins, configuration, this very
//! executable. An entry is the answer for one file with the list of what that answer
//! depends on, each with the state in which it was. So nothing has to be kept in step: an
//! entry is looked at only if each of its dependencies is found in the same state, and
//! whatever is damaged, cut off or foreign is as if it were not there.

mod dependency;
mod format;
mod pack;

pub(crate) use dependency::{Dependency, Surroundings};
pub(crate) use pack::{Entry, Lookup, Made, Pack, remove_oldest};
