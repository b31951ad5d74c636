//! IRPs and their stack locations, with the macros of the headers as methods.
#![expect(unsafe_code, reason = "an IRP is a raw structure that the I/O manager owns")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use wdk_sys::{
    DRIVER_CANCEL, IO_COMPLETION_ROUTINE, IO_STACK_LOCATION, IRP, NTSTATUS, PDEVICE_OBJECT, PFILE_OBJECT,
    PIRP, PMDL, PVOID, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS, SL_PENDING_RETURNED,
    ULONG,
};

use crate::{own_irps, sys, user_irp};

/// Reads a field of the structure that `$this.0` points to.
macro_rules! get {
    ($this:expr, $($field:tt)+) => {{
        // SAFETY: the type's invariant: the pointer is to a live structure, so its fields have an address.
        let field = unsafe { &raw const (*$this.0.as_ptr()).$($field)+ };
        // SAFETY: the same invariant; any bit pattern is a value of the field's type.
        unsafe { field.read() }
    }};
}

/// Writes a field of the structure that `$this.0` points to.
macro_rules! set {
    ($this:expr, $($field:ident).+ = $value:expr) => {{
        let value = $value;
        // SAFETY: the type's invariant: the pointer is to a live structure, so its fields have an address.
        let field = unsafe { &raw mut (*$this.0.as_ptr()).$($field).+ };
        // SAFETY: the same invariant, and the holder of an IRP may write its fields.
        unsafe { field.write(value) }
    }};
}

/// An IRP.
///
/// # Invariants
///
/// Points to an IRP whose memory stays while the value is used. Freed IRPs are quarantined, so that even a
/// late use reads an IRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Irp(NonNull<IRP>);

/// A stack location of an IRP.
///
/// # Invariants
///
/// Points to one of the stack locations of an IRP whose memory stays while the value is used.
#[derive(Clone, Copy, Debug)]
pub struct Stack(NonNull<IO_STACK_LOCATION>);

/// The buffer fields of an IRP.
#[derive(Clone, Copy, Debug)]
pub struct BufferFields {
    /// `AssociatedIrp.SystemBuffer`.
    pub system_buffer: PVOID,
    /// `MdlAddress`.
    pub mdl: PMDL,
    /// `UserBuffer`.
    pub user_buffer: PVOID,
}

/// `IO_TYPE_IRP`.
pub const TYPE_IRP: i16 = 6;

impl Irp {
    /// Wraps a pointer; `None` for NULL.
    ///
    /// # Safety
    ///
    /// `irp` is NULL or points to an IRP that stays allocated while the value is used.
    pub unsafe fn from_raw(irp: PIRP) -> Option<Self> {
        // INVARIANT: what the caller promises.
        NonNull::new(irp).map(Self)
    }

    /// The pointer.
    pub const fn as_ptr(self) -> PIRP {
        self.0.as_ptr()
    }

