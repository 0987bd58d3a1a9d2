//! Control groups of sandboxes (`cgroups(7)`): limits, accounts, and an end for what has no wall
//! of processes round it.
//!
//! A [`Site`] is the place where a run may make groups: found once, in version 2 of the kernel's
//! interface where that has the controllers, else in version 1, or part in the one and part in the
//! other. A [`Group`] is one sandbox's: a folder in each tree that is needed. What a folder can do
//! is told by the files in it, so nobody else needs to know of versions.
//!
//! A group's name tells whose it is ([`Maker`]), so whoever comes later can remove what a run that
//! was killed has left. No process is moved but this one, those below it, and those of a sandbox.

mod account;
mod group;
mod home;
mod name;
mod site;
mod trees;

pub use group::Group;
pub use name::Maker;
pub use site::{Lack, Need, Site};
