//! Nothing but a build script, which looks for what a driver is built with before anything else does.
//!
//! Without it, a missing WDK or libclang shows as a panic somewhere in the build scripts of other crates. It is a
//! dependency of what needs the WDK, and needs itself next to nothing, so cargo comes to it early.
#![no_std]
