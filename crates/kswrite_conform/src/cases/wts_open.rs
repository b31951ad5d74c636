//! WTSVirtualChannelOpen, WTSVirtualChannelOpenEx and WTSVirtualChannelClose.

use kswrite_client::Win32Error;
use kswrite_faces::wts::{OPTION_DYNAMIC, OPTION_NO_COMPRESS};

use super::{
    codes::INVALID_HANDLE,
    steps::{BLOCK, Outcome, Slot, block, said, sink_state, wait_until},
    wire::{asked, device, expect_messages, open_wts, read_wts, until, write_wts, wts},
};
use crate::{
    case::{Case, Ended, Stop},
    faces::{Face, WtsOpen},
    stage::{Stage, trouble},
    target::Kinds,
    win32::{Count, Data, Handle, Returned},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WV-11",
        "WTSVirtualChannelOpen: the current server, and a name of 1 to 7 characters; NULL otherwise",
        Kinds::SINK,
        names_of_static_channels,
    ),
    Case::new(
        "WV-12",
        "WTSVirtualChannelOpenEx: priority and compression go with DYNAMIC alone, unknown flags with nothing",
        Kinds::SINK,
        matrix_of_flags,
    ),
    Case::new(
        "WV-12",
        "the name of a dynamic channel has up to MAX_PATH characters with the zero",
        Kinds::SINK,
        names_of_dynamic_channels,
    ),
    Case::new(
        "WV-13",
        "a channel that is open is not opened again: here it is refused, and the first is not disturbed",
        Kinds::SINK,
        opened_twice,
    ),
    Case::new(
        "WV-14",
        "another session is refused",
        Kinds::SINK,
        another_session,
    ),
    Case::new(
        "WV-16",
        "after WTSVirtualChannelClose every call fails",
        Kinds::SINK,
        every_call_after_close,
    ),
    Case::new(
        "WV-16",
        "WTSVirtualChannelClose ends a write that another thread waits in",
        Kinds::SINK,
        close_ends_a_write,
    ),
    Case::new(
        "WV-16",
        "a write that another thread begins as the channel is closed ends too",
        Kinds::SINK,
        close_meets_a_write,
    ),
];

/// An opening that must succeed or fail so; what is opened is closed.
fn try_open(stage: &Stage<'_>, what: &str, open: &WtsOpen<'_>, expected: Option<Win32Error>) -> Ended {
    let faces = wts(stage)?;
    let opened = faces.wts_open(open);
    if let Ok(channel) = opened {
        stage.keep_channel(channel);
        stage.close_channel(channel);
    }
    stage.expect(what, expected, opened.err())
}

fn names_of_static_channels(stage: &Stage<'_>) -> Ended {
    const REFUSED: Option<Win32Error> = Some(Win32Error::INVALID_PARAMETER);
    let good = asked(device(stage)?, None);
    let names: [(&str, Option<&[u8]>, _); 7] = [
        ("no name", None, REFUSED),
        ("a name of 0 characters", Some(b""), REFUSED),
        ("a name of 1 character", Some(b"K"), None),
        ("a name of 7 characters", Some(b"KSWRITE"), None),
        ("a name of 8 characters", Some(b"KSWRITES"), REFUSED),
        (
            "a name with a character that cannot be printed",
            Some(b"KS\x07"),
            REFUSED,
        ),
        ("a name that is not ASCII", Some(b"KS\xE9"), REFUSED),
    ];
    for (what, name, expected) in names {
        try_open(stage, what, &WtsOpen { name, ..good }, expected)?;
    }
    let elsewhere = WtsOpen {
        current_server: false,
        ..good
    };
    try_open(stage, "another server", &elsewhere, Some(INVALID_HANDLE))
}

fn matrix_of_flags(stage: &Stage<'_>) -> Ended {
    let path = device(stage)?;
    for priority in [0, 2, 4, 6] {
        for compression in [0, OPTION_NO_COMPRESS] {
            for kind in [0, OPTION_DYNAMIC] {
                let flags = kind | priority | compression;
                let good = flags == 0 || kind == OPTION_DYNAMIC;
                let expected = (!good).then_some(Win32Error::INVALID_PARAMETER);
                try_open(
                    stage,
                    &format!("flags {flags:#x}"),
                    &asked(path, Some(flags)),
                    expected,
                )?;
            }
        }
    }
    for flags in [0x10, OPTION_DYNAMIC | 0x10, 0x8000_0000, u32::MAX] {
        let expected = Some(Win32Error::INVALID_PARAMETER);
        try_open(
            stage,
            &format!("flags {flags:#x}"),
            &asked(path, Some(flags)),
            expected,
        )?;
    }
    Ok(())
}

