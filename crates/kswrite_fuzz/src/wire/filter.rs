//! The other controls of the filter: plain numbers, and what they must mean.

use kswrite_wire::filter::{DeviceSelector, MAX_DEVICES, Statistics, Version, WIRE_VERSION};
use kswrite_wire::policy::{NO_DEVICE, Policies, Policy, PolicyChange, PolicyError};
use kswrite_wire::trace::{
    Batch, Cursor, MAX_RECORDS, MIN_RECORDS, Record, Settings, State, TraceError, parse, parts,
};

use super::{plain, same};
use crate::Wrong;

pub(crate) fn run(bytes: &[u8]) -> Result<(), Wrong> {
    plain::<DeviceSelector>(bytes)?;
    plain::<Version>(bytes)?;
    plain::<Statistics>(bytes)?;
    plain::<State>(bytes)?;
    policy(bytes)?;
    trace(bytes)?;
    records(bytes)
}

fn policy(bytes: &[u8]) -> Result<(), Wrong> {
    if let Some(policies) = plain::<Policies>(bytes)? {
        let there = policies
            .by_device
            .iter()
            .filter(|policy| **policy != NO_DEVICE)
            .count();
        same("devices", policies.devices().count(), there)?;
    }
    let Some(change) = plain::<PolicyChange>(bytes)? else {
        return Ok(());
    };
    let number = (change.device as usize) < MAX_DEVICES || change.device == DeviceSelector::ALL;
    match change.check() {
        Ok((device, policy)) => same("a change", PolicyChange::new(device, policy), change),
        Err(PolicyError::Version) => same("a version", change.version == WIRE_VERSION, false),
        Err(PolicyError::Value) => {
            let known = change.policy <= Policy::Bypass as u32;
            same("a value", number && known && change.reserved == 0, false)
        }
    }
}

fn trace(bytes: &[u8]) -> Result<(), Wrong> {
    if let Some(settings) = plain::<Settings>(bytes)? {
        match settings.check() {
            Ok(None) => same("off", settings, Settings::OFF)?,
            Ok(Some(records)) => {
                same("on", settings, Settings::on(records))?;
                same("bounds", (MIN_RECORDS..=MAX_RECORDS).contains(&records), true)?;
            }
            Err(TraceError::Version) => same("a version", settings.version == WIRE_VERSION, false)?,
            Err(TraceError::Value) => {
                let on = settings == Settings::on(settings.records);
                let bounds = (MIN_RECORDS..=MAX_RECORDS).contains(&settings.records);
                same("settings", on && bounds || settings == Settings::OFF, false)?;
            }
        }
    }
    let Some(cursor) = plain::<Cursor>(bytes)? else {
        return Ok(());
    };
    match cursor.check() {
        Ok(from) => same("a cursor", Cursor::at(from), cursor),
        Err(TraceError::Version) => same("a version", cursor.version == WIRE_VERSION, false),
        Err(TraceError::Value) => same("reserved", cursor.reserved == 0, false),
    }
}

fn records(bytes: &[u8]) -> Result<(), Wrong> {
    if let Some((head, records)) = parse(bytes) {
        same("records", records.count(), head.count as usize)?;
        let length = size_of::<Batch>() + head.count as usize * size_of::<Record>();
        same("an answer", bytes.len(), length)?;
    }
    let Some(record) = plain::<Record>(bytes)? else {
        return Ok(());
    };
    match record.check() {
        Some(checked) => {
            let seen = (checked.sequence, checked.operation, checked.device);
            same(
                "a record",
                seen,
                (record.sequence, record.operation, record.device),
            )?;
            let (start, end) = (record.parts & parts::START != 0, record.parts & parts::END != 0);
            same(
                "parts",
                (checked.begun.is_some(), checked.over.is_some()),
                (start, end),
            )
        }
        None => same("a refused record", record_makes_sense(&record), false),
    }
}

/// Every number of the parts that are there is one that there is.
fn record_makes_sense(record: &Record) -> bool {
    let start = (1..=5).contains(&record.attempt) && record.skip <= 13 && record.carrier <= 5;
    let end = record.completion <= 3 && record.cancel <= 3;
    let parts = match record.parts {
        parts::START => start,
        parts::END => end,
        3 => start && end,
        _ => false,
    };
    parts && record.operation != 0 && record.mode <= 1
}
