//! Makes every write that is measured, a fixed number of times, and prints one line of JSON for each: its name,
//! how many writes, and what they took.
//!
//! `cargo xtask bench core` runs this under callgrind, which counts the instructions between the two calls of
//! [`boundary`] around the writes of a case.

mod allocations;

use std::hint::black_box;

use kswrite_bench::{Case, subjects};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// Writes of a case. All are alike, so few are enough.
const WRITES: u64 = 16;

/// Callgrind writes down what it counted when this is entered, and starts again from nothing.
#[inline(never)]
fn boundary(case: usize) {
    black_box(case);
}

fn main() {
    for (number, subject) in subjects().enumerate() {
        let case = Case::new(subject);
        let pool = case.pool();
        let (locks, takes, allocations) = (pool.locks(), pool.takes(), allocations::count());
        boundary(number);
        for _ in 0..WRITES {
            case.once();
        }
        boundary(number);
        println!(
            r#"{{"name":"{subject}","writes":{WRITES},"allocations":{},"takes":{},"locks":{}}}"#,
            allocations::count() - allocations,
            pool.takes() - takes,
            pool.locks() - locks,
        );
    }
}
