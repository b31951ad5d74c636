//! `ksw policy`.

use ksw::cli::trace::PolicyArgs;
use ksw::exit::Exit;
use ksw::policy::PolicyReport;
use kswrite_client::{Devices, Filter};

use super::{Failure, print};

/// Runs the command.
pub(super) fn command(args: &PolicyArgs) -> Result<Exit, Failure> {
    let filter = Filter::open()?;
    let devices = args.device_index.map_or(Devices::All, Devices::Number);
    if let Some(policy) = args.set {
        filter.set_policy(devices, policy.into())?;
    }
    let mut policies = filter.policies()?;
    if let Some(wanted) = args.device_index {
        policies.retain(|(device, _)| *device == wanted);
        if policies.is_empty() {
            let message =
                format!("the filter has no device {wanted}; `ksw policy` shows those that there are");
            return Err(Failure::new(Exit::Absent, message));
        }
    }
    print(&PolicyReport::new(policies), args.json.json)?;
    Ok(Exit::Success)
}
