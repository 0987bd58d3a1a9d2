//! What a process writes: its file, and lines looked for in it.

mod file;
mod scan;
mod search;

pub(crate) use file::{ERROR_LINES, LogFile};
pub(crate) use search::{LogSearch, Piece, search_all};
