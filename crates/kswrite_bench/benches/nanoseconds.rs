//! The time that each write takes. `cargo xtask bench core` runs this, and reads what criterion writes down.

use std::time::Duration;

use criterion::Criterion;
use kswrite_bench::{Case, subjects};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(50)
        .without_plots()
        .configure_from_args();
    for subject in subjects() {
        let case = Case::new(subject);
        criterion.bench_function(&subject.to_string(), |bencher| bencher.iter(|| case.once()));
    }
    criterion.final_summary();
}
