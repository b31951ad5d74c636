//! The pitfalls of drivers, found by the model when committed, and not committed by the core.
