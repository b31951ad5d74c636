#![no_main]

use kswrite_fuzz::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| Target::Program.run(bytes).expect("nothing is wrong"));