fn names_of_dynamic_channels(stage: &Stage<'_>) -> Ended {
    let good = asked(device(stage)?, Some(OPTION_DYNAMIC));
    for (length, expected) in [
        (0, Some(Win32Error::INVALID_PARAMETER)),
        (8, None),
        (259, None),
        (260, Some(Win32Error::INVALID_PARAMETER)),
    ] {
        let name = vec![b'N'; length];
        let open = WtsOpen {
            name: Some(&name),
            ..good
        };
        try_open(stage, &format!("a name of {length} characters"), &open, expected)?;
    }
    let none = WtsOpen { name: None, ..good };
    try_open(stage, "no name", &none, Some(Win32Error::INVALID_PARAMETER))
}

fn opened_twice(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    let again = asked(device(stage)?, None);
    try_open(stage, "the second", &again, Some(Win32Error::ALREADY_EXISTS))?;
    let written = write_wts(stage, channel, &block())?;
    stage.expect("a write to the first", Ok(BLOCK), written)?;
    expect_messages(stage, ends.writer, &[block()])?;
    let other = WtsOpen {
        name: Some(b"OTHER"),
        ..again
    };
    try_open(stage, "one of another name", &other, None)?;
    stage.expect("close of the first", true, stage.close_channel(channel).returned)?;
    try_open(stage, "one of its name, after that", &again, None)
}

fn another_session(stage: &Stage<'_>) -> Ended {
    let path = device(stage)?;
    for (what, flags) in [
        ("WTSVirtualChannelOpen", None),
        ("WTSVirtualChannelOpenEx", Some(0)),
        (
            "WTSVirtualChannelOpenEx of a dynamic channel",
            Some(OPTION_DYNAMIC),
        ),
    ] {
        let open = WtsOpen {
            current_session: false,
            ..asked(path, flags)
        };
        try_open(stage, what, &open, Some(Win32Error::ACCESS_DENIED))?;
    }
    Ok(())
}

fn every_call_after_close(stage: &Stage<'_>) -> Ended {
    const REFUSED: Result<u32, Win32Error> = Err(INVALID_HANDLE);
    let faces = wts(stage)?;
    let (channel, _) = open_wts(stage, None)?;
    stage.expect("close", true, stage.close_channel(channel).returned)?;
    stage.expect("a write", REFUSED, write_wts(stage, channel, &block())?)?;
    let read = read_wts(stage, channel, 0, 1600)?;
    stage.expect("a read", Some(INVALID_HANDLE), read.err())?;
    let queried = faces.wts_query_file(channel);
    stage.expect("a query", Some(INVALID_HANDLE), queried.err())?;
    let refused = |returned: Returned| said(returned);
    stage.expect(
        "a purge of the input",
        REFUSED,
        refused(faces.wts_purge(channel, true)),
    )?;
    stage.expect(
        "a purge of the output",
        REFUSED,
        refused(faces.wts_purge(channel, false)),
    )?;
    stage.expect("a second close", REFUSED, refused(faces.wts_close(channel)))
}

/// Starts a thread that writes a message; the slot has what its write came to.
fn writer(stage: &Stage<'_>, channel: Face) -> Result<(Handle, Slot<Outcome>), Stop> {
    let data = Data::Of(stage.os().buffer(&block()));
    let slot = Slot::new();
    let theirs = slot.share();
    let thread = stage.os().spawn(Box::new(move |os| {
        theirs.put(said(os.faces().wts_write(channel, data, BLOCK, Count::Wanted)));
    }));
    Ok((stage.keep(thread.map_err(trouble("CreateThread"))?), slot))
}

fn close_ends_a_write(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    stage.hold(&ends)?;
    let (thread, written) = writer(stage, channel)?;
    until(stage, "the write of the other thread", || {
        sink_state(stage, &ends).is_ok_and(|state| state.outstanding == 1)
    })?;
    stage.expect("close", true, stage.close_channel(channel).returned)?;
    wait_until(stage, "the end of the other thread", thread)?;
    let aborted = Some(Err(Win32Error::OPERATION_ABORTED));
    stage.expect("what its write came to", aborted, written.take())
}

fn close_meets_a_write(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    stage.hold(&ends)?;
    let (thread, written) = writer(stage, channel)?;
    stage.expect("close", true, stage.close_channel(channel).returned)?;
    wait_until(stage, "the end of the other thread", thread)?;
    let ended = [
        Some(Err(Win32Error::OPERATION_ABORTED)),
        Some(Err(INVALID_HANDLE)),
    ];
    stage.expect_one_of("what its write came to", &ended, written.take())
}
