//! The payload of a subscription filter: whatever comes is read or refused, within the cap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ralph_lambdas::payload::{Delivery, inflate};

const CAP: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = std::str::from_utf8(bytes)
        && let Ok(mut text) = inflate(event, CAP)
    {
        assert!(text.len() <= CAP);
        let _ = Delivery::parse(&mut text, || inflate(event, CAP));
    }
    // gzip keeps a fuzzer out: the text inside is tried by itself as well.
    if let Ok(Delivery::Data(batch)) = Delivery::parse(&mut bytes.to_vec(), || Ok(bytes.to_vec())) {
        assert!(batch.entries.len() + batch.unreadable <= bytes.len());
    }
});
