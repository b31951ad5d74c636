//! Which clients the loader accepts.

/// Functions in the table of KMDF 1.15.
pub const FUNCTION_COUNT: u32 = 444;
/// The minor version that this host is.
pub const MINOR: u32 = 15;
/// Size of the bind structure of a client of that time.
pub const INFO_BYTES: u32 = 48;
/// Size of the bind structure that later clients begin with version 1.25.
pub const INFO2_BYTES: u32 = 88;

/// Table sizes that were released up to 1.15.
const RELEASED: [u32; 7] = [383, 386, 387, 396, 432, 438, 444];
/// From this many functions on, the client passes the address of a pointer in place of an array.
const FIRST_BY_POINTER: u32 = 444;

/// What a client says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// `WDF_BIND_INFO.Size`.
    pub size: u32,
    /// `WDF_BIND_INFO.Version.Major`.
    pub major: u32,
    /// `WDF_BIND_INFO.Version.Minor`.
    pub minor: u32,
    /// `WDF_BIND_INFO.FuncCount`.
    pub functions: u32,
}

/// Why a client is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `Size` is neither 48 nor 88.
    Size,
    /// Another major version, or a minor one above 15.
    Version,
    /// No release had a table of this size.
    FunctionCount,
    /// A client of before 1.15 owns an array that the table is copied to: the real framework serves it,
    /// this host does not.
    CopiedTable,
}

/// Checks a client.
///
/// # Errors
///
/// The first reason to refuse it.
pub fn check(client: &Client) -> Result<(), Refusal> {
    if client.size != INFO_BYTES && client.size != INFO2_BYTES {
        return Err(Refusal::Size);
    }
    if client.major != 1 || client.minor > MINOR {
        return Err(Refusal::Version);
    }
    if !RELEASED.contains(&client.functions) {
        return Err(Refusal::FunctionCount);
    }
    if client.functions < FIRST_BY_POINTER {
        return Err(Refusal::CopiedTable);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client = Client {
        size: 48,
        major: 1,
        minor: 15,
        functions: 444,
    };

    #[test]
    fn a_client_of_1_15_is_accepted() {
        assert_eq!(check(&CLIENT), Ok(()));
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        let cases = [
            (Client { size: 40, ..CLIENT }, Refusal::Size),
            (Client { major: 2, ..CLIENT }, Refusal::Version),
            (Client { minor: 17, ..CLIENT }, Refusal::Version),
            (
                Client {
                    minor: 33,
                    size: 88,
                    functions: 458,
                    ..CLIENT
                },
                Refusal::Version,
            ),
            (
                Client {
                    functions: 445,
                    ..CLIENT
                },
                Refusal::FunctionCount,
            ),
            (
                Client {
                    minor: 9,
                    functions: 396,
                    ..CLIENT
                },
                Refusal::CopiedTable,
            ),
        ];
        for (client, refusal) in cases {
            assert_eq!(check(&client), Err(refusal), "{client:?}");
        }
    }
}
