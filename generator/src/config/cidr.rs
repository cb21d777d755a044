//! IPv4 ranges.

use std::net::Ipv4Addr;

/// An IPv4 range whose host bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    first: u32,
    bits: u32,
}

/// Prefix lengths of a VPC that leaves sixteen subnets of at least /28.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>
pub(super) const PREFIXES: std::ops::RangeInclusive<u32> = 16..=24;

impl Range {
    /// Reads `a.b.c.d/n`, or says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').ok_or("an address and a prefix length")?;
        let address: Ipv4Addr =
            address.parse().map_err(|_| format!("`{address}` is not an IPv4 address"))?;
        let bits: u32 = bits.parse().map_err(|_| format!("`{bits}` is not a prefix length"))?;
        if !PREFIXES.contains(&bits) {
            return Err("the prefix length of a VPC with a subnet in each zone is 16 to 24".into());
        }
        let first = u32::from(address);
        let masked = first & (u32::MAX << (32 - bits));
        if masked != first {
            return Err(format!("the range begins at {}/{bits}", Ipv4Addr::from(masked)));
        }
        Ok(Self { first, bits })
    }

    fn last(self) -> u32 {
        self.first | (u32::MAX >> self.bits)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.first <= other.last() && other.first <= self.last()
    }
}

/// The range of an environment that names none. Apart from dev's and prod's it follows from the
/// name alone (FNV-1a), so that adding an environment moves no other one.
pub(super) fn default_for(environment: &str) -> String {
    let second = match environment {
        "dev" => 20,
        "prod" => 30,
        other => {
            let hash = other.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            64 + hash % 64
        }
    };
    format!("10.{second}.0.0/16")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for good in ["10.0.0.0/16", "192.168.4.0/24", "10.20.16.0/20"] {
            assert!(Range::parse(good).is_ok(), "{good}");
            assert!(Range::parse(good).unwrap().overlaps(Range::parse(good).unwrap()));
        }
        for bad in ["10.0.0.0", "10.0.0.0/8", "10.0.0.0/25", "10.0.0.1/16", "10.0.0.256/16", "a/16"]
        {
            assert!(Range::parse(bad).is_err(), "{bad}");
        }
        let overlap =
            |a: &str, b: &str| Range::parse(a).unwrap().overlaps(Range::parse(b).unwrap());
        assert!(overlap("10.20.0.0/16", "10.20.255.0/24"));
        assert!(!overlap("10.20.0.0/16", "10.21.0.0/16"));
    }

    #[test]
    fn defaults_are_ranges_and_follow_from_the_name() {
        assert_eq!(default_for("dev"), "10.20.0.0/16");
        assert_eq!(default_for("prod"), "10.30.0.0/16");
        assert_eq!(default_for("staging"), default_for("staging"));
        assert!(Range::parse(&default_for("staging")).is_ok());
        assert_ne!(default_for("staging"), default_for("test"));
    }
}
