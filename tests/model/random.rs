//! Random programs from a seed.
