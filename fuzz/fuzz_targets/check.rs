#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dsp_lang_fuzz::run("check", bytes));
