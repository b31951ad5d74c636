//! Writes that are awaited: futures of a reactor, under an executor of twelve lines. Any other does as well.
//!
//! `cargo run -p kswrite_client --example reactor -- \\.\KsSinkDirect`

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a program for Windows; `cargo xtask test examples` runs it in Wine");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread::{self, Thread};
    use std::time::Duration;

    use kswrite_client::{Access, AsyncFile, File, Reactor, Win32Error};

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }

    async fn write(file: &AsyncFile) -> Result<u32, Win32Error> {
        // Both are under way now, whether they are awaited or not.
        let first = file.write_at(0, vec![1; 4096]);
        let second = file
            .write_at(4096, vec![2; 4096])
            .time_limit(Duration::from_secs(10));
        Ok(first.await.result? + second.await.result?)
    }

    let path = std::env::args().nth(1);
    let file = File::open(path.as_deref().unwrap_or(r"\\.\KsSinkDirect"), Access::Write)?;
    let file = Reactor::new()?.attach(file)?;
    println!("{} bytes", block_on(write(&file))?);
    Ok(())
}
