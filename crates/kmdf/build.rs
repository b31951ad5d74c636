//! Compiles the structured exception handlers.

fn main() {
    println!("cargo:rerun-if-changed=src/seh.c");
    let mut build = cc::Build::new();
    build.file("src/seh.c");
    if build
        .try_get_compiler()
        .is_ok_and(|compiler| compiler.is_like_clang())
    {
        // The environment's flags come last and may name a MinGW target, for the sake of the headers that
        // other crates need: there clang knows `__try` only with this. The code made is the same.
        build.flag("-fms-extensions").flag("-ffreestanding");
    }
    build.compile("kmdf_seh");
}
