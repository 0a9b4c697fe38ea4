//! Drives the community's Rust crate for OpenD; prints what it got as JSON lines.
//!
//!     rust-client --port 11111 [--host 127.0.0.1] [--codes US.AAPL,HK.00700] [--pushes 4] [--timeout 20]
//!
//! The crate's client knows the handshake and the account requests, no quotes, no pushes and no encryption.
//! So there are two connections: one through its client (InitConnect, Trd_GetAccList), one through its packet
//! codec, where this program adds the few messages the crate leaves out (Qot_Sub, Qot_GetRT, Qot_UpdateRT).
//!
//! Events are those of python_client.py. Exit status: 0 or 1.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use bytes::BytesMut;
use futu_rs::client::FutuClient;
use futu_rs::codec::{build_packet, parse_packet, ProtoHeader, HEADER_SIZE, PROTO_ID_INIT_CONNECT};
use futu_rs::pb::{init_connect, qot_common};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const QOT_SUB: u32 = 3001;
const QOT_GET_RT: u32 = 3008;
const QOT_UPDATE_RT: u32 = 3009;
const SUB_TYPE_RT: i32 = 5;

#[derive(Clone, PartialEq, Message)]
struct SubC2s {
    #[prost(message, repeated, tag = "1")]
    security_list: Vec<qot_common::Security>,
    #[prost(int32, repeated, packed = "false", tag = "2")]
    sub_type_list: Vec<i32>,
    #[prost(bool, required, tag = "3")]
    is_sub_or_un_sub: bool,
    #[prost(bool, optional, tag = "4")]
    is_reg_or_un_reg_push: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct SubRequest {
    #[prost(message, required, tag = "1")]
    c2s: SubC2s,
}

#[derive(Clone, PartialEq, Message)]
struct RtC2s {
    #[prost(message, required, tag = "1")]
    security: qot_common::Security,
}

#[derive(Clone, PartialEq, Message)]
struct RtRequest {
    #[prost(message, required, tag = "1")]
    c2s: RtC2s,
}

/// The content of a Qot_GetRT reply and of its push alike.
#[derive(Clone, PartialEq, Message)]
struct RtS2c {
    #[prost(message, required, tag = "1")]
    security: qot_common::Security,
    #[prost(message, repeated, tag = "2")]
    rt_list: Vec<qot_common::TimeShare>,
}

#[derive(Clone, PartialEq, Message)]
struct RtResponse {
    #[prost(int32, required, tag = "1")]
    ret_type: i32,
    #[prost(string, optional, tag = "2")]
    ret_msg: Option<String>,
    #[prost(message, optional, tag = "4")]
    s2c: Option<RtS2c>,
}

fn security(code: &str) -> qot_common::Security {
    let (market, code) = code.split_once('.').unwrap_or(("US", code));
    qot_common::Security {
        market: if market == "HK" { 1 } else { 11 },
        code: code.to_string(),
    }
}

fn table(s2c: &RtS2c) -> String {
    let rows: Vec<String> = s2c
        .rt_list
        .iter()
        .map(|point| {
            format!(
                "{{\"time\":\"{}\",\"is_blank\":{},\"opened_mins\":{},\"cur_price\":{},\"last_close\":{},\"avg_price\":{},\"volume\":{},\"turnover\":{}}}",
                point.time,
                point.is_blank,
                point.minute,
                point.price(),
                point.last_close_price(),
                point.avg_price(),
                point.volume(),
                point.turnover(),
            )
        })
        .collect();
    let market = if s2c.security.market == 1 { "HK" } else { "US" };
    format!("\"code\":\"{market}.{}\",\"rows\":[{}]", s2c.security.code, rows.join(","))
}

async fn receive(stream: &mut TcpStream) -> Result<(ProtoHeader, Vec<u8>)> {
    let mut packet = BytesMut::zeroed(HEADER_SIZE);
    stream.read_exact(&mut packet).await?;
    let body_len = ProtoHeader::decode(&mut packet.clone())?.body_len as usize;
    packet.resize(HEADER_SIZE + body_len, 0);
    stream.read_exact(&mut packet[HEADER_SIZE..]).await?;
    let (header, body) = parse_packet(&mut packet)?; // checks the SHA-1
    Ok((header, body.to_vec()))
}

async fn accounts(address: &str) -> Result<()> {
    let mut client = FutuClient::connect(address).await?;
    let s2c = client.init_connect("ftwire-interop", 1).await?;
    println!("{{\"event\":\"login\",\"connID\":\"{}\"}}", s2c.conn_id);
    let list = client.get_acc_list().await?;
    let ids: Vec<String> = list.iter().map(|account| format!("\"{}\"", account.acc_id)).collect();
    println!("{{\"event\":\"reply\",\"call\":\"GetAccList\",\"rows\":[{}]}}", ids.join(","));
    Ok(())
}

async fn quotes(address: &str, codes: &[&str], wanted: usize) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let hello = init_connect::Request {
        c2s: init_connect::C2s {
            client_ver: 1,
            client_id: "ftwire-interop".to_string(),
            recv_notify: Some(false),
            packet_enc_algo: None, // left out, as the vendor's C++ and C# SDKs do
            push_proto_fmt: None,
            programming_language: Some("Rust".to_string()),
        },
    };
    stream.write_all(&build_packet(PROTO_ID_INIT_CONNECT, 1, &hello)).await?;
    let (header, body) = receive(&mut stream).await?;
    let response = init_connect::Response::decode(&body[..])?;
    if header.proto_id != PROTO_ID_INIT_CONNECT || response.ret_type != 0 {
        return Err(format!("InitConnect: {:?}", response.ret_msg).into());
    }

