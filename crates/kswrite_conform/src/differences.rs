//! What a venue is known to do differently, and why.

use crate::{Venue, result::Observation, target::Kinds, target::Target};

/// A known difference: a rule that a venue breaks.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The rule.
    pub id: &'static str,
    /// Where.
    pub venue: Venue,
    /// On which targets.
    pub targets: Kinds,
    /// What was looked at, as the case words it. The case must break at this observation.
    pub what: &'static str,
    /// What is seen there.
    pub seen: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Whether it shows only now and then, because it depends on who is faster.
    pub sometimes: bool,
}

const UNBUFFERED: &str =
    "Wine writes to a file of the host system, which is not opened for unbuffered writes";
const PORT_OF_A_FILE: &str =
    "Wine writes to files in the calling process, where it does not ask whether there is a port";
const BAD_BUFFER: &str =
    "Wine checks the buffer of every write before it knows the device, with another error";

/// A difference of Wine's that always shows.
const fn wine(
    id: &'static str,
    targets: Kinds,
    what: &'static str,
    seen: &'static str,
    reason: &'static str,
) -> Difference {
    Difference {
        id,
        venue: Venue::Wine,
        targets,
        what,
        seen,
        reason,
        sometimes: false,
    }
}

/// All known differences.
pub const ALL: &[Difference] = &[
    wine(
        "WF-10",
        Kinds::FILE,
        "how the caller ended",
        "STATUS_SUCCESS (0x00000000)",
        "Wine stores the count only where it was given a place for it",
    ),
    wine(
        "WF-11",
        Kinds::SINK,
        "without an OVERLAPPED",
        "TRUE, last error unchanged, count 512",
        "Wine takes a missing offset for 0 on a device, and waits for the write",
    ),
    wine(
        "WF-28",
        Kinds::HOLDING,
        "before any write",
        "TRUE, last error unchanged",
        "Wine's CancelIoEx without an OVERLAPPED does not say whether there was anything to cancel",
    ),
    wine(
        "WF-34",
        Kinds::FILE,
        "a write of the last locked byte",
        "TRUE, last error unchanged, count 512",
        "Wine holds locks against locks, and not against writes",
    ),
    wine(
        "WF-40",
        Kinds::SINK,
        "SL_WRITE_THROUGH of a handle that writes through",
        "FALSE",
        "Wine's file objects have no flags, so nothing tells its write IRPs from others",
    ),
    wine(
        "WF-43",
        Kinds::FILE,
        "a write of a byte less than a sector",
        "TRUE, last error unchanged, count 4095",
        UNBUFFERED,
    ),
    wine(
        "WF-43",
        Kinds::FILE,
        "a write of a sector at offset 1",
        "TRUE, last error unchanged, count 4096",
        UNBUFFERED,
    ),
    wine(
        "WF-43",
        Kinds::FILE,
        "a write of a sector from an odd address",
        "TRUE, last error unchanged, count 4096",
        UNBUFFERED,
    ),
    wine(
        "WF-61",
        Kinds::MESSAGE_PIPE,
        "a write of 514 bytes to a pipe of 512",
        "TRUE, last error unchanged, count 1",
        "Wine counts what a waiting reader took of a message, though the message was not taken",
    ),
    wine(
        "WF-66",
        Kinds::FILE,
        "NtWriteFile with an APC",
        "STATUS_PENDING (0x00000103)",
        PORT_OF_A_FILE,
    ),
    wine(
        "WF-66",
        Kinds::FILE,
        "WriteFileEx returns",
        "TRUE",
        PORT_OF_A_FILE,
    ),
    Difference {
        sometimes: true,
        ..wine(
            "WF-67",
            Kinds::HOLDING,
            "the result",
            "untouched",
            "Wine fills the status block in the thread that issued the write, and a thread that ends may be too late for it",
        )
    },
    wine(
        "WF-68",
        Kinds::SINK,
        "a write from NULL to a device",
        "FALSE, ERROR_INVALID_USER_BUFFER (1784), count 0",
        BAD_BUFFER,
    ),
    wine(
        "WF-68",
        Kinds::SINK,
        "a write from memory without access to a device",
        "FALSE, ERROR_INVALID_USER_BUFFER (1784), count 0",
        BAD_BUFFER,
    ),
    wine(
        "WF-68",
        Kinds::SINK,
        "NtWriteFile from NULL",
        "STATUS_INVALID_USER_BUFFER (0xC00000E8)",
        BAD_BUFFER,
    ),
];

/// What is seen depends on who is faster.
pub const ANY: &str = "any of what the rule allows";

const RACE: &str = "a race ends in one way or the other";
const SECTORS: &str =
    "Wine does not tell the size of a sector, and 4096 is a multiple of all; the model's have 512 bytes";

/// What venues do differently within what the rules allow. The cases pass; a comparison of two runs is told.
pub const WITHIN: &[Difference] = &[
    wine("WF-30", Kinds::HOLDING, "the error of CancelIoEx", ANY, RACE),
    wine("WF-30", Kinds::HOLDING, "the write", ANY, RACE),
    wine(
        "SA-02",
        Kinds::SINK,
        "a write from memory without access",
        "0x800706F8, which is ERROR_INVALID_USER_BUFFER (1784)",
        BAD_BUFFER,
    ),
    wine(
        "WF-43",
        Kinds::FILE,
        "a write of two sectors",
        "TRUE, last error unchanged, count 8192",
        SECTORS,
    ),
    wine(
        "WF-43",
        Kinds::FILE,
        "a write that appends a sector",
        "TRUE, last error unchanged, count 4096",
        SECTORS,
    ),
];

fn rows<'a>(
    table: &'static [Difference],
    id: &'a str,
    venue: Venue,
    target: &'a Target,
) -> impl Iterator<Item = &'static Difference> + 'a {
    let is_of = move |row: &&Difference| row.id == id && row.venue == venue && row.targets.have(target);
    table.iter().filter(is_of)
}

/// The known differences of a rule on a target.
pub fn of<'a>(
    id: &'a str,
    venue: Venue,
    target: &'a Target,
) -> impl Iterator<Item = &'static Difference> + 'a {
    rows(ALL, id, venue, target)
}

/// The known differences within what a rule allows.
pub fn within<'a>(
    id: &'a str,
    venue: Venue,
    target: &'a Target,
) -> impl Iterator<Item = &'static Difference> + 'a {
    rows(WITHIN, id, venue, target)
}

impl Difference {
    /// Whether this is what was looked at and seen.
    pub fn tells(&self, observation: &Observation) -> bool {
        observation.what == self.what && (self.seen == ANY || observation.seen == self.seen)
    }

    /// Whether this is what was seen, and broke the rule.
    pub fn explains(&self, observation: &Observation) -> bool {
        !observation.holds && self.tells(observation)
    }
}
