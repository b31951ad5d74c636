//! A write in a filter driver, which holds its caller's request until the write is over.

use crate::{
    Kernel, NtStatus, Statistics, WriteCall,
    fast::{self, Outcome, Skip},
    owned::{self, Request},
};

/// Writes, and returns what the dispatch routine returns.
///
/// IRQL: `<= DISPATCH_LEVEL`, in the context in which the request came.
pub fn dispatch<K: Kernel, R: Request<K>>(
    kernel: &K,
    statistics: &Statistics,
    call: &WriteCall<K>,
    request: R,
) -> NtStatus {
    let outcome = fast::attempt(kernel, call);
    statistics.attempted(outcome);
    owned::launch(kernel, statistics, call, request, outcome).status
}

/// The same without a fast attempt, where the policy of the device forbids them.
///
/// IRQL: as [`dispatch`].
pub fn dispatch_by_irp<K: Kernel, R: Request<K>>(
    kernel: &K,
    statistics: &Statistics,
    call: &WriteCall<K>,
    request: R,
) -> NtStatus {
    let outcome = Outcome::Skipped(Skip::Policy);
    statistics.attempted(outcome);
    owned::launch(kernel, statistics, call, request, outcome).status
}
