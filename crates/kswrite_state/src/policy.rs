//! What the filter may do with the writes of a device.

use core::sync::atomic::{AtomicU32, Ordering};

use kswrite_wire::policy::Policy;

/// The policy of a device. It may be changed while writes go on: each reads it once, when it comes, and goes by
/// what it read until it is over.
///
/// Nothing else is published with it, so every access is relaxed.
#[derive(Debug)]
pub struct DevicePolicy(AtomicU32);

impl DevicePolicy {
    /// [`Policy::Fast`].
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(Policy::Fast as u32))
    }

    /// The policy now.
    #[inline]
    pub fn get(&self) -> Policy {
        // Nothing but a policy is ever stored.
        Policy::from_u32(self.0.load(Ordering::Relaxed)).unwrap_or(Policy::Fast)
    }

    /// Another policy, for the writes that come from now on.
    pub fn set(&self, policy: Policy) {
        self.0.store(policy as u32, Ordering::Relaxed);
    }
}

impl Default for DevicePolicy {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read() {
        let policy = DevicePolicy::new();
        assert_eq!(policy.get(), Policy::Fast);
        for wanted in Policy::ALL {
            policy.set(*wanted);
            assert_eq!(policy.get(), *wanted);
        }
    }
}
