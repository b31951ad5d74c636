//! Four overlapped writes, one after the other, by one operation: the buffer goes in and comes back with the result.
//!
//! `cargo run -p kswrite_client --example overlapped -- \\.\KsSinkDirect`

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a program for Windows; `cargo xtask test examples` runs it in Wine");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use kswrite_client::{Access, File, Finished, Operation, Started};

    let path = std::env::args().nth(1);
    let file = File::open(path.as_deref().unwrap_or(r"\\.\KsSinkDirect"), Access::Write)?;
    let mut operation = Operation::by_event()?;
    let mut buffer = vec![0; 4096];
    for block in 0..4_u8 {
        buffer.fill(block);
        let offset = u64::from(block) * 4096;
        let finished = match operation.write_at(&file, offset, buffer) {
            // What the call returned says that it is over; there is nothing to wait for.
            Started::Finished(finished) => finished,
            // Until it is over, buffer and OVERLAPPED are the system's, and there is no way to touch them.
            Started::Pending(pending) => pending.wait(),
        };
        println!("{} bytes at {offset}", finished.result?);
        // Nothing is allocated for the next one.
        Finished {
            operation,
            buffer,
            ..
        } = finished;
    }
    Ok(())
}
