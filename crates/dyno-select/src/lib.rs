//! The -m and -k language: its grammar, its tree and its errors.
