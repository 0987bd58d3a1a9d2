//! How a run is to look, as far as its events do not say.

/// What the screen is like and what its reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of the screen.
    pub width: usize,
    /// Whether escape sequences may be used.
    pub color: bool,
    /// Whether a line can be written over: a terminal that shows a run as it goes.
    pub live: bool,
    /// Messages in the short summary.
    pub messages: Messages,
}

/// How much of a failure's message the short summary shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Messages {
    /// As much of its first line as the screen has room for.
    #[default]
    Trimmed,
    /// All of it: pytest's choice where `CI` or `BUILD_NUMBER` is set, and with `-vv`.
    Whole,
}

impl Style {
    /// A screen of so many columns, with pytest's defaults.
    pub fn new(width: usize, color: bool) -> Self {
        Self {
            width,
            color,
            live: false,
            messages: Messages::default(),
        }
    }
}

impl Default for Style {
    /// pytest's own: 80 columns, no colours.
    fn default() -> Self {
        Self::new(80, false)
    }
}
