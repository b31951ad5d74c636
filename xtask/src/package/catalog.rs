//! Catalogues: a signed list of the hashes of a package's files.
//!
//! A catalogue is a PKCS #7 message whose content is a certificate trust list of Microsoft's, with one entry for each
//! file. Version 2, as Inf2Cat writes it for Windows 10: entries are found by the SHA-256 of the file, which for an
//! image is the Authenticode hash, over everything but what signing changes.
//!
//! Pages: <https://learn.microsoft.com/windows-hardware/drivers/install/catalog-files>,
//! <https://learn.microsoft.com/windows/win32/seccrypto/certificate-trust-list-overview>,
//! [MS-CAESO] and the Authenticode format, whose object identifiers these are.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use authenticode::authenticode_digest;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerInfos};
use der::asn1::{Any, BitString, BmpString, Null, ObjectIdentifier, OctetString, SetOfVec, UtcTime};
use der::{Decode, Encode, Sequence, Tag, TagNumber};
use object::read::pe::PeFile64;
use sha2_old::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TRUST_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.10.1");
const CATALOG_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.1.1");
const CATALOG_LIST_MEMBER_2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.1.3");
const NAME_VALUE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.2.1");
const MEMBER_INFO_2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.2.3");
const INDIRECT_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");
const PE_IMAGE_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");
const CAB_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.25");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// Flags of a name and value: text, and part of what is signed.
const NAMED: u32 = 0x1001_0001;
/// The same without the bit that Inf2Cat leaves out for the mark `PE`.
const MARK: u32 = 0x0001_0001;
/// `OSAttr`: every build of Windows 10 and later.
const OS_ATTRIBUTE: &str = "2:10.0";

/// A named text of a catalogue or of one of its members.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct NameValue {
    name: BmpString,
    flags: u32,
    /// UTF-16, with a zero at its end.
    value: OctetString,
}

/// What an image or a cabinet is, in a field that nobody reads any more.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Typed {
    kind: ObjectIdentifier,
    value: Any,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct DigestInfo {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

/// `SpcIndirectDataContent`.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct IndirectData {
    data: Typed,
    digest: DigestInfo,
}

/// `SpcPeImageData`.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct PeImageData {
    flags: BitString,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    file: Any,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Entry {
    subject: OctetString,
    attributes: SetOfVec<Attribute>,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Extension {
    kind: ObjectIdentifier,
    value: OctetString,
}

/// The certificate trust list.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct TrustList {
    usage: Vec<ObjectIdentifier>,
    identifier: OctetString,
    this_update: UtcTime,
    algorithm: AlgorithmIdentifierOwned,
    entries: Vec<Entry>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

/// A file of a package, with the hash that its entry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// File name.
    pub(super) name: String,
    /// SHA-256, of the file or by Authenticode.
    pub(super) hash: [u8; 32],
    /// Whether it is an image.
    image: bool,
}

impl Member {
    /// Hashes a file.
    pub(super) fn of(name: &str, bytes: &[u8]) -> Result<Self> {
        let image = is_image(name);
        let hash = if image {
            image_hash(bytes).with_context(|| format!("{name} is no image"))?
        } else {
            Sha256::digest(bytes).into()
        };
        Ok(Self {
            name: name.to_owned(),
            hash,
            image,
        })
    }
}

/// Whether a file is an image, by its name.
pub(super) fn is_image(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("sys"))
}

/// The Authenticode hash of an image: the same before and after it is signed.
pub(super) fn image_hash(bytes: &[u8]) -> Result<[u8; 32]> {
    let image = PeFile64::parse(bytes)?;
    let mut digest = Sha256::new();
    authenticode_digest(&image, &mut digest)
        .map_err(|error| anyhow::anyhow!("its headers do not say where it ends: {error:?}"))?;
    Ok(digest.finalize().into())
}

/// What a catalogue says of the package as a whole.
pub(super) struct Header<'a> {
    /// `_v100_X64`.
    pub(super) system: &'a str,
    /// Hardware IDs of the INF.
    pub(super) hardware_ids: &'a [String],
    /// Seconds since 1970.
    pub(super) made: u64,
}

fn utf16(text: &str) -> Result<OctetString> {
    let bytes: Vec<u8> = text
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    Ok(OctetString::new(bytes)?)
}

