//! The completion table: KS-60 to KS-74, and every combination of its inputs.