    let sub = SubRequest {
        c2s: SubC2s {
            security_list: codes.iter().map(|code| security(code)).collect(),
            sub_type_list: vec![SUB_TYPE_RT],
            is_sub_or_un_sub: true,
            is_reg_or_un_reg_push: Some(true),
        },
    };
    stream.write_all(&build_packet(QOT_SUB, 2, &sub)).await?;
    for (serial, code) in (3..).zip(codes) {
        let request = RtRequest { c2s: RtC2s { security: security(code) } };
        stream.write_all(&build_packet(QOT_GET_RT, serial, &request)).await?;
    }
    let (mut replies, mut pushes) = (0, 0);
    while replies < codes.len() || pushes < wanted {
        let (header, body) = receive(&mut stream).await?;
        if header.proto_id == QOT_SUB {
            println!("{{\"event\":\"reply\",\"call\":\"Sub\"}}");
            continue;
        }
        let response = RtResponse::decode(&body[..])?;
        let s2c = match (response.ret_type, response.s2c) {
            (0, Some(s2c)) => s2c,
            _ => return Err(format!("{}: {:?}", header.proto_id, response.ret_msg).into()),
        };
        match header.proto_id {
            QOT_GET_RT => {
                replies += 1;
                println!("{{\"event\":\"reply\",\"call\":\"GetRT\",{}}}", table(&s2c));
            }
            QOT_UPDATE_RT => {
                pushes += 1;
                println!("{{\"event\":\"push\",\"handler\":\"UpdateRT\",{}}}", table(&s2c));
            }
            other => return Err(format!("unexpected protocol {other}").into()),
        }
    }
    Ok(())
}

async fn run(options: &HashMap<String, String>) -> Result<()> {
    let option = |name: &str, default: &str| options.get(name).cloned().unwrap_or(default.to_string());
    let address = format!("{}:{}", option("host", "127.0.0.1"), option("port", "11111"));
    let codes = option("codes", "US.AAPL,HK.00700");
    let codes: Vec<&str> = codes.split(',').collect();
    accounts(&address).await?;
    quotes(&address, &codes, option("pushes", "4").parse()?).await
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<String, String> = words
        .chunks_exact(2)
        .map(|pair| (pair[0].trim_start_matches("--").to_string(), pair[1].clone()))
        .collect();
    let timeout = options.get("timeout").and_then(|text| text.parse().ok()).unwrap_or(20);
    let result = match tokio::time::timeout(Duration::from_secs(timeout), run(&options)).await {
        Ok(result) => result,
        Err(_) => Err("not finished in time".into()),
    };
    let status = match result {
        Ok(()) => 0,
        Err(error) => {
            let message = error.to_string().replace('\\', "\\\\").replace('"', "\\\"");
            println!("{{\"event\":\"error\",\"call\":\"rust\",\"message\":\"{message}\"}}");
            1
        }
    };
    println!("{{\"event\":\"closed\"}}");
    std::process::exit(status);
}