    /// The address, as the key of tables.
    pub fn address(self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    /// `IoGetCurrentIrpStackLocation`.
    pub fn current(self) -> Stack {
        let stack = get!(
            self,
            Tail.Overlay
                .__bindgen_anon_2
                .__bindgen_anon_1
                .CurrentStackLocation
        );
        // INVARIANT: the IRP's own pointer to one of its stack locations; never NULL in an initialised IRP.
        Stack(NonNull::new(stack).unwrap_or(NonNull::dangling()))
    }

    /// `IoGetNextIrpStackLocation`.
    pub fn next(self) -> Stack {
        // SAFETY: stack locations are an array, and callers have a next one.
        let next = unsafe { self.current().0.sub(1) };
        // INVARIANT: the stack location below the current one.
        Stack(next)
    }

    /// How many stack locations are left for the devices below.
    pub fn remaining(self) -> i8 {
        get!(self, CurrentLocation) - 1
    }

    /// `CurrentLocation`.
    pub fn location(self) -> i8 {
        get!(self, CurrentLocation)
    }

    /// `StackCount`.
    pub fn stack_count(self) -> i8 {
        get!(self, StackCount)
    }

    /// `IoSkipCurrentIrpStackLocation`.
    pub fn skip_current(self) {
        self.move_location(1);
    }

    /// `IoSetNextIrpStackLocation`.
    pub fn set_next(self) {
        self.move_location(-1);
    }

    fn move_location(self, by: i8) {
        set!(self, CurrentLocation = self.location() + by);
        // SAFETY: stack locations are an array with one unused element at its end, and callers stay in it.
        let current = unsafe { self.current().0.as_ptr().offset(isize::from(by)) };
        set!(
            self,
            Tail.Overlay
                .__bindgen_anon_2
                .__bindgen_anon_1
                .CurrentStackLocation = current
        );
    }

    /// `IoCopyCurrentIrpStackLocationToNext`.
    pub fn copy_current_to_next(self) {
        let next = self.next();
        let from = self.current().0.as_ptr();
        // SAFETY: both are stack locations of this IRP, next to each other and not the same.
        unsafe { next.0.as_ptr().copy_from_nonoverlapping(from, 1) };
        next.set_completion(None, core::ptr::null_mut());
    }

    /// `IoMarkIrpPending`.
    pub fn mark_pending(self) {
        let stack = self.current();
        stack.set_control(stack.control() | SL_PENDING_RETURNED as u8);
    }

    /// Whether the current stack location is marked pending.
    pub fn is_marked_pending(self) -> bool {
        self.current().control() & SL_PENDING_RETURNED as u8 != 0
    }

    /// `PendingReturned`: inside a completion routine, whether the device below marked the IRP pending.
    pub fn pending_returned(self) -> bool {
        get!(self, PendingReturned) != 0
    }

    /// `IoStatus.Status`.
    pub fn status(self) -> NTSTATUS {
        get!(self, IoStatus.__bindgen_anon_1.Status)
    }

    /// `IoStatus.Information`.
    pub fn information(self) -> u64 {
        get!(self, IoStatus.Information)
    }

    /// Sets `IoStatus.Status`.
    pub fn set_status(self, status: NTSTATUS) {
        set!(self, IoStatus.__bindgen_anon_1.Status = status);
    }

    /// Sets `IoStatus.Information`.
    pub fn set_information(self, information: u64) {
        set!(self, IoStatus.Information = information);
    }

    /// `Cancel`.
    pub fn is_cancelled(self) -> bool {
        get!(self, Cancel) != 0
    }

    /// `CancelIrql`, to give the cancel spin lock back with.
    pub fn cancel_irql(self) -> u8 {
        get!(self, CancelIrql)
    }

    /// `IoSetCancelRoutine`: gives the routine that was set before.
    pub fn exchange_cancel_routine(self, routine: DRIVER_CANCEL) -> DRIVER_CANCEL {
        // SAFETY: the type's invariant; the field has an address.
        let field = unsafe { &raw mut (*self.0.as_ptr()).CancelRoutine };
        // SAFETY: the field is a pointer, aligned, and everybody exchanges it atomically.
        let cell = unsafe { AtomicUsize::from_ptr(field.cast()) };
        let value = routine.map_or(0, |routine| routine as usize);
        let old = cell.swap(value, Ordering::AcqRel);
        // SAFETY: the field only ever holds NULL or a cancel routine, which is what this option is.
        unsafe { core::mem::transmute::<usize, DRIVER_CANCEL>(old) }
    }

    /// `RequestorMode`.
    pub fn requestor_mode(self) -> i8 {
        get!(self, RequestorMode)
    }

    /// `Type` and `Size`, to tell an IRP from other memory.
    pub fn kind(self) -> (i16, u16) {
        (get!(self, Type), get!(self, Size))
    }

    /// The buffer fields.
    pub fn buffers(self) -> BufferFields {
        BufferFields {
            system_buffer: get!(self, AssociatedIrp.SystemBuffer),
            mdl: get!(self, MdlAddress),
            user_buffer: get!(self, UserBuffer),
        }
    }

    /// Sets the buffer fields.
    pub fn set_buffers(self, fields: BufferFields) {
        set!(self, AssociatedIrp.SystemBuffer = fields.system_buffer);
        set!(self, MdlAddress = fields.mdl);
        set!(self, UserBuffer = fields.user_buffer);
    }

    /// Sends the IRP to the next lower device, as `IofCallDriver`.
    ///
    /// # Safety
    ///
    /// `device` is live, and the IRP has a stack location for it.
    pub unsafe fn call(self, device: PDEVICE_OBJECT) -> NTSTATUS {
        // SAFETY: the caller's promise, and the IRP is live.
        unsafe { sys::IofCallDriver(device, self.as_ptr()) }
    }

    /// Completes the IRP, unless it is complete already. `driver` is who does it.
    pub fn complete(self, driver: &str, caller: Option<usize>) {
        if user_irp::is_done(self, driver, caller) || own_irps::is_freed(self, driver, caller) {
            return;
        }
        user_irp::check_completion(self, driver, caller);
        // SAFETY: the IRP is live and was not completed at this level before.
        unsafe { sys::IofCompleteRequest(self.as_ptr(), 0) };
    }

    /// Sets status and information, and completes.
    pub fn complete_with(self, driver: &str, status: NTSTATUS, information: u64) -> NTSTATUS {
        self.set_status(status);
        self.set_information(information);
        self.complete(driver, None);
        status
    }
}

impl Stack {
    /// The pointer.
    pub const fn as_ptr(self) -> *mut IO_STACK_LOCATION {
        self.0.as_ptr()
    }