fn name_value(name: &str, value: &str, flags: u32) -> Result<NameValue> {
    Ok(NameValue {
        name: BmpString::from_utf8(name)?,
        flags,
        value: utf16(value)?,
    })
}

/// A tag of the kind `[number]`.
fn context(number: TagNumber, constructed: bool, value: impl Into<Box<[u8]>>) -> Result<Any> {
    Ok(Any::new(Tag::ContextSpecific { constructed, number }, value)?)
}

fn algorithm(oid: ObjectIdentifier) -> Result<AlgorithmIdentifierOwned> {
    Ok(AlgorithmIdentifierOwned {
        oid,
        parameters: Some(Any::encode_from(&Null)?),
    })
}

fn attribute(oid: ObjectIdentifier, value: Any) -> Result<Attribute> {
    Ok(Attribute {
        oid,
        values: SetOfVec::try_from(vec![value])?,
    })
}

/// The entry of a member.
fn entry(member: &Member) -> Result<Entry> {
    // An empty file name: [2] holds [0], which holds nothing.
    let no_file = context(TagNumber::N2, true, context(TagNumber::N0, false, [])?.to_der()?)?;
    let data = if member.image {
        let image = PeImageData {
            // The first and the third of three bits: resources and import directories are included.
            flags: BitString::new(5, [0xa0])?,
            file: no_file,
        };
        Typed {
            kind: PE_IMAGE_DATA,
            value: Any::encode_from(&image)?,
        }
    } else {
        Typed {
            kind: CAB_DATA,
            value: no_file,
        }
    };
    let indirect = IndirectData {
        data,
        digest: DigestInfo {
            algorithm: algorithm(SHA_256)?,
            digest: OctetString::new(member.hash)?,
        },
    };
    let attributes = vec![
        attribute(MEMBER_INFO_2, context(TagNumber::N2, false, [])?)?,
        attribute(
            NAME_VALUE,
            Any::encode_from(&name_value("OSAttr", OS_ATTRIBUTE, NAMED)?)?,
        )?,
        attribute(
            NAME_VALUE,
            Any::encode_from(&name_value("File", &member.name, NAMED)?)?,
        )?,
        attribute(INDIRECT_DATA, Any::encode_from(&indirect)?)?,
    ];
    Ok(Entry {
        subject: OctetString::new(member.hash)?,
        attributes: SetOfVec::try_from(attributes)?,
    })
}

fn extensions(header: &Header<'_>) -> Result<Vec<Extension>> {
    let mut values = vec![
        name_value("PE", "TRUSTED", MARK)?,
        name_value("OS", header.system, NAMED)?,
    ];
    for (index, id) in header.hardware_ids.iter().enumerate().rev() {
        let name = format!("HWID{}", index + 1);
        values.push(name_value(&name, &id.to_lowercase(), NAMED)?);
    }
    values
        .iter()
        .map(|value| {
            Ok(Extension {
                kind: NAME_VALUE,
                value: OctetString::new(value.to_der()?)?,
            })
        })
        .collect()
}

/// A catalogue that is yet to be signed. The same members make the same bytes.
pub(super) fn make(header: &Header<'_>, members: &[Member]) -> Result<Vec<u8>> {
    let mut members: Vec<&Member> = members.iter().collect();
    members.sort_by_key(|member| member.hash);
    // The identifier need only be the catalogue's own.
    let mut identifier = Sha256::new();
    for member in &members {
        identifier.update(member.hash);
    }
    let identifier: [u8; 32] = identifier.finalize().into();
    let (identifier, _) = identifier.split_at(16);
    let list = TrustList {
        usage: vec![CATALOG_LIST],
        identifier: OctetString::new(identifier)?,
        this_update: UtcTime::from_unix_duration(Duration::from_secs(header.made))?,
        algorithm: algorithm(CATALOG_LIST_MEMBER_2)?,
        entries: members.into_iter().map(entry).collect::<Result<_>>()?,
        extensions: extensions(header)?,
    };
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::new(),
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: TRUST_LIST,
            econtent: Some(Any::encode_from(&list)?),
        },
        certificates: None,
        crls: None,
        signer_infos: SignerInfos(SetOfVec::new()),
    };
    let message = ContentInfo {
        content_type: SIGNED_DATA,
        content: Any::encode_from(&signed)?,
    };
    Ok(message.to_der()?)
}

