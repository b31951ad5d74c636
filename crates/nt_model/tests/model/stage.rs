//! One device, one file object, one thread, five bytes.

use kswrite_core::{
    BufferMethod, Data, FileFlags, FileWrite, NtStatus, ProcessorMode, Statistics, WriteCall, managed,
};
use nt_model::{
    Address, BlockId, Cpu, DeviceId, FileId, Finding, IRP_DEFER_IO_COMPLETION, IRP_WRITE_OPERATION,
    PortContext, Script, World,
};

pub(crate) const BYTES: &[u8] = b"hello";
pub(crate) const LENGTH: u32 = 5;
pub(crate) const METHODS: [BufferMethod; 3] = [
    BufferMethod::Buffered,
    BufferMethod::Direct,
    BufferMethod::Neither,
];

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) device: DeviceId,
    pub(crate) file: FileId,
    pub(crate) cpu: Cpu<'static>,
    pub(crate) block: BlockId,
    pub(crate) buffer: Address,
    pub(crate) statistics: Statistics,
}

impl Stage {
    pub(crate) fn new(script: Script, flags: FileFlags) -> Self {
        let world = World::new();
        let device = world.device(script);
        let file = world.file(device, flags);
        let cpu = world.cpu(world.thread(ProcessorMode::User));
        let block = world.status_block();
        let buffer = world.user_buffer(BYTES);
        Self {
            world,
            device,
            file,
            cpu,
            block,
            buffer,
            statistics: Statistics::new(),
        }
    }

    pub(crate) fn synchronous(script: Script) -> Self {
        Self::new(script, FileFlags::SYNCHRONOUS_IO)
    }

    pub(crate) fn asynchronous(script: Script) -> Self {
        Self::new(script, FileFlags::default())
    }

    pub(crate) fn request(&self) -> FileWrite<Cpu<'static>> {
        let (file, block, buffer) = (self.file, self.block, self.buffer);
        FileWrite::new(file, None, None, block, buffer, LENGTH, 0, ProcessorMode::User)
    }

    /// The same write, captured.
    pub(crate) fn call(&self) -> WriteCall<Cpu<'static>> {
        WriteCall {
            file: Some(self.file),
            device: self.device,
            data: Data::Raw(self.buffer),
            length: LENGTH,
            offset: 0,
            key: 0,
            mode: ProcessorMode::User,
            in_requestor_context: true,
            may_page: true,
            may_wait: false,
            bypasses_cache: false,
            stack_flags: 0,
            irp_flags: IRP_WRITE_OPERATION | IRP_DEFER_IO_COMPLETION,
        }
    }

    /// KsWriteFile without an event.
    pub(crate) fn write(&self) -> NtStatus {
        managed::write(&self.cpu, &self.statistics, &self.request()).status
    }

    /// The same with a completion packet.
    pub(crate) fn write_with_packet(&self, context: u64) -> NtStatus {
        let port_context = Some(PortContext(context));
        let request = FileWrite {
            port_context,
            ..self.request()
        };
        managed::write(&self.cpu, &self.statistics, &request).status
    }

    #[track_caller]
    pub(crate) fn check(&self) {
        let checked = self.world.check();
        assert!(checked.is_ok(), "{checked:?}");
    }

    /// Everything that is wrong in the end.
    pub(crate) fn found(&self) -> Vec<Finding> {
        self.world
            .check()
            .err()
            .map(|report| report.findings)
            .unwrap_or_default()
    }
}
