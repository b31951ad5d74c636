//! Event tracing for Windows, as far as a provider and one session need it.
//!
//! A driver registers a provider; a program enables it by the control device and reads the events, which are kept
//! as they were written: descriptor, provider metadata, event metadata, data. What they mean is for the program to
//! decode, as tools on Windows do.
#![expect(unsafe_code, reason = "kernel calling convention and raw pointers")]

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use kswrite_wire::wine_host::{EtwBatch, EtwEnable, EtwEvent};
use wdk_sys::{
    GUID, NTSTATUS, PVOID, STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG,
};
use zerocopy::IntoBytes;

use crate::lock::Lock;
use crate::{drivers, report};

/// `ETWENABLECALLBACK`.
pub type EnableCallback = unsafe extern "C" fn(*const GUID, u32, u8, u64, u64, PVOID, PVOID);

/// The most events that are kept.
const KEPT: usize = 16_384;
/// `EventProviderSetTraits`.
const SET_TRAITS: u32 = 2;
/// `EVENT_DATA_DESCRIPTOR_TYPE_EVENT_METADATA`.
const EVENT_METADATA: u8 = 1;
/// `EVENT_DATA_DESCRIPTOR_TYPE_PROVIDER_METADATA`.
const PROVIDER_METADATA: u8 = 2;

/// `EVENT_DESCRIPTOR`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Descriptor {
    id: u16,
    version: u8,
    channel: u8,
    level: u8,
    opcode: u8,
    task: u16,
    keyword: u64,
}

/// `EVENT_DATA_DESCRIPTOR`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Data {
    address: u64,
    size: u32,
    kind: u8,
    reserved: [u8; 3],
}

const _: () = assert!(size_of::<Descriptor>() == 16 && size_of::<Data>() == 16);

#[derive(Clone)]
struct Provider {
    handle: u64,
    id: [u8; 16],
    callback: Option<EnableCallback>,
    /// The address of the context.
    context: usize,
    /// What a session wants of it, while one does.
    enabled: Option<EtwEnable>,
}

static HANDLES: AtomicU64 = AtomicU64::new(1);
static PROVIDERS: Lock<Vec<Provider>> = Lock::new(Vec::new());
static EVENTS: Lock<Events> = Lock::new(Events {
    kept: VecDeque::new(),
    next: 0,
});

struct Events {
    kept: VecDeque<Vec<u8>>,
    /// The number of the next event.
    next: u64,
}

/// `EtwRegister`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-etwregister>
///
/// # Safety
///
/// As its documentation says.
pub unsafe extern "C" fn etw_register(
    id: *const GUID,
    callback: Option<EnableCallback>,
    context: PVOID,
    handle: *mut u64,
) -> NTSTATUS {
    // SAFETY: the caller passes a GUID, which is 16 bytes.
    let id = unsafe { id.cast::<[u8; 16]>().read() };
    let number = HANDLES.fetch_add(1, Ordering::Relaxed);
    PROVIDERS.lock().push(Provider {
        handle: number,
        id,
        callback,
        context: context.expose_provenance(),
        enabled: None,
    });
    // SAFETY: the caller says so.
    unsafe { handle.write(number) };
    STATUS_SUCCESS
}

/// `EtwUnregister`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-etwunregister>
///
/// # Safety
///
/// None.
pub unsafe extern "C" fn etw_unregister(handle: u64) -> NTSTATUS {
    let mut providers = PROVIDERS.lock();
    let before = providers.len();
    providers.retain(|provider| provider.handle != handle);
    if providers.len() == before {
        drop(providers);
        report::finding(
            report::UNKNOWN,
            None,
            format_args!("EtwUnregister of handle {handle}, which there is not"),
        );
        return STATUS_INVALID_HANDLE;
    }
    STATUS_SUCCESS
}

/// `EtwSetInformation`: provider traits are known, which need not be kept, since each event brings them.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-etwsetinformation>
///
/// # Safety
///
/// None.
pub unsafe extern "C" fn etw_set_information(
    handle: u64,
    class: u32,
    _information: PVOID,
    _length: ULONG,
) -> NTSTATUS {
    if find(handle).is_none() {
        STATUS_INVALID_HANDLE
    } else if class == SET_TRAITS {
        STATUS_SUCCESS
    } else {
        STATUS_INVALID_PARAMETER
    }
}

