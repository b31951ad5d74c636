//! `WDF_OBJECT_ATTRIBUTES`, checked as the framework checks it.
#![expect(unsafe_code, reason = "reads a structure of the driver")]

use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_SYNCHRONIZATION_SCOPE, NTSTATUS, PFN_WDF_OBJECT_CONTEXT_CLEANUP,
    PFN_WDF_OBJECT_CONTEXT_DESTROY, PWDF_OBJECT_ATTRIBUTES, STATUS_INFO_LENGTH_MISMATCH,
};
use wine_nt::report;
use wine_state::sizes::Sized as Structure;

use crate::client::Client;
use crate::status;

/// Whether a parent may or must be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// It may.
    Optional,
    /// It must.
    Required,
    /// The framework chooses it.
    NotAllowed,
}

/// The attributes of an object.
#[derive(Clone, Copy, Default)]
pub(crate) struct Attributes {
    /// `EvtCleanupCallback`.
    pub(crate) cleanup: PFN_WDF_OBJECT_CONTEXT_CLEANUP,
    /// `EvtDestroyCallback`.
    pub(crate) destroy: PFN_WDF_OBJECT_CONTEXT_DESTROY,
    /// `ParentObject`, or 0.
    pub(crate) parent: u64,
    /// Address of the type that names the context, or 0 for none.
    pub(crate) context_type: usize,
    /// Bytes of the context.
    pub(crate) context_bytes: usize,
    /// Callbacks want `PASSIVE_LEVEL`.
    pub(crate) passive: bool,
}

/// Reads and checks attributes; NULL gives the default ones.
///
/// # Errors
///
/// What the framework answers.
pub(crate) fn read(
    client: &Client,
    function: &str,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    parent: Parent,
) -> Result<Attributes, NTSTATUS> {
    // SAFETY: the driver passes NULL or its attributes.
    let Some(given) = (unsafe { attributes.as_ref() }) else {
        return if parent == Parent::Required {
            Err(refuse(
                client,
                function,
                "no parent",
                status::PARENT_NOT_SPECIFIED,
            ))
        } else {
            Ok(Attributes::default())
        };
    };
    check_size(client, function, Structure::ObjectAttributes, given.Size)?;
    let (context_type, context_bytes) = context(client, function, attributes)?;
    let parent_handle = given.ParentObject.addr() as u64;
    match parent {
        Parent::NotAllowed if parent_handle != 0 => {
            let status = status::PARENT_ASSIGNMENT_NOT_ALLOWED;
            return Err(refuse(client, function, "a parent may not be given", status));
        }
        Parent::Required if parent_handle == 0 => {
            return Err(refuse(
                client,
                function,
                "no parent",
                status::PARENT_NOT_SPECIFIED,
            ));
        }
        _ => {}
    }
    let level = given.ExecutionLevel;
    let scope = given.SynchronizationScope;
    if !(_WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent
        ..=_WDF_EXECUTION_LEVEL::WdfExecutionLevelDispatch)
        .contains(&level)
        || !(_WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent
            ..=_WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeNone)
            .contains(&scope)
    {
        let status = status::OBJECT_ATTRIBUTES_INVALID;
        return Err(refuse(
            client,
            function,
            "execution level or scope is invalid",
            status,
        ));
    }
    Ok(Attributes {
        cleanup: given.EvtCleanupCallback,
        destroy: given.EvtDestroyCallback,
        parent: parent_handle,
        context_type,
        context_bytes,
        passive: level == _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive,
    })
}

fn context(
    client: &Client,
    function: &str,
    attributes: PWDF_OBJECT_ATTRIBUTES,
) -> Result<(usize, usize), NTSTATUS> {
    // SAFETY: not NULL, as the caller found.
    let given = unsafe { &*attributes };
    // SAFETY: the driver passes NULL or a type of its own.
    let Some(info) = (unsafe { given.ContextTypeInfo.as_ref() }) else {
        return if given.ContextSizeOverride > 0 {
            let status = status::OBJECT_ATTRIBUTES_INVALID;
            Err(refuse(
                client,
                function,
                "ContextSizeOverride without a type",
                status,
            ))
        } else {
            Ok((0, 0))
        };
    };
    check_size(client, function, Structure::ContextTypeInfo, info.Size)?;
    if info.ContextSize > 0 && info.ContextName.is_null() {
        let status = status::OBJECT_ATTRIBUTES_INVALID;
        return Err(refuse(client, function, "a context type without a name", status));
    }
    let bytes = if given.ContextSizeOverride > 0 {
        given.ContextSizeOverride
    } else {
        info.ContextSize
    };
    if bytes < info.ContextSize {
        let status = status::OBJECT_ATTRIBUTES_INVALID;
        return Err(refuse(
            client,
            function,
            "ContextSizeOverride is too small",
            status,
        ));
    }
    Ok((given.ContextTypeInfo.addr(), bytes))
}

fn refuse(client: &Client, function: &str, what: &str, status: NTSTATUS) -> NTSTATUS {
    report::finding(
        client.name(),
        None,
        format_args!("{function}: {what} ({status:#x})"),
    );
    status
}

/// Checks a `Size` field.
///
/// # Errors
///
/// `STATUS_INFO_LENGTH_MISMATCH`, with a finding.
pub(crate) fn check_size(
    client: &Client,
    function: &str,
    structure: Structure,
    size: u32,
) -> Result<(), NTSTATUS> {
    if structure.accepts(size) {
        return Ok(());
    }
    let what = format_args!(
        "{function}: {}.Size is {size}, not {:?}",
        structure.name(),
        structure.accepted()
    );
    report::finding(client.name(), None, what);
    Err(STATUS_INFO_LENGTH_MISMATCH)
}
