//! Where a write starts, and who moves the position.

use kswrite_core::{ByteOffset, NtStatus, Position};
use nt_model::{FastRoutine, FastTable, OnIrp, Script};

use crate::rig::{Effects, KINDS, Rig, SIDES, SYNCHRONOUS, Write, nothing};

/// KS-16: an explicit offset reaches the device as it is, by both ways; -1 is for the device to understand, -2 is the
/// position; any other negative one is refused before anything is touched.
#[test]
fn ks_16_explicit_offsets() {
    let position = 0x1_0000_0005;
    let rows = [
        (ByteOffset::Current, Some(position)),
        (ByteOffset::At(0), Some(0)),
        (ByteOffset::At(0x7_FFFF_FFFF), Some(0x7_FFFF_FFFF)),
        (ByteOffset::At(0xFFFF_FFFF), Some(0xFFFF_FFFF)),
        (ByteOffset::At(i64::MAX), Some(i64::MAX)),
        (ByteOffset::At(-1), Some(-1)),
        (ByteOffset::At(-2), Some(position)),
        (ByteOffset::At(-3), None),
        (ByteOffset::At(i64::MIN), None),
    ];
    for side in SIDES {
        for flags in KINDS {
            for fast in [true, false] {
                for (offset, expected) in rows {
                    let script = Script::default();
                    let script = if fast {
                        script.with_fast(FastRoutine::Accept)
                    } else {
                        script
                    };
                    let rig = Rig::new(script, flags);
                    rig.world.set_position(rig.file, position);
                    let told = rig.submit_by(side, &rig.write().at(offset));
                    if let Some(expected) = expected {
                        assert_eq!(told, NtStatus::SUCCESS, "{offset:?}");
                        let came = if fast {
                            rig.fast().offset
                        } else {
                            rig.irp().1.offset
                        };
                        assert_eq!(came, expected);
                        assert_eq!(rig.effects().position, position, "nobody moved it");
                    } else {
                        assert_eq!(told, NtStatus::INVALID_PARAMETER, "{offset:?}");
                        let untouched = Effects {
                            position,
                            ..nothing()
                        };
                        assert_eq!(rig.effects(), untouched);
                    }
                    rig.check();
                }
            }
        }
    }
}

/// KS-17: who moves the position: the driver, if it does, or this routine, if it is told to: to the byte after the last
/// one written, once, whoever else moved it; never for an error, an append, or an asynchronous file object.
#[test]
fn ks_17_the_position() {
    const START: i64 = 100;
    const PART: i64 = 5;
    use ByteOffset::{At, Current};
    use Position::{Advance, LeftToDriver};
    // Who, the offset, whether the driver moves it, the end: where it is afterwards, for a synchronous file object.
    let ok = NtStatus::SUCCESS;
    let rows = [
        (LeftToDriver, Current, false, ok, START),
        (LeftToDriver, Current, true, ok, START + PART),
        (LeftToDriver, At(500), false, ok, START),
        (Advance, Current, false, ok, START + PART),
        (Advance, Current, true, ok, START + PART),
        (Advance, At(500), false, ok, 500 + PART),
        (Advance, At(500), true, ok, 500 + PART),
        (Advance, At(-2), false, ok, START + PART),
        (Advance, At(-1), false, ok, START),
        (Advance, At(i64::MAX), false, ok, i64::MAX),
        (Advance, Current, false, NtStatus::BUFFER_OVERFLOW, START + PART),
        (Advance, Current, false, NtStatus::IO_DEVICE_ERROR, START),
        (Advance, Current, false, NtStatus::CANCELLED, START),
    ];
    for side in SIDES {
        for flags in KINDS {
            for way in ["fast", "inline", "pended"] {
                for (position, offset, moves_position, status, expected) in rows {
                    let (fast, pended) = (way == "fast", way == "pended");
                    if fast && status != ok {
                        continue;
                    }
                    let end = if pended {
                        OnIrp::InlineAsPending(status)
                    } else {
                        OnIrp::Inline(status)
                    };
                    let script = Script {
                        takes: Some(5),
                        moves_position,
                        table: fast.then_some(FastTable::FULL),
                        ..Script::default().on_irp(end)
                    };
                    let rig = Rig::new(script, flags);
                    rig.world.set_position(rig.file, START);
                    let write = Write {
                        position,
                        ..rig.write().at(offset)
                    };
                    let told = rig.submit_by(side, &write);
                    let synchronous = flags.is_synchronous();
                    let waits = pended && !synchronous;
                    assert_eq!(told, if waits { NtStatus::PENDING } else { status });
                    let expected = if synchronous { expected } else { START };
                    let what = format!("{side:?} {flags:?} {way} {position:?} {offset:?} {status}");
                    assert_eq!(rig.effects().position, expected, "{what}");
                    rig.check();
                }
            }
        }
    }
}

/// KS-17, KS-61: a device that returns success for an IRP that it completed with an error has written nothing that could
/// move the position.
#[test]
fn ks_17_61_a_contradiction_moves_nothing() {
    for side in SIDES {
        for (returned, status) in [
            (NtStatus::SUCCESS, NtStatus::IO_DEVICE_ERROR),
            (NtStatus::BUFFER_OVERFLOW, NtStatus::CANCELLED),
        ] {
            let end = OnIrp::ReturnOther { returned, status };
            let rig = Rig::new(Script::default().on_irp(end), SYNCHRONOUS);
            rig.world.set_position(rig.file, 100);
            let write = Write {
                position: Position::Advance,
                ..rig.write()
            };
            assert_eq!(rig.submit_by(side, &write), returned, "{side:?}");
            let effects = rig.effects();
            assert_eq!((effects.position, effects.block), (100, None), "{side:?}");
            rig.check();
        }
    }
}
