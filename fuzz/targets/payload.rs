//! The payload of a subscription filter: whatever comes is read or refused, within the cap.
#![no_main]

use aws_lambda_events::cloudwatch_logs::LogEntry;
use libfuzzer_sys::fuzz_target;
use ralph_lambdas::payload::{Batch, Delivery, inflate};

const CAP: usize = 1 << 20;
/// How the seed's list of entries begins.
const ENTRIES: &[u8] = b"\"logEvents\": [";

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = std::str::from_utf8(bytes)
        && let Ok(text) = inflate(event, CAP)
    {
        assert!(text.len() <= CAP);
        let _ = Delivery::parse(text);
    }
    // gzip keeps a fuzzer out: the text inside is tried by itself as well.
    let read = Delivery::parse(bytes.to_vec());
    if let Ok(Delivery::Data(batch)) = &read {
        assert!(batch.entries.len() + batch.unreadable <= bytes.len());
    }
    // An entry that nothing can be read of sends the others through the second reader, which must
    // say the same of them.
    if let Ok(Delivery::Data(batch)) = read
        && let Some(at) = bytes.windows(ENTRIES.len()).position(|window| window == ENTRIES)
    {
        let rest = bytes[at + ENTRIES.len()..].trim_ascii_start();
        let comma: &[u8] = if rest.starts_with(b"]") { b"" } else { b"," };
        let odd = [&bytes[..at], ENTRIES, b"null", comma, rest].concat();
        let Ok(Delivery::Data(other)) = Delivery::parse(odd) else { panic!("no lines any more") };
        let lines = |batch: &Batch| -> Vec<_> {
            let line = |entry: &LogEntry| (entry.timestamp, entry.message.clone());
            batch.entries.iter().map(line).collect()
        };
        assert_eq!(lines(&other), lines(&batch));
        assert_eq!(other.log_stream, batch.log_stream);
    }
});
