//! Known defects of another implementation of the routine, each behind a feature of this crate.
//!
//! A test suite is worth what it finds. Building the crate with one of the features `ro-01` to `ro-19` puts
//! that defect in, and the suite must fail; `cargo xtask mutants` does this for each. No driver can be built
//! with one.

#[cfg(all(feature = "defects", target_os = "windows"))]
compile_error!(
    "the features ro-01 to ro-19 are for the tests on the build machine; no driver is built with a defect"
);

/// Whether the defect of this name is built in: a constant.
macro_rules! defect {
    ($name:literal) => {
        cfg!(feature = $name)
    };
}

pub(crate) use defect;
