//! A stand-in for AWS that gives the answers that a test writes down, for what the local cloud never says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
};

/// Starts one; its URL. `answer` gets a request as text and gives a status and a body.
pub fn answering(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| respond(&stream, &answer));
    });
    format!("http://{address}")
}

/// Reads one request and answers it.
fn respond(stream: &TcpStream, answer: &impl Fn(&str) -> (u16, String)) {
    let mut reader = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_ok_and(|read| read <= 2) {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        text.push_str(&line);
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    text.push_str(&String::from_utf8_lossy(&body));
    let (status, body) = answer(&text);
    let _ = write!(
        &mut &*stream,
        "HTTP/1.1 {status} Answer\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
}
