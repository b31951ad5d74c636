//! Which values of a `Size` field KMDF accepts, on x64.

/// A structure with a `Size` field that a client of 1.15 hands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sized {
    /// `WDF_DRIVER_CONFIG`.
    DriverConfig,
    /// `WDF_OBJECT_ATTRIBUTES`.
    ObjectAttributes,
    /// `WDF_OBJECT_CONTEXT_TYPE_INFO`.
    ContextTypeInfo,
    /// `WDF_PNPPOWER_EVENT_CALLBACKS`.
    PnpPowerCallbacks,
    /// `WDF_FILEOBJECT_CONFIG`.
    FileObjectConfig,
    /// `WDF_IO_QUEUE_CONFIG`.
    QueueConfig,
    /// `WDF_REQUEST_PARAMETERS`.
    RequestParameters,
    /// `WDF_REQUEST_SEND_OPTIONS`.
    SendOptions,
    /// `WDF_TIMER_CONFIG`.
    TimerConfig,
    /// `WDF_WORKITEM_CONFIG`.
    WorkItemConfig,
}

impl Sized {
    /// The C name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DriverConfig => "WDF_DRIVER_CONFIG",
            Self::ObjectAttributes => "WDF_OBJECT_ATTRIBUTES",
            Self::ContextTypeInfo => "WDF_OBJECT_CONTEXT_TYPE_INFO",
            Self::PnpPowerCallbacks => "WDF_PNPPOWER_EVENT_CALLBACKS",
            Self::FileObjectConfig => "WDF_FILEOBJECT_CONFIG",
            Self::QueueConfig => "WDF_IO_QUEUE_CONFIG",
            Self::RequestParameters => "WDF_REQUEST_PARAMETERS",
            Self::SendOptions => "WDF_REQUEST_SEND_OPTIONS",
            Self::TimerConfig => "WDF_TIMER_CONFIG",
            Self::WorkItemConfig => "WDF_WORKITEM_CONFIG",
        }
    }

    /// The sizes that are accepted: the one of now first, then the frozen older ones.
    pub const fn accepted(self) -> &'static [u32] {
        match self {
            Self::DriverConfig => &[32],
            Self::ObjectAttributes => &[56],
            Self::ContextTypeInfo => &[40, 24],
            Self::PnpPowerCallbacks => &[144, 136],
            Self::FileObjectConfig | Self::RequestParameters => &[40],
            Self::QueueConfig => &[96, 88, 80],
            Self::SendOptions => &[16],
            Self::TimerConfig => &[40, 32, 24],
            Self::WorkItemConfig => &[24],
        }
    }

    /// Whether `size` is accepted.
    pub fn accepts(self, size: u32) -> bool {
        self.accepted().contains(&size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_layouts_are_accepted_and_nothing_in_between() {
        assert!(Sized::QueueConfig.accepts(96));
        assert!(Sized::QueueConfig.accepts(80));
        assert!(!Sized::QueueConfig.accepts(95));
        assert!(!Sized::ObjectAttributes.accepts(0));
        assert!(!Sized::TimerConfig.accepts(48));
    }
}
