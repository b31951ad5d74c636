//! A stream of bytes: anything that writes to `std::io::Write` writes to a device.
//!
//! `cargo run -p kswrite_client --example stream -- \\.\KsSinkDirect < FILE`

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a program for Windows; `cargo xtask test examples` runs it in Wine");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::{self, BufWriter, Write};

    use kswrite_client::{Access, File, Reactor, Writer};

    let path = std::env::args().nth(1);
    let file = File::open(path.as_deref().unwrap_or(r"\\.\KsSinkDirect"), Access::Write)?;
    let writer = Writer::new(Reactor::new()?.attach(file)?, 0);
    // Each write of the Writer is one of the device, so small ones are put together.
    let mut writer = BufWriter::with_capacity(64 << 10, writer);
    let bytes = io::copy(&mut io::stdin().lock(), &mut writer)?;
    writer.flush()?;
    println!("{bytes} bytes");
    Ok(())
}
