//! Events of ETW that describe themselves: TraceLogging.
//!
//! On Windows any tool decodes them. In Wine there are none, so the events that the host has kept are decoded here,
//! by the layout that tools go by: names and types in the metadata of the event, values in its data.

use std::fmt;

use kswrite_core::NtStatus;
use kswrite_wire::wine_host::{EtwBatch, EtwEvent};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use zerocopy::FromBytes;

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Unsigned(u64),
    /// A number with a sign.
    Signed(i64),
    /// Text, or a number that is better known by its name.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtwLine {
    /// The name of its provider.
    pub provider: String,
    /// Its name.
    pub event: String,
    /// Its fields, in their order.
    pub fields: Vec<(String, Value)>,
}

impl Serialize for EtwLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len() + 2))?;
        map.serialize_entry("provider", &self.provider)?;
        map.serialize_entry("event", &self.event)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Display for EtwLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.provider, self.event)?;
        self.fields
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// Takes an answer of the host apart. `None`: it does not have the form that it says, or an event has a field of a
/// type that is not known here.
pub fn decode(answer: &[u8]) -> Option<(EtwBatch, Vec<EtwLine>)> {
    let (batch, mut rest) = EtwBatch::read_from_prefix(answer).ok()?;
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let (head, after) = EtwEvent::read_from_prefix(rest).ok()?;
        let (traits, after) = after.split_at_checked(head.traits_bytes as usize)?;
        let (metadata, after) = after.split_at_checked(head.metadata_bytes as usize)?;
        let (data, after) = after.split_at_checked(head.data_bytes as usize)?;
        lines.push(event(traits, metadata, data)?);
        rest = after;
    }
    Some((batch, lines))
}

fn event(traits: &[u8], metadata: &[u8], data: &[u8]) -> Option<EtwLine> {
    let provider = Reader::sized(traits)?.name()?;
    let mut metadata = Reader::sized(metadata)?;
    metadata.chain()?;
    let event = metadata.name()?;
    let mut data = Reader(data);
    let mut fields = Vec::new();
    while !metadata.0.is_empty() {
        let name = metadata.name()?;
        let kind = metadata.byte()?;
        let mut shown_as = 0;
        if kind & MORE != 0 {
            shown_as = metadata.byte()?;
            if shown_as & MORE != 0 {
                metadata.chain()?;
            }
        }
        fields.push((name, data.value(kind & !MORE, shown_as & !MORE)?));
    }
    data.0.is_empty().then_some(EtwLine {
        provider,
        event,
        fields,
    })
}

/// Another byte of the same kind follows.
const MORE: u8 = 0x80;
/// Types of values: `TDH_INTYPE_*`.
mod kind {
    pub(super) const I32: u8 = 7;
    pub(super) const U32: u8 = 8;
    pub(super) const I64: u8 = 9;
    pub(super) const U64: u8 = 10;
    pub(super) const HEX32: u8 = 20;
    pub(super) const HEX64: u8 = 21;
    pub(super) const COUNTED_STRING: u8 = 23;
}
/// `TDH_OUTTYPE_NTSTATUS`.
const AS_NTSTATUS: u8 = 14;

/// Bytes that are read from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A block that begins with its length in two bytes.
    fn sized(block: &'a [u8]) -> Option<Self> {
        let (length, rest) = block.split_first_chunk::<2>()?;
        (usize::from(u16::from_le_bytes(*length)) == block.len()).then_some(Self(rest))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// Bytes of which each but the last says that there is another.
    fn chain(&mut self) -> Option<()> {
        while self.byte()? & MORE != 0 {}
        Some(())
    }

    /// Text up to a NUL.
    fn name(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let (name, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        String::from_utf8(name.to_vec()).ok()
    }

    fn value(&mut self, kind: u8, shown_as: u8) -> Option<Value> {
        Some(match kind {
            kind::I32 => Value::Signed(i32::from_le_bytes(self.take()?).into()),
            kind::U32 => Value::Unsigned(u32::from_le_bytes(self.take()?).into()),
            kind::I64 => Value::Signed(i64::from_le_bytes(self.take()?)),
            kind::U64 => Value::Unsigned(u64::from_le_bytes(self.take()?)),
            kind::HEX32 => {
                let bits = u32::from_le_bytes(self.take()?);
                Value::Text(if shown_as == AS_NTSTATUS {
                    NtStatus(bits.cast_signed()).to_string()
                } else {
                    format!("0x{bits:08X}")
                })
            }
            kind::HEX64 => Value::Text(format!("0x{:016X}", u64::from_le_bytes(self.take()?))),
            kind::COUNTED_STRING => {
                let length = u16::from_le_bytes(self.take()?);
                let (text, rest) = self.0.split_at_checked(length.into())?;
                self.0 = rest;
                Value::Text(String::from_utf8(text.to_vec()).ok()?)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::*;

    fn sized(body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap();
        [&length.to_le_bytes()[..], body].concat()
    }

    fn answer(metadata: &[u8], data: &[u8]) -> Vec<u8> {
        let (traits, metadata) = (sized(b"Provider\0"), sized(metadata));
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let head = EtwEvent {
            traits_bytes: length(&traits),
            metadata_bytes: length(&metadata),
            data_bytes: length(data),
            ..EtwEvent::default()
        };
        let batch = EtwBatch { next: 1, lost: 0 };
        [batch.as_bytes(), head.as_bytes(), &traits, &metadata, data].concat()
    }

    /// By hand: a tag byte, the name, then fields with types and, where marked, what they are shown as.
    const METADATA: &[u8] = b"\0Stop\0Number\0\x0aWhere\0\x09Status\0\x94\x0eWord\0\x97\x23";

    fn data() -> Vec<u8> {
        let (number, place) = (7_u64.to_le_bytes(), (-1_i64).to_le_bytes());
        let status = 0xC000_0120_u32.to_le_bytes();
        [&number[..], &place, &status, b"\x04\0fast"].concat()
    }

    #[test]
    fn an_event_tells_its_names_and_values() {
        let (batch, lines) = decode(&answer(METADATA, &data())).unwrap();
        assert_eq!((batch.next, lines.len()), (1, 1));
        assert_eq!(
            lines[0].to_string(),
            "Provider Stop Number=7 Where=-1 Status=STATUS_CANCELLED (0xC0000120) Word=fast"
        );
        let json = serde_json::to_string(&lines[0]).unwrap();
        assert_eq!(
            json,
            r#"{"provider":"Provider","event":"Stop","Number":7,"Where":-1,"Status":"STATUS_CANCELLED (0xC0000120)","Word":"fast"}"#
        );
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_refused() {
        let whole = answer(METADATA, &data());
        for length in 1..whole.len() {
            let empty = length == size_of::<EtwBatch>();
            assert_eq!(decode(&whole[..length]).is_some(), empty, "{length}");
        }
        assert!(decode(&answer(METADATA, &[&data()[..], &[0]].concat())).is_none());
        assert!(
            decode(&answer(b"\0Stop\0Number\0\x7f", &[0; 8])).is_none(),
            "no such type"
        );
    }
}
