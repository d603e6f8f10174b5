//! A sender that speaks to the HTTP door as Splunk's do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

pub const TOKEN: &str = "b0a1c2d3-e4f5-4678-9abc-def012345678";

pub struct Sender {
    address: String,
    pub token: Option<String>,
}

impl Sender {
    pub fn to(address: &str) -> Self {
        Sender {
            address: address.to_owned(),
            token: Some(TOKEN.to_owned()),
        }
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        if let Some(token) = &self.token {
            head += &format!("Authorization: Splunk {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        // A door that refuses need not hear all of it.
        let _ = stream.write_all(body);
        stream
    }

    /// Sends a request; gives status and answer.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Value) {
        let mut answer = String::new();
        self.request(method, path, headers, body)
            .read_to_string(&mut answer)
            .unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    pub fn post(&self, path: &str, body: &str) -> (u16, Value) {
        self.send("POST", path, &[], body.as_bytes())
    }

    /// Sends a request and waits for no answer.
    pub fn post_and_leave(&self, path: &str, body: &str) {
        drop(self.request("POST", path, &[], body.as_bytes()));
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}
