//! The controls of the Wine host: plain numbers, and one that arms faults.

use kswrite_wire::wine_host::{
    Counters, Fault, FileChange, FileFields, FileHandle, Mapped, PreviousMode, SentIrp, SentIrps, Service,
    Stacks, Watch,
};
use wine_state::fault::Faults;

use super::{plain, same};
use crate::Wrong;

pub(crate) fn run(bytes: &[u8]) -> Result<(), Wrong> {
    plain::<Stacks>(bytes)?;
    plain::<Counters>(bytes)?;
    plain::<FileHandle>(bytes)?;
    plain::<FileFields>(bytes)?;
    plain::<FileChange>(bytes)?;
    plain::<PreviousMode>(bytes)?;
    plain::<Mapped>(bytes)?;
    plain::<Watch>(bytes)?;
    plain::<SentIrp>(bytes)?;
    plain::<SentIrps>(bytes)?;
    let Some(fault) = plain::<Fault>(bytes)? else {
        return Ok(());
    };
    arm(&fault)
}

/// So many calls of each service are looked at.
const CALLS: u32 = 40;

/// The host arms what there is, and just that.
fn arm(fault: &Fault) -> Result<(), Wrong> {
    let mut faults = Faults::new();
    let armed = faults.arm(fault.service, fault.after, fault.times);
    let last = Service::CompletionRoutine as u32;
    same("whether it is armed", armed.is_ok(), fault.service <= last)?;
    let there = (1..=last).contains(&fault.service) && fault.times > 0;
    same("whether a call will fail", faults.any_armed(), there)?;
    for call in 0..CALLS {
        for service in 0..=last + 1 {
            let end = u64::from(fault.after) + u64::from(fault.times);
            let struck = there && service == fault.service && call >= fault.after && u64::from(call) < end;
            same("whether a call fails", faults.strikes(service), struck)?;
        }
    }
    Ok(())
}
