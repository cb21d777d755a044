//! A management endpoint that answers every post with 200, as fast as one thread can; posts to the
//! first connections are taken and never answered.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Serves until it is killed. Connections are named `c0` to `c999`; those below `hanging` hang.
pub fn run(hanging: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("an address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(serve(stream, hanging));
        }
    });
}

async fn serve(stream: TcpStream, hanging: usize) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::with_capacity(32 << 10, stream);
    let mut line = String::new();
    let mut body = Vec::new();
    loop {
        let (mut length, mut hangs) = (0, false);
        loop {
            line.clear();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if let Some((_, id)) = text.split_once("connections/c") {
                let digits: String = id.chars().take_while(char::is_ascii_digit).collect();
                hangs = digits.parse::<usize>().is_ok_and(|n| n < hanging);
            }
            if let Some((name, value)) = text.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await.ok()?;
        if hangs {
            std::future::pending::<()>().await;
        }
        stream.get_mut().write_all(ANSWER).await.ok()?;
    }
}
