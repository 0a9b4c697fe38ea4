//! A starting point for a client of OpenD in Rust: frames, digests and AES, and this program that tests them.
//!
//!     ftwire vectors check --command target/release/opend-decoder

mod opend;

use std::error::Error;
use std::io::{self, BufRead, Write};

use opend::{sha1, Cipher, Decoder, Frame, Header};
use serde_json::{json, Value};

type Answer = Result<Value, Box<dyn Error>>;

fn bytes(value: &Value) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(hex::decode(value.as_str().ok_or("no text of hexadecimal")?)?)
}

fn number<T: TryFrom<u64>>(value: &Value) -> Result<T, Box<dyn Error>> {
    let number = value.as_u64().ok_or("no number")?;
    T::try_from(number).map_err(|_| "the number is too large".into())
}

/// Makes the cipher of that name from an object with key and, for AES-CBC, IV.
fn cipher(name: &Value, of: &Value) -> Result<Cipher, Box<dyn Error>> {
    let text = |name: &str| of[name].as_str().unwrap_or_default().as_bytes().to_vec();
    match name.as_str().unwrap_or_default() {
        "none" => Ok(Cipher::None),
        "ftaes_ecb" => Ok(Cipher::FtAesEcb(text("key"))),
        "aes_ecb" => Ok(Cipher::AesEcb(text("key"))),
        "aes_cbc" => Ok(Cipher::AesCbc(text("key"), text("iv"))),
        other => Err(format!("no cipher: {other}").into()),
    }
}

fn facts(frame: &Frame) -> Value {
    let Header { proto_id, serial, body_format, .. } = frame.header;
    json!({"protoId": proto_id, "serial": serial, "bodyFormat": body_format, "body": hex::encode(&frame.body)})
}

fn stream(input: &Value) -> Answer {
    let mut decoder = Decoder::new(cipher(&input["cipher"]["name"], &input["cipher"])?, number(&input["maxBody"])?);
    let mut found = Vec::new();
    let mut fatal = false;
    for chunk in input["chunks"].as_array().ok_or("no chunks")? {
        if decoder.feed(&bytes(chunk)?, &mut found).is_err() {
            fatal = true;
            break;
        }
    }
    let events: Vec<Value> = found
        .iter()
        .map(|each| match each {
            Ok(frame) => facts(frame),
            Err(header) => json!({"protoId": header.proto_id, "serial": header.serial, "damaged": true}),
        })
        .collect();
    let pending = if fatal { 0 } else { decoder.pending.len() };
    Ok(json!({"events": events, "fatal": fatal, "pending": pending}))
}

fn header_encode(input: &Value) -> Answer {
    let header = Header {
        proto_id: number(&input["protoId"])?,
        body_format: number(&input["bodyFormat"])?,
        version: number(&input["version"])?,
        serial: number(&input["serial"])?,
        body_length: number(&input["bodyLength"])?,
        sha1: bytes(&input["sha1"])?.try_into().map_err(|_| "a SHA-1 has 20 bytes")?,
        reserved: bytes(&input["reserved"])?.try_into().map_err(|_| "8 bytes are reserved")?,
    };
    Ok(json!({"data": hex::encode(header.encode())}))
}

fn header_decode(input: &Value) -> Answer {
    let header = Header::decode(&bytes(&input["data"])?)?;
    Ok(json!({
        "protoId": header.proto_id, "bodyFormat": header.body_format, "version": header.version,
        "serial": header.serial, "bodyLength": header.body_length, "sha1": hex::encode(header.sha1),
        "reserved": hex::encode(header.reserved),
    }))
}

fn frame_encode(input: &Value) -> Answer {
    let cipher = cipher(&input["cipher"]["name"], &input["cipher"])?;
    let (proto_id, serial) = (number(&input["protoId"])?, number(&input["serial"])?);
    let data = Frame::encode(proto_id, serial, number(&input["bodyFormat"])?, &bytes(&input["body"])?, &cipher)?;
    Ok(json!({"data": hex::encode(data)}))
}

fn frame_decode(input: &Value) -> Answer {
    let cipher = cipher(&input["cipher"]["name"], &input["cipher"])?;
    Ok(facts(&Frame::decode(&bytes(&input["data"])?, &cipher)?))
}

/// Returns the output for a vector; `None` for what is not supported.
fn answer(group: &Value, operation: &Value, input: &Value) -> Option<Answer> {
    let encrypt = || Ok(json!({"payload": hex::encode(cipher(group, input)?.encrypt(&bytes(&input["body"])?)?)}));
    let decrypt = || Ok(json!({"body": hex::encode(cipher(group, input)?.decrypt(&bytes(&input["payload"])?)?)}));
    Some(match (group.as_str()?, operation.as_str()?) {
        ("header", "decode") => header_decode(input),
        ("header", "encode") => header_encode(input),
        ("sha1", "digest") => bytes(&input["body"]).map(|body| json!({"sha1": hex::encode(sha1(&body))})),
        ("frame", "decode") => frame_decode(input),
        ("frame", "encode") => frame_encode(input),
        ("stream", "decode") => stream(input),
        ("ftaes_ecb" | "aes_ecb" | "aes_cbc", "encrypt") => encrypt(),
        ("ftaes_ecb" | "aes_ecb" | "aes_cbc", "decrypt") => decrypt(),
        _ => return None,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        let id = &question["id"];
        let reply = match answer(&question["group"], &question["operation"], &question["input"]) {
            Some(Ok(output)) => json!({"id": id, "output": output}),
            Some(Err(error)) => json!({"id": id, "error": error.to_string()}),
            None => json!({"id": id, "unsupported": true}),
        };
        writeln!(output, "{reply}")?;
        output.flush()?;
    }
    Ok(())
}
