//! What the filter may do with the writes of a device.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    filter::{DeviceSelector, MAX_DEVICES, WIRE_VERSION},
    ioctl::{Access, ControlCode},
};

/// Out: [`Policies`].
pub const GET_POLICIES: ControlCode = ControlCode::new(0x07, Access::Read);
/// In: [`PolicyChange`]. A write that has begun goes on as it began.
pub const SET_POLICY: ControlCode = ControlCode::new(0x08, Access::Write);

numbered! {
    /// What the filter does with a write.
    Policy {
        /// Attempts fast I/O, and goes on by IRP.
        Fast = 0, "fast";
        /// Never attempts fast I/O.
        Irp = 1, "irp";
        /// Passes the request down untouched, as if the filter were not there.
        Bypass = 2, "bypass";
    }
}

/// The policy of every device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Policies {
    /// By the number of the device: a [`Policy`], or [`NO_DEVICE`].
    pub by_device: [u8; MAX_DEVICES],
}

/// No device has this number.
pub const NO_DEVICE: u8 = u8::MAX;

impl Policies {
    /// Without a device.
    pub const NONE: Self = Self {
        by_device: [NO_DEVICE; MAX_DEVICES],
    };

    /// The devices with their policies; `None`: a value makes no sense.
    pub fn devices(&self) -> impl Iterator<Item = (u32, Option<Policy>)> {
        let there = (0..).zip(self.by_device);
        there
            .filter(|(_, policy)| *policy != NO_DEVICE)
            .map(|(number, policy)| (number, Policy::from_u32(policy.into())))
    }
}

/// A new policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PolicyChange {
    /// [`WIRE_VERSION`] of the caller.
    pub version: u32,
    /// Number of the device, or [`DeviceSelector::ALL`]: all that are there now.
    pub device: u32,
    /// A [`Policy`].
    pub policy: u32,
    /// Zero.
    pub reserved: u32,
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// The caller speaks another version of the protocol.
    Version,
    /// `policy` is not a [`Policy`], `device` is no device's number, or `reserved` is not zero.
    Value,
}

impl PolicyChange {
    /// For this device.
    #[must_use]
    pub const fn new(device: u32, policy: Policy) -> Self {
        Self {
            version: WIRE_VERSION,
            device,
            policy: policy as u32,
            reserved: 0,
        }
    }

    /// The device, or [`DeviceSelector::ALL`], and its new policy.
    ///
    /// # Errors
    ///
    /// The first thing that makes no sense.
    pub fn check(&self) -> Result<(u32, Policy), PolicyError> {
        if self.version != WIRE_VERSION {
            return Err(PolicyError::Version);
        }
        let is_number = (self.device as usize) < MAX_DEVICES || self.device == DeviceSelector::ALL;
        match Policy::from_u32(self.policy) {
            Some(policy) if is_number && self.reserved == 0 => Ok((self.device, policy)),
            _ => Err(PolicyError::Value),
        }
    }
}

const _: () = assert!(size_of::<Policies>() == MAX_DEVICES);
const _: () = assert!(size_of::<PolicyChange>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_checked_by_field() {
        let change = PolicyChange::new(3, Policy::Bypass);
        assert_eq!(change.check(), Ok((3, Policy::Bypass)));
        let all = PolicyChange::new(DeviceSelector::ALL, Policy::Irp);
        assert_eq!(all.check(), Ok((DeviceSelector::ALL, Policy::Irp)));
        let wrong = [
            (
                PolicyChange {
                    version: WIRE_VERSION - 1,
                    ..change
                },
                PolicyError::Version,
            ),
            (PolicyChange { device: 64, ..change }, PolicyError::Value),
            (
                PolicyChange {
                    device: DeviceSelector::FILE_OBJECTS,
                    ..change
                },
                PolicyError::Value,
            ),
            (PolicyChange { policy: 3, ..change }, PolicyError::Value),
            (
                PolicyChange {
                    reserved: 1,
                    ..change
                },
                PolicyError::Value,
            ),
        ];
        for (change, error) in wrong {
            assert_eq!(change.check(), Err(error), "{change:?}");
        }
    }

    #[test]
    fn devices_that_are_not_there_are_left_out() {
        let mut policies = Policies::NONE;
        assert_eq!(policies.devices().count(), 0);
        policies.by_device[2] = Policy::Irp as u8;
        policies.by_device[63] = 77;
        let seen: std::vec::Vec<_> = policies.devices().collect();
        assert_eq!(seen, [(2, Some(Policy::Irp)), (63, None)]);
    }
}
