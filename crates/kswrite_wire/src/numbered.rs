//! Numbers on the wire that have names.

/// A number on the wire, by its name.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $value:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name {
            $($(#[$item_doc])* $item = $value,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$item,)*];

            /// The one with this number.
            pub const fn from_u32(value: u32) -> Option<Self> {
                match value {
                    $($value => Some(Self::$item),)*
                    _ => None,
                }
            }

            /// The word used on the command line and in tables.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$item => $word,)*
                }
            }
        }
    };
}
