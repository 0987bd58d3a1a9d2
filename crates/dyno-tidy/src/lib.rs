//! Holds the repository to what `docs/ARCHITECTURE.md` says of it.
//!
//! Pure checks: text in, complaints out, every complaint of an input and not the first.
//! `tests/tidy.rs` reads the repository and runs them on it.

mod architecture;
mod manifest;
mod text;

pub use architecture::{Page, PageError, check_page};
pub use manifest::{Manifest, ManifestError, workspace_dependencies};
pub use text::{MAX_LINES, check_length, check_machine_paths, check_names};
