//! What a comparison switches between its runs, and puts back at the end.

use ksw::bench::sweep::{Change, Variant};
use ksw::exit::{Exit, Failure};
use kswrite_client::{Access, Devices, Filter};
use kswrite_wire::filter::DeviceSelector;
use kswrite_wire::policy::Policy;
use kswrite_wire::wine_host::{ATTACH_FILTER, CONTROL_PATH, DETACH_FILTER, Stacks};

use super::super::device::Device;

/// Switches from one side to the other. Dropping it puts back what was there before.
pub(super) enum Toggle {
    /// The sides differ in something that is opened anew for each run.
    Nothing,
    /// The filter is attached and detached by the Wine host.
    Stacks {
        host: Device,
        /// Whether the filter was attached.
        was_on: bool,
    },
    /// The filter stays and does something else.
    Policy {
        filter: Filter,
        before: Vec<(u32, Policy)>,
    },
}

impl Toggle {
    /// What these sides need.
    pub(super) fn new(variants: &[Variant]) -> Result<Self, Failure> {
        match variants.first().map(|variant| &variant.change) {
            Some(Change::Filter(_)) => Self::stacks(),
            Some(Change::Policy(_)) => {
                let filter = Filter::open()?;
                let before = filter.policies()?;
                Ok(Self::Policy { filter, before })
            }
            _ => Ok(Self::Nothing),
        }
    }

    fn stacks() -> Result<Self, Failure> {
        let host = Device::open(CONTROL_PATH, Access::ReadWrite).map_err(|error| {
            Failure::new(
                Exit::Absent,
                format!(
                    "--compare filter=on,off: {error} (only the Wine host can take the filter off a stack that is in \
                     use; on Windows compare --compare policy=fast,bypass, in which the filter passes writes on \
                     untouched, or two devices, of which one has no filter: --compare device=A,B)"
                ),
            )
        })?;
        let counted = Device::filter().and_then(|filter| filter.statistics(DeviceSelector::ALL));
        let was_on = counted.is_ok_and(|counted| counted.devices > 0);
        Ok(Self::Stacks { host, was_on })
    }

    /// Puts one side into effect.
    pub(super) fn select(&self, change: &Change) -> Result<(), Failure> {
        match (self, change) {
            (Self::Stacks { host, .. }, Change::Filter(on)) => set_stacks(host, *on),
            (Self::Policy { filter, .. }, Change::Policy(word)) => {
                let policy = Policy::ALL.iter().find(|policy| policy.word() == word);
                let policy = policy.copied().unwrap_or(Policy::Fast);
                Ok(filter.set_policy(Devices::All, policy)?)
            }
            _ => Ok(()),
        }
    }
}

fn set_stacks(host: &Device, on: bool) -> Result<(), Failure> {
    let (what, code) = if on {
        ("attach the filter by", ATTACH_FILTER)
    } else {
        ("detach the filter by", DETACH_FILTER)
    };
    let Stacks { filtered, .. } = host.ask(what, code, &())?;
    if on && filtered == 0 {
        let sentence =
            "--compare filter=on,off: no stack can have the filter; load it with `ksw install filter`";
        return Err(Failure::new(Exit::Absent, sentence));
    }
    Ok(())
}

impl Drop for Toggle {
    fn drop(&mut self) {
        let restored = match self {
            Self::Nothing => Ok(()),
            Self::Stacks { host, was_on } => set_stacks(host, *was_on),
            Self::Policy { filter, before } => before.iter().try_for_each(|(number, policy)| {
                filter
                    .set_policy(Devices::Number(*number), *policy)
                    .map_err(Failure::from)
            }),
        };
        if let Err(failure) = restored {
            eprintln!(
                "ksw: what was switched for the comparison stays so: {}",
                failure.message
            );
        }
    }
}
