//! What the rows share.
