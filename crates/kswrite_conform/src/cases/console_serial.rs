//! Consoles and serial ports.

use kswrite_client::Win32Error;

use super::steps::{length, success};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage, pattern, trouble},
    target::Kinds,
    win32::LAST_ERROR_BEFORE,
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-37",
        "text goes to the console's cursor, which moves on",
        Kinds::CONSOLE,
        cursor_moves,
    ),
    Case::new(
        "WF-38",
        "a write to a serial port that times out is TRUE, with the bytes that were sent",
        Kinds::SERIAL,
        write_times_out,
    ),
];

fn column(stage: &Stage<'_>, ends: &Ends) -> Result<(i64, i64), Stop> {
    let cursor = stage.os().console_cursor(ends.writer);
    let (column, row) = cursor.map_err(trouble("GetConsoleScreenBufferInfo"))?;
    Ok((column.into(), row.into()))
}

fn cursor_moves(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let text = b"kswrite";
    stage.expect("a carriage return", success(1), stage.write(&ends, b"\r", None))?;
    let (start, row) = column(stage, &ends)?;
    stage.expect("the column after it", 0, start)?;
    let written = stage.write(&ends, text, None);
    let moved = column(stage, &ends)?;
    // The line is left as it was found.
    let blanks = [b"\r".as_slice(), &b" ".repeat(text.len()), b"\r"].concat();
    let cleaned = stage.write(&ends, &blanks, None);
    stage.expect("text", success(length(text)), written)?;
    stage.expect("column and row after it", (i64::from(length(text)), row), moved)?;
    stage.expect("blanks over it", success(length(&blanks)), cleaned)?;
    stage.expect("column and row after them", (0, row), column(stage, &ends)?)
}

/// Milliseconds for a write, which is a minute of bytes on a port of 9600 baud.
const TIMEOUT_MS: u32 = 200;

fn write_times_out(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let set = stage.os().set_comm_write_timeout(ends.writer, TIMEOUT_MS);
    set.map_err(trouble("SetCommTimeouts"))?;
    let data = pattern(64 << 10);
    let returned = stage.write(&ends, &data, None);
    stage.expect("WriteFile returns", true, returned.returned)?;
    stage.expect::<Win32Error>("its error", LAST_ERROR_BEFORE, returned.error)?;
    let count = returned.count.unwrap_or(u32::MAX);
    let most = length(&data);
    stage.expect_that("the count", &format!("at most {most}"), &count, count <= most)
}
