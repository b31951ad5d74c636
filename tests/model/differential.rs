//! The same write by two paths: fast I/O and IRP, managed and owned.
