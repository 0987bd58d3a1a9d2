//! Text as Linux has it, which need not be UTF-8.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Bytes that are mostly text: a string where they are UTF-8, else a list of numbers.
/// Arguments, environments and paths need not be UTF-8 on Linux.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// Valid UTF-8.
    Utf8(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl Text {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// As the operating system takes it.
    pub fn to_os_string(&self) -> OsString {
        OsString::from_vec(self.as_bytes().to_vec())
    }

    /// As a message shows it: what is no UTF-8 becomes U+FFFD.
    pub fn shown(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Utf8(text.to_owned())
    }
}
