//! Writes that are submitted together and over together.
//!
//! `cargo run -p kswrite_client --example batch -- \\.\KsSinkDirect`

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a program for Windows; `cargo xtask test examples` runs it in Wine");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use kswrite_client::{Access, File, Reactor};

    let path = std::env::args().nth(1);
    let file = File::open(path.as_deref().unwrap_or(r"\\.\KsSinkDirect"), Access::Write)?;
    let file = Reactor::new()?.attach(file)?;
    let blocks = (0..16_u8).map(|block| (u64::from(block) * 4096, vec![block; 4096]));
    let mut bytes = 0;
    // In the order in which they were given, in whatever order they have ended. A batch is a future too.
    for written in file.write_batch(blocks).wait() {
        bytes += written.result?;
    }
    println!("{bytes} bytes");
    Ok(())
}
