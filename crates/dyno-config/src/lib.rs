//! Settings: arguments, parsed, then resolved once.
//!
//! [`split()`] takes the raw arguments of `dyno test` apart into dyno's own and pytest's;
//! it reads no environment. [`resolve`] makes [`Settings`] of them, which never change
//! afterwards. What pytest alone can resolve (its ini file, `addopts`, defaults of
//! plugins) is asked of the pytest that runs, not read a second time. Collection, which
//! starts no pytest, has [`pytest::pytest_config`] for it. [`Rules`] are `[tool.dyno]`'s: on what
//! terms each test runs.

mod models;
mod options;
pub mod pytest;
mod settings;
mod split;
mod terms;

pub use models::Models;
pub use options::{TestOptions, Workers};
pub use settings::{Load, Repeat, Settings, SettingsError, resolve};
pub use split::{Split, split, split_for};
pub use terms::{Beside, Rules, RulesError, Terms, TimeoutMarker, Timeouts};
