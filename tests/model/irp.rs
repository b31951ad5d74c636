//! What the IRP carries: KS-40 to KS-47.