    /// `MajorFunction`.
    pub fn major(self) -> u8 {
        get!(self, MajorFunction)
    }

    /// `MinorFunction`.
    pub fn minor(self) -> u8 {
        get!(self, MinorFunction)
    }

    /// `Flags`.
    pub fn flags(self) -> u8 {
        get!(self, Flags)
    }

    /// Sets `MajorFunction`.
    pub fn set_major(self, major: u8) {
        set!(self, MajorFunction = major);
    }

    /// `Control`.
    pub fn control(self) -> u8 {
        get!(self, Control)
    }

    /// Sets `Control`.
    pub fn set_control(self, control: u8) {
        set!(self, Control = control);
    }

    /// `FileObject`.
    pub fn file_object(self) -> PFILE_OBJECT {
        get!(self, FileObject)
    }

    /// Sets `FileObject`.
    pub fn set_file_object(self, file: PFILE_OBJECT) {
        set!(self, FileObject = file);
    }

    /// The completion routine and its context.
    pub fn completion(self) -> (IO_COMPLETION_ROUTINE, PVOID) {
        (get!(self, CompletionRoutine), get!(self, Context))
    }

    /// Replaces completion routine and context, and leaves `Control` alone.
    pub fn replace_completion(self, routine: IO_COMPLETION_ROUTINE, context: PVOID) {
        set!(self, CompletionRoutine = routine);
        set!(self, Context = context);
    }

    /// `IoSetCompletionRoutine` for every outcome, or none.
    pub fn set_completion(self, routine: IO_COMPLETION_ROUTINE, context: PVOID) {
        self.replace_completion(routine, context);
        let control = if routine.is_some() {
            SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL
        } else {
            0
        };
        self.set_control(control as u8);
    }

    /// `Parameters.Read` or `.Write`: length, key, byte offset.
    pub fn transfer(self) -> (ULONG, ULONG, i64) {
        // Read and Write have one layout.
        (
            get!(self, Parameters.Write.Length),
            get!(self, Parameters.Write.Key),
            get!(self, Parameters.Write.ByteOffset.QuadPart),
        )
    }

    /// `Parameters.DeviceIoControl`: code, input length, output length.
    pub fn control_parameters(self) -> (ULONG, ULONG, ULONG) {
        (
            get!(self, Parameters.DeviceIoControl.IoControlCode),
            get!(self, Parameters.DeviceIoControl.InputBufferLength),
            get!(self, Parameters.DeviceIoControl.OutputBufferLength),
        )
    }

    /// `Parameters.DeviceIoControl.Type3InputBuffer`.
    pub fn type3_input(self) -> PVOID {
        get!(self, Parameters.DeviceIoControl.Type3InputBuffer)
    }

    /// `Parameters.Others`.
    pub fn others(self) -> [PVOID; 4] {
        [
            get!(self, Parameters.Others.Argument1),
            get!(self, Parameters.Others.Argument2),
            get!(self, Parameters.Others.Argument3),
            get!(self, Parameters.Others.Argument4),
        ]
    }
}