/// `EtwWriteTransfer`. What no session wants is dropped.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-etwwritetransfer>
///
/// # Safety
///
/// The descriptor is valid, and so are the bytes of each of the `count` data descriptors.
pub unsafe extern "C" fn etw_write_transfer(
    handle: u64,
    descriptor: *const Descriptor,
    _activity: *const GUID,
    _related: *const GUID,
    count: ULONG,
    data: *const Data,
) -> NTSTATUS {
    let Some(provider) = find(handle) else {
        report::finding(
            report::UNKNOWN,
            None,
            format_args!("EtwWriteTransfer to handle {handle}, which there is not"),
        );
        return STATUS_INVALID_HANDLE;
    };
    // SAFETY: the caller's promise.
    let descriptor = unsafe { descriptor.read() };
    let Some(enabled) = provider.enabled else {
        return STATUS_SUCCESS;
    };
    let keyword = descriptor.keyword == 0 || descriptor.keyword & enabled.keywords != 0;
    if u32::from(descriptor.level) > enabled.level || !keyword {
        return STATUS_SUCCESS;
    }
    let parts: &[Data] = if count == 0 {
        &[]
    } else {
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts(data, count as usize) }
    };
    // SAFETY: as above.
    keep(unsafe { event(&provider.id, &descriptor, parts) });
    STATUS_SUCCESS
}

/// # Safety
///
/// The bytes of each part can be read.
unsafe fn event(provider: &[u8; 16], descriptor: &Descriptor, parts: &[Data]) -> Vec<u8> {
    let (mut traits, mut metadata, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        let into = match part.kind {
            PROVIDER_METADATA => &mut traits,
            EVENT_METADATA => &mut metadata,
            _ => &mut bytes,
        };
        if part.size != 0 {
            let start = core::ptr::with_exposed_provenance::<u8>(part.address as usize);
            // SAFETY: the caller's promise.
            into.extend_from_slice(unsafe { core::slice::from_raw_parts(start, part.size as usize) });
        }
    }
    let length = |bytes: &Vec<u8>| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let head = EtwEvent {
        provider: *provider,
        keyword: descriptor.keyword,
        id: descriptor.id,
        task: descriptor.task,
        version: descriptor.version,
        channel: descriptor.channel,
        level: descriptor.level,
        opcode: descriptor.opcode,
        traits_bytes: length(&traits),
        metadata_bytes: length(&metadata),
        data_bytes: length(&bytes),
        reserved: 0,
    };
    [head.as_bytes(), &traits, &metadata, &bytes].concat()
}

fn keep(event: Vec<u8>) {
    let mut events = EVENTS.lock();
    if events.kept.len() == KEPT {
        events.kept.pop_front();
    }
    events.kept.push_back(event);
    events.next += 1;
}

fn find(handle: u64) -> Option<Provider> {
    let providers = PROVIDERS.lock();
    providers
        .iter()
        .find(|provider| provider.handle == handle)
        .cloned()
}

/// A session wants events of a provider, or none any more.
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER`: there is no such provider, or a value makes no sense.
pub fn enable(wanted: &EtwEnable) -> Result<(), NTSTATUS> {
    if wanted.on > 1 || wanted.level > 255 {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let changed: Vec<Provider> = {
        let mut providers = PROVIDERS.lock();
        let these = providers
            .iter_mut()
            .filter(|provider| provider.id == wanted.provider);
        these
            .map(|provider| {
                provider.enabled = (wanted.on == 1).then_some(*wanted);
                provider.clone()
            })
            .collect()
    };
    if changed.is_empty() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    for provider in changed {
        let Some(callback) = provider.callback else {
            continue;
        };
        let context = core::ptr::with_exposed_provenance_mut(provider.context);
        let source = GUID::default();
        // SAFETY: the driver registered the callback with its context, and no lock is held.
        unsafe {
            callback(
                &raw const source,
                wanted.on,
                wanted.level as u8,
                wanted.keywords,
                0,
                core::ptr::null_mut(),
                context,
            );
        }
    }
    Ok(())
}

/// Fills `output` with a batch and as many events as there is room for, and gives the bytes of both.
pub fn read(from: u64, output: &mut [u8]) -> Option<usize> {
    let (head, mut room) = output.split_at_mut_checked(size_of::<EtwBatch>())?;
    let events = EVENTS.lock();
    let oldest = events.next - events.kept.len() as u64;
    let from = from.min(events.next);
    let mut next = from.max(oldest);
    let lost = next - from;
    let mut bytes = 0;
    for event in events.kept.iter().skip((next - oldest) as usize) {
        let Some((place, rest)) = room.split_at_mut_checked(event.len()) else {
            break;
        };
        place.copy_from_slice(event);
        room = rest;
        bytes += event.len();
        next += 1;
    }
    head.copy_from_slice(EtwBatch { next, lost }.as_bytes());
    Some(size_of::<EtwBatch>() + bytes)
}

/// Reports a provider whose callback is in a driver that is going away.
pub fn report_leaks(driver: &str, base: usize) {
    let callbacks: Vec<usize> = {
        let providers = PROVIDERS.lock();
        let callbacks = providers.iter().filter_map(|provider| provider.callback);
        callbacks.map(|callback| callback as usize).collect()
    };
    let in_driver =
        |address: &&usize| drivers::by_address(**address).is_some_and(|owner| owner.base() == base);
    let left = callbacks.iter().filter(in_driver).count();
    if left != 0 {
        let what = format_args!("{left} ETW providers are not unregistered at unload");
        report::finding(driver, Some(base), what);
    }
}