/// What a catalogue holds.
pub(super) struct Catalog {
    /// Names of the members, with their hashes.
    pub(super) members: Vec<(String, Vec<u8>)>,
    /// Names and texts of the header.
    pub(super) header: Vec<(String, String)>,
    /// Certificates that it carries, in DER.
    pub(super) certificates: Vec<Vec<u8>>,
}

/// Reads a catalogue, signed or not.
pub(super) fn read(bytes: &[u8]) -> Result<Catalog> {
    let message = ContentInfo::from_der(bytes).context("it is no PKCS #7 message")?;
    let signed: SignedData = message.content.decode_as().context("it is no signed message")?;
    let content = signed.encap_content_info;
    if content.econtent_type != TRUST_LIST {
        bail!("its content is no certificate trust list");
    }
    let list: TrustList = content.econtent.context("it has no content")?.decode_as()?;
    let mut members = Vec::new();
    for entry in &list.entries {
        let name = member_name(entry)?.context("a member has no file name")?;
        members.push((name, entry.subject.as_bytes().to_vec()));
    }
    let header = list.extensions.iter().map(|extension| {
        let value = NameValue::from_der(extension.value.as_bytes())?;
        Ok((value.name.to_string(), text(value.value.as_bytes())))
    });
    let certificates = signed.certificates.iter().flat_map(|set| set.0.iter());
    Ok(Catalog {
        members,
        header: header.collect::<Result<_>>()?,
        certificates: certificates.map(Encode::to_der).collect::<Result<_, _>>()?,
    })
}

fn member_name(entry: &Entry) -> Result<Option<String>> {
    for attribute in entry
        .attributes
        .iter()
        .filter(|attribute| attribute.oid == NAME_VALUE)
    {
        for value in attribute.values.iter() {
            let value: NameValue = value.decode_as()?;
            if value.name.to_string() == "File" {
                return Ok(Some(text(value.value.as_bytes())));
            }
        }
    }
    Ok(None)
}

/// UTF-16 up to its zero.
fn text(bytes: &[u8]) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs
        .iter()
        .map(|pair| u16::from_le_bytes(*pair))
        .take_while(|unit| *unit != 0)
        .collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ids: &[String]) -> Header<'_> {
        Header {
            system: "_v100_X64",
            hardware_ids: ids,
            made: 1_700_000_000,
        }
    }

    #[test]
    fn a_catalogue_is_read_back() {
        let ids = ["Root\\A".to_owned(), "Root\\B".to_owned()];
        let members = ["x.inf", "y.txt"].map(|name| Member::of(name, name.as_bytes()).unwrap());
        let bytes = make(&header(&ids), &members).unwrap();
        let catalog = read(&bytes).unwrap();
        for member in &members {
            assert!(
                catalog
                    .members
                    .contains(&(member.name.clone(), member.hash.to_vec()))
            );
        }
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            catalog.header,
            [
                pair("PE", "TRUSTED"),
                pair("OS", "_v100_X64"),
                pair("HWID2", "root\\b"),
                pair("HWID1", "root\\a")
            ]
        );
    }

    #[test]
    fn the_order_of_the_files_does_not_matter() {
        let [one, two] = ["x.inf", "y.inf"].map(|name| Member::of(name, name.as_bytes()).unwrap());
        let first = make(&header(&[]), &[one.clone(), two.clone()]).unwrap();
        assert_eq!(first, make(&header(&[]), &[two, one.clone()]).unwrap());
        assert_ne!(first, make(&header(&[]), &[one]).unwrap());
    }

    /// The attribute of version 2 is known by its bytes.
    #[test]
    fn the_member_mark_has_the_known_bytes() {
        let mark = attribute(MEMBER_INFO_2, context(TagNumber::N2, false, []).unwrap()).unwrap();
        let known = [
            0x30, 0x10, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0c, 0x02, 0x03, 0x31, 0x02,
            0x82, 0x00,
        ];
        assert_eq!(mark.to_der().unwrap(), known);
    }

    #[test]
    fn what_is_no_catalogue_is_refused() {
        assert!(read(b"MZ").is_err());
        assert!(Member::of("x.sys", b"MZ").is_err());
    }
}
