#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pitaya_readers::check("cluster_pushes", input));
