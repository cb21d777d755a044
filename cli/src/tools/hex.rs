//! Bytes as hexadecimal digits.

use anyhow::{Result, anyhow};

/// Two digits for each byte, in lower case.
pub fn of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 random bytes, 64 digits.
pub fn random() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no random numbers: {error}"))?;
    Ok(of(&bytes))
}
