//! Five ways to end a write that its device does not end. The device is a sink, which is told to hold writes.
//!
//! `cargo run -p kswrite_client --example cancel -- \\.\KsSinkDirect`

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a program for Windows; `cargo xtask test examples` runs it in Wine");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::thread;
    use std::time::Duration;

    use kswrite_client::wire::sink::{Completion, FastMode, SET_SCRIPT, Script};
    use kswrite_client::{Access, File, Operation, Reactor, Started, control};

    let path = std::env::args().nth(1);
    let file = File::open(path.as_deref().unwrap_or(r"\\.\KsSinkDirect"), Access::Write)?;
    let hold = Script {
        fast: FastMode::Decline as u32,
        completion: Completion::Held as u32,
        ..Script::default()
    };
    let () = control(&file, SET_SCRIPT, &hold)?;

    // A cancel is a request: the write ends all the same, and its buffer comes back.
    if let Started::Pending(pending) = Operation::by_event()?.write_at(&file, 0, vec![1; 512]) {
        pending.cancel()?;
        report("cancelled", pending.wait().result);
    }

    let asynchronous = Reactor::new()?.attach(file.clone())?;
    let write = asynchronous.write_at(0, vec![2; 512]);
    let canceller = write.canceller();
    let other = thread::spawn(move || canceller.cancel());
    report("cancelled by another thread", write.wait().result);
    other.join().map_err(|_| "the other thread panicked")?;

    let write = asynchronous
        .write_at(0, vec![3; 512])
        .time_limit(Duration::from_millis(50));
    report("over its time limit", write.wait().result);

    // The memory of a dropped write stays until the device gives it back; nobody waits for that.
    drop(asynchronous.write_at(0, vec![4; 512]));

    let writes = asynchronous.write_batch((0..3).map(|_| (0, vec![5; 512])));
    asynchronous.cancel_all()?;
    for written in writes.wait() {
        report("cancelled with all others", written.result);
    }
    Ok(())
}

#[cfg(windows)]
fn report(what: &str, result: Result<u32, kswrite_client::Win32Error>) {
    match result {
        Ok(bytes) => println!("{what}: {bytes} bytes were written before that"),
        Err(error) => println!("{what}: {error}"),
    }
}
