//! A fault at every point where a kernel service can fail, one at a time and in pairs.
