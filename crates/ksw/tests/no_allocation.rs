//! The write loop takes no memory for a write: ten times the writes, the same number of allocations.
#![expect(unsafe_code, reason = "counts allocations as the global allocator")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ksw::bench::load::Load;
use ksw::bench::plan::Offsets;
use ksw::buffer::{Buffer, Pool};
use ksw::run::{Completion, Issued, Manner, Stopwatch, WriteEngine, drive};
use kswrite_client::Error;

struct Counting;

thread_local! {
    /// Of this thread: the harness of the tests has threads of its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has none any more.
        let _counted = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the rules.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the rules.
        unsafe { System.dealloc(pointer, layout) };
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

/// Every other write completes at once, the others later and in order.
struct Device {
    waiting: VecDeque<Completion>,
    issued: u64,
}

impl WriteEngine for Device {
    fn issue(&mut self, slot: usize, _offset: u64, buffer: Buffer) -> Result<Issued, Error> {
        self.issued += 1;
        let completion = Completion {
            slot,
            result: Ok(u32::try_from(buffer.data().len()).unwrap_or(u32::MAX)),
            buffer,
            immediate: self.issued.is_multiple_of(2),
        };
        if completion.immediate {
            return Ok(Issued::Done(completion));
        }
        self.waiting.push_back(completion);
        Ok(Issued::Pending)
    }

    fn wait(&mut self, _timeout: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        done.extend(self.waiting.pop_front());
        Ok(())
    }
}

/// Allocations of so many writes, buffers and all.
fn allocations(writes: u64) -> u64 {
    const DEPTH: u32 = 8;
    let load = Load {
        offsets: Offsets::Random,
        block_bytes: 512,
        first_block: 0,
        blocks: 100,
        seed: 1,
        stream: 2,
        stamped: true,
        end: None,
        writes: Some(writes),
        interval: None,
    };
    let before = ALLOCATIONS.get();
    let mut pool = Pool::new(load.block_bytes, 4096);
    pool.prepare(DEPTH as usize, |data| load.fill(data)).unwrap();
    let mut device = Device {
        waiting: VecDeque::with_capacity(DEPTH as usize),
        issued: 0,
    };
    let never = AtomicBool::new(false);
    let manner = Manner {
        exceptions: true,
        clock: &Stopwatch::start(),
        stop: &never,
    };
    let outcome = drive(
        &mut load.begin(),
        DEPTH,
        &mut pool,
        &mut device,
        manner,
        &mut |_| (),
    )
    .unwrap();
    assert_eq!((outcome.writes, outcome.depth.max), (writes, DEPTH));
    ALLOCATIONS.get() - before
}

#[test]
fn a_write_takes_no_memory() {
    assert_eq!(allocations(1_000), allocations(10_000));
}
