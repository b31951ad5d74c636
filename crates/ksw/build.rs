//! Gives the program its version resource.

use version_resource::{Kind, embed};

fn main() {
    embed(Kind::Program, "ksw.exe");
}
