//! The fast-I/O attempt: KS-20 to KS-34.
