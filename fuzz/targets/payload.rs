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
    let mut text = bytes.to_vec();
    let read = Delivery::parse(&mut text, || Ok(bytes.to_vec()));
    if let Ok(Delivery::Data(batch)) = &read {
        assert!(batch.entries.len() + batch.unreadable <= bytes.len());
    }
    // A null is not of the form that is read in place: the general reader must say the same.
    if let Some(rest) = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_prefix('{'))
        && !rest.trim_start().starts_with('}')
    {
        let other = format!("{{\"_\":null,{rest}").into_bytes();
        let mut general = other.clone();
        let general = Delivery::parse(&mut general, || Ok(other));
        // Errors name columns, which differ.
        assert_eq!(read.ok(), general.ok());
    }
});
