//! What the filter decided for a write, from its trace, and what it counted.
//!
//! `cargo run -p kswrite_client --example statistics_and_trace -- \\.\KsSinkDirect`

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a program for Windows; `cargo xtask test examples` runs it in Wine");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use kswrite_client::{Access, Devices, File, Filter, Operation, TraceReader};

    let path = std::env::args().nth(1);
    let file = File::open(path.as_deref().unwrap_or(r"\\.\KsSinkDirect"), Access::Write)?;
    let filter = Filter::open()?;
    for (device, policy) in filter.policies()? {
        println!("device {device}: policy {}", policy.word());
    }
    let before = filter.statistics(Devices::All)?;
    // Switches the trace on, and off again when it is dropped.
    let mut trace = TraceReader::follow(&filter, 64)?;
    let finished = Operation::by_event()?.write_at(&file, 0, vec![7; 512]).wait();
    println!("{} bytes", finished.result?);
    for record in trace.read()?.records {
        let (offset, length, device) = (record.offset, record.length, record.device);
        println!(
            "write {}: {length} bytes at {offset} of device {device}",
            record.operation
        );
        if let Some(begun) = record.begun {
            println!(
                "  fast I/O: {}; carried by: {}",
                begun.attempt.word(),
                begun.carrier.word()
            );
        }
        if let Some(over) = record.over {
            println!("  ended: {}, {} bytes", over.completion.word(), over.information);
        }
    }
    let after = filter.statistics(Devices::All)?;
    println!(
        "fast {}, by IRP {}, of {} attempted",
        after.fast - before.fast,
        after.irp - before.irp,
        after.attempted - before.attempted
    );
    Ok(())
}
