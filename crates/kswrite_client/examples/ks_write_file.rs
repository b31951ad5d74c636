//! KsWriteFile on a file object: the filter's driver writes to a file that this program has open.
//!
//! `cargo run -p kswrite_client --example ks_write_file -- \\.\KsSinkDirect`

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a program for Windows; `cargo xtask test examples` runs it in Wine");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use kswrite_client::wire::{file_write::Completer, names::CONTROL_PATH};
    use kswrite_client::{Access, Event, File, FileObjectWrite};

    let path = std::env::args().nth(1);
    let file = File::open(path.as_deref().unwrap_or(r"\\.\KsSinkDirect"), Access::Write)?;
    let control = File::open(CONTROL_PATH, Access::ReadWrite)?;
    let event = Event::new(true)?;
    for completer in [Completer::Driver, Completer::IoManager] {
        let report = FileObjectWrite::new(&file, b"bytes of the driver's own")
            .event(&event)
            .at(0)
            .completer(completer)
            .write(&control)?;
        let (fast, end) = (report.attempt.word(), report.completion.word());
        println!(
            "status {:#010x}, event set: {}",
            report.final_status,
            event.is_set()
        );
        println!("fast I/O: {fast}; ended: {end}; status block: {:?}", report.block);
    }
    Ok(())
}
