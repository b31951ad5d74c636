//! Gives the library its version resource.

use version_resource::{Kind, embed};

fn main() {
    embed(Kind::Library, "kswrite_client.dll");
}
