//! The same stream under tokio, with the feature `tokio`.
//!
//! `cargo run -p kswrite_client --features tokio --example tokio -- \\.\KsSinkDirect`

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a program for Windows; `cargo xtask test examples` runs it in Wine");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use kswrite_client::{Access, File, Reactor, Writer};
    use tokio::io::AsyncWriteExt;

    let path = std::env::args().nth(1);
    let file = File::open(path.as_deref().unwrap_or(r"\\.\KsSinkDirect"), Access::Write)?;
    // The reactor has a thread of its own; tokio needs neither its I/O driver nor its timer.
    let mut writer = Writer::new(Reactor::new()?.attach(file)?, 0);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        for block in 0..4 {
            writer.write_all(&[block; 4096]).await?;
        }
        // An error of the last write shows here.
        writer.flush().await
    })?;
    println!("{} bytes", writer.offset());
    Ok(())
}
