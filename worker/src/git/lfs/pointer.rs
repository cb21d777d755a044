//! Pointer files: what git holds in the place of content that is kept in LFS.
//! Source: git-lfs, docs/spec.md, "The Pointer".

use std::{fmt, path::PathBuf};

/// A pointer is smaller than this many bytes; anything longer is content.
pub(super) const MAX_POINTER: usize = 1024;

/// The versions that git-lfs reads.
const VERSIONS: [&str; 3] = [
    "https://git-lfs.github.com/spec/v1",
    "https://hawser.github.com/spec/v1",
    "http://git-media.io/v/2",
];

/// Names content by its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pointer {
    /// 64 hexadecimal digits.
    pub(super) oid: String,
    /// Bytes.
    pub(super) size: u64,
}

impl Pointer {
    /// Reads a file that is a pointer; `None` when it is not one.
    pub(super) fn parse(content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok().filter(|text| text.len() < MAX_POINTER)?;
        let mut lines = text.lines().map(|line| line.split_once(' '));
        let version = lines.next()??;
        if version.0 != "version" || !VERSIONS.contains(&version.1) {
            return None;
        }
        let (mut oid, mut size) = (None, None);
        for line in lines {
            match line? {
                ("oid", value) => oid = value.strip_prefix("sha256:").filter(|oid| is_oid(oid)),
                ("size", value) => size = value.parse().ok(),
                // An extension's own line.
                _ => {}
            }
        }
        Some(Self { oid: oid?.to_owned(), size: size? })
    }

    /// Where its content is, below `lfs/objects`.
    pub(super) fn place(&self) -> PathBuf {
        [&self.oid[..2], &self.oid[2..4], &self.oid].iter().collect()
    }
}

fn is_oid(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The pointer file, as git-lfs writes it.
impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "version {}", VERSIONS[0])?;
        writeln!(f, "oid sha256:{}", self.oid)?;
        writeln!(f, "size {}", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pointer_is() {
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let pointer = Pointer { oid: oid.to_owned(), size: 12_345 };
        let text = pointer.to_string();
        assert_eq!(Pointer::parse(text.as_bytes()), Some(pointer.clone()));
        assert_eq!(pointer.place(), PathBuf::from(format!("4d/7a/{oid}")));
        let extended = format!("{text}ext-0-foo sha256:0\n");
        assert_eq!(Pointer::parse(extended.as_bytes()), Some(pointer));
        for other in [
            String::new(),
            "content".to_owned(),
            text.replace("/v1", "/v9"),
            text.replace("sha256:4", "sha256:../../../4"),
            text.replace("sha256:4d", "sha256:4D"),
            text.replace("12345", "-1"),
            text.replace("size 12345\n", ""),
            format!("{text}{}", "x y\n".repeat(300)),
            format!("{text}\nmore"),
        ] {
            assert_eq!(Pointer::parse(other.as_bytes()), None, "{other}");
        }
    }
}
