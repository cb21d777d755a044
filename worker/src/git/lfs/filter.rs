//! A filter for git that makes pointers and stores nothing: gitattributes(5), "Long Running Filter
//! Process". The agent's settings cannot change what it does, and content of any size passes
//! through it piece by piece.

use std::io::{self, BufRead, Read, Write};

use sha2::{Digest, Sha256};

use super::pointer::{MAX_POINTER, Pointer};

/// Most bytes of a packet's content (`git help protocol-common`).
const MAX_CONTENT: usize = 65_516;

enum Packet {
    Content,
    Flush,
    End,
}

/// Answers git until it hangs up.
///
/// # Errors
/// When git does not keep to the protocol, or goes away in the middle.
pub fn filter(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut packet = Vec::new();
    lines(&mut input, &mut packet)?;
    answer(&mut output, &["git-filter-server\n", "version=2\n"])?;
    lines(&mut input, &mut packet)?;
    answer(&mut output, &["capability=clean\n", "capability=smudge\n"])?;
    while let Some(lines) = lines(&mut input, &mut packet)? {
        let result = if lines.iter().any(|line| line == "command=clean") {
            clean(&mut input, &mut packet)?
        } else {
            // The content is put in its place by other means.
            let mut content = Vec::new();
            while let Packet::Content = read(&mut input, &mut packet)? {
                content.extend_from_slice(&packet);
            }
            content
        };
        answer(&mut output, &["status=success\n"])?;
        for piece in result.chunks(MAX_CONTENT) {
            write(&mut output, piece)?;
        }
        // The end of the content, and no other status after it.
        output.write_all(b"00000000")?;
        output.flush()?;
    }
    Ok(())
}

/// The pointer of what follows; a pointer, and a file without content, stay as they are.
fn clean(input: &mut impl BufRead, packet: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let (mut head, mut hash, mut size) = (Vec::new(), Sha256::new(), 0);
    while let Packet::Content = read(input, packet)? {
        hash.update(&packet);
        size += packet.len() as u64;
        let room = MAX_POINTER.saturating_sub(head.len());
        head.extend_from_slice(&packet[..room.min(packet.len())]);
    }
    if size == 0 || Pointer::parse(&head).is_some() {
        return Ok(head);
    }
    Ok(Pointer { oid: hex(&hash.finalize()), size }.to_string().into_bytes())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lines up to a flush; `None` when git has nothing more to ask.
fn lines(input: &mut impl BufRead, packet: &mut Vec<u8>) -> io::Result<Option<Vec<String>>> {
    let mut lines = Vec::new();
    loop {
        match read(input, packet)? {
            Packet::Content => {
                lines.push(String::from_utf8_lossy(packet).trim_end_matches('\n').to_owned());
            }
            Packet::Flush => return Ok(Some(lines)),
            Packet::End => return Ok(None),
        }
    }
}

/// A packet: four hexadecimal digits, its length with these, and its content.
fn read(input: &mut impl BufRead, packet: &mut Vec<u8>) -> io::Result<Packet> {
    packet.clear();
    if input.fill_buf()?.is_empty() {
        return Ok(Packet::End);
    }
    let mut head = [0; 4];
    input.read_exact(&mut head)?;
    let length =
        std::str::from_utf8(&head).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
    match length {
        Some(0) => Ok(Packet::Flush),
        Some(length @ 4..) => {
            let read = input.take(length - 4).read_to_end(packet)? as u64;
            if read == length - 4 {
                Ok(Packet::Content)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn write(output: &mut impl Write, content: &[u8]) -> io::Result<()> {
    write!(output, "{:04x}", content.len() + 4)?;
    output.write_all(content)
}

fn answer(output: &mut impl Write, lines: &[&str]) -> io::Result<()> {
    lines.iter().try_for_each(|line| write(output, line.as_bytes()))?;
    output.write_all(b"0000")?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What git says, and what is answered to it after the greeting.
    fn answers(requests: &[(&str, &[&[u8]])]) -> Vec<u8> {
        let mut input = Vec::new();
        answer(&mut input, &["git-filter-client\n", "version=2\n"]).unwrap();
        answer(&mut input, &["capability=clean\n", "capability=smudge\n", "capability=delay\n"])
            .unwrap();
        for (command, pieces) in requests {
            answer(&mut input, &[&format!("command={command}\n"), "pathname=a b\n"]).unwrap();
            pieces.iter().for_each(|piece| write(&mut input, piece).unwrap());
            input.extend_from_slice(b"0000");
        }
        let mut output = Vec::new();
        filter(input.as_slice(), &mut output).unwrap();
        let mut greeting = Vec::new();
        answer(&mut greeting, &["git-filter-server\n", "version=2\n"]).unwrap();
        answer(&mut greeting, &["capability=clean\n", "capability=smudge\n"]).unwrap();
        output.strip_prefix(greeting.as_slice()).unwrap().to_vec()
    }

    fn success(content: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        answer(&mut output, &["status=success\n"]).unwrap();
        content.chunks(MAX_CONTENT).for_each(|piece| write(&mut output, piece).unwrap());
        output.extend_from_slice(b"00000000");
        output
    }

    #[test]
    fn content_becomes_a_pointer_and_a_pointer_stays() {
        // `printf abc | sha256sum`
        let oid = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let pointer = Pointer { oid: oid.to_owned(), size: 3 }.to_string();
        let long = vec![b'x'; MAX_CONTENT];
        let found = answers(&[
            ("clean", &[b"a", b"bc"]),
            ("clean", &[pointer.as_bytes()]),
            ("clean", &[]),
            ("smudge", &[pointer.as_bytes()]),
            ("smudge", &[&long, &long]),
        ]);
        let expected = [
            success(pointer.as_bytes()),
            success(pointer.as_bytes()),
            success(b""),
            success(pointer.as_bytes()),
            success(&[long.as_slice(), &long].concat()),
        ];
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&expected.concat()));
    }

    #[test]
    fn a_packet_that_ends_early_is_an_error() {
        for bad in [&b"00"[..], b"0008ab", b"zzzz", b"0003", b"0001"] {
            assert!(filter(bad, io::sink()).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
