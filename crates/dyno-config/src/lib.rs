//! Settings: arguments and project files, parsed, then resolved once.
