//! Eight writes outstanding at a time, whose completions come to a port in whatever order.
//!
//! `cargo run -p kswrite_client --example port -- \\.\KsSinkDirect`

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a program for Windows; `cargo xtask test examples` runs it in Wine");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::collections::BTreeMap;

    use kswrite_client::{Access, CompletionPort, File, Started};

    let path = std::env::args().nth(1);
    let file = File::open(path.as_deref().unwrap_or(r"\\.\KsSinkDirect"), Access::Write)?;
    let port = CompletionPort::new()?;
    port.associate(&file)?;
    let mut under_way = BTreeMap::new();
    let mut bytes = 0;
    for block in 0..8_u8 {
        let token = usize::from(block);
        let operation = port.operation().with_token(token);
        match operation.write_at(&file, u64::from(block) * 4096, vec![block; 4096]) {
            // Complete at once: no packet comes to the port.
            Started::Finished(finished) => bytes += finished.result?,
            Started::Pending(pending) => {
                under_way.insert(token, pending);
            }
        }
    }
    let mut tokens = Vec::new();
    while !under_way.is_empty() {
        port.wait(None, &mut tokens)?;
        for token in tokens.drain(..) {
            let Some(pending) = under_way.remove(&token) else {
                continue;
            };
            match pending.try_finish() {
                Ok(finished) => bytes += finished.result?,
                Err(pending) => {
                    under_way.insert(token, pending);
                }
            }
        }
    }
    println!("{bytes} bytes");
    Ok(())
}
