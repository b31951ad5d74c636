//! Faults armed by a test: some calls of a service succeed, then some fail.

/// How many services can be made to fail; their numbers start at 1.
pub const SERVICES: usize = 8;

#[derive(Clone, Copy)]
struct Armed {
    after: u32,
    times: u32,
}

/// A number that is no service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownService;

/// The faults to come, by service.
pub struct Faults([Armed; SERVICES]);

impl Faults {
    /// Nothing is armed.
    pub const fn new() -> Self {
        Self([Armed { after: 0, times: 0 }; SERVICES])
    }

    /// Arms `service`: `after` calls succeed, then `times` fail. Service 0 disarms all.
    ///
    /// # Errors
    ///
    /// [`UnknownService`].
    pub fn arm(&mut self, service: u32, after: u32, times: u32) -> Result<(), UnknownService> {
        if service == 0 {
            *self = Self::new();
            return Ok(());
        }
        *self.slot(service).ok_or(UnknownService)? = Armed { after, times };
        Ok(())
    }

    /// Counts one call of `service` and says whether it has to fail.
    pub fn strikes(&mut self, service: u32) -> bool {
        let Some(armed) = self.slot(service) else {
            return false;
        };
        if armed.times == 0 {
            return false;
        }
        if armed.after > 0 {
            armed.after -= 1;
            return false;
        }
        armed.times -= 1;
        true
    }

    /// Whether any call is still to fail.
    pub fn any_armed(&self) -> bool {
        self.0.iter().any(|armed| armed.times > 0)
    }

    fn slot(&mut self, service: u32) -> Option<&mut Armed> {
        let index = usize::try_from(service).ok()?.checked_sub(1)?;
        self.0.get_mut(index)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_succeed_then_three_fail_then_all_succeed() {
        let mut faults = Faults::new();
        faults.arm(2, 2, 3).unwrap();
        let struck: alloc::vec::Vec<_> = (0..7).map(|_| faults.strikes(2)).collect();
        assert_eq!(struck, [false, false, true, true, true, false, false]);
        assert!(!faults.any_armed());
    }

    #[test]
    fn services_do_not_share_their_counts() {
        let mut faults = Faults::new();
        faults.arm(1, 0, 1).unwrap();
        assert!(!faults.strikes(3));
        assert!(faults.strikes(1));
    }

    #[test]
    fn zero_disarms_and_unknown_numbers_are_refused() {
        let mut faults = Faults::new();
        faults.arm(1, 0, 9).unwrap();
        faults.arm(0, 0, 0).unwrap();
        assert!(!faults.strikes(1));
        let beyond = u32::try_from(SERVICES).unwrap() + 1;
        assert_eq!(faults.arm(beyond, 0, 1), Err(UnknownService));
        assert!(!faults.strikes(beyond));
    }
}
