//! The other controls of the filter: plain numbers, each way.

use kswrite_wire::filter::{DeviceSelector, Statistics, Version};

use super::plain;
use crate::Wrong;

pub(crate) fn run(bytes: &[u8]) -> Result<(), Wrong> {
    plain::<DeviceSelector>(bytes)?;
    plain::<Version>(bytes)?;
    plain::<Statistics>(bytes)?;
    Ok(())
}
