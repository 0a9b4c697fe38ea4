//! Frames of OpenD: header, digest, AES, and cutting a stream into frames.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Block};
use sha1::{Digest, Sha1};

/// The header in front of every body, in bytes.
pub const HEADER_SIZE: usize = 44;
const BLOCK: usize = 16;
const MAGIC: &[u8] = b"FT";

/// Why bytes are no frame, or not under this cipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    Magic,
    ShortHeader,
    Length,
    TooLong,
    Blocks,
    KeySize,
    Padding,
    Digest,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Error::Magic => "a frame begins with FT",
            Error::ShortHeader => "a header has 44 bytes",
            Error::Length => "the body is not as long as the header says",
            Error::TooLong => "the body is longer than allowed",
            Error::Blocks => "AES bodies are whole blocks of 16 bytes, at least one",
            Error::KeySize => "AES keys and IVs have 16 bytes",
            Error::Padding => "the padding is wrong: another key, or another mode",
            Error::Digest => "the SHA-1 is not that of the plain body",
        })
    }
}

impl std::error::Error for Error {}

pub fn sha1(data: &[u8]) -> [u8; 20] {
    Sha1::digest(data).into()
}

/// What stands in front of every body: 44 bytes, packed, numbers little-endian.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    pub proto_id: u32,
    /// 0 protobuf, 1 JSON.
    pub body_format: u8,
    pub version: u8,
    /// A reply repeats that of its request.
    pub serial: u32,
    /// Of the body as it is sent: encrypted, if it is.
    pub body_length: u32,
    pub sha1: [u8; 20],
    pub reserved: [u8; 8],
}

impl Header {
    pub fn encode(&self) -> Vec<u8> {
        let mut data = MAGIC.to_vec();
        data.extend(self.proto_id.to_le_bytes());
        data.extend([self.body_format, self.version]);
        data.extend(self.serial.to_le_bytes());
        data.extend(self.body_length.to_le_bytes());
        data.extend(self.sha1);
        data.extend(self.reserved);
        data
    }

    /// Reads a header; the data may be longer.
    pub fn decode(data: &[u8]) -> Result<Header, Error> {
        if data.len() >= MAGIC.len() && !data.starts_with(MAGIC) {
            return Err(Error::Magic);
        }
        if data.len() < HEADER_SIZE {
            return Err(Error::ShortHeader);
        }
        let number = |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
        let mut header = Header {
            proto_id: number(2),
            body_format: data[6],
            version: data[7],
            serial: number(8),
            body_length: number(12),
            sha1: [0; 20],
            reserved: [0; 8],
        };
        header.sha1.copy_from_slice(&data[16..36]);
        header.reserved.copy_from_slice(&data[36..44]);
        Ok(header)
    }
}

/// How bodies are encrypted once InitConnect is answered: key and IV are connAESKey and aesCBCiv of that answer,
/// 16 characters, each of them one byte.
#[derive(Debug, Clone)]
pub enum Cipher {
    None,
    FtAesEcb(Vec<u8>),
    AesEcb(Vec<u8>),
    /// Key and IV; every frame starts from this IV.
    AesCbc(Vec<u8>, Vec<u8>),
}

impl Cipher {
    /// Returns a body as it is sent.
    pub fn encrypt(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let mut data = body.to_vec();
        let rest = body.len() % BLOCK;
        match self {
            Cipher::None => {}
            Cipher::FtAesEcb(key) => {
                data.resize(body.len().next_multiple_of(BLOCK), 0);
                encrypt_blocks(key, None, &mut data)?;
                // A plain block, whose last byte is the body's length modulo 16.
                data.extend([0; BLOCK - 1]);
                data.push(rest as u8);
            }
            Cipher::AesEcb(key) => {
                data.resize(body.len() + BLOCK - rest, (BLOCK - rest) as u8); // PKCS#7
                encrypt_blocks(key, None, &mut data)?;
            }
            Cipher::AesCbc(key, iv) => {
                data.resize(body.len() + BLOCK - rest, (BLOCK - rest) as u8);
                encrypt_blocks(key, Some(iv), &mut data)?;
            }
        }
        Ok(data)
    }

    /// Returns the plain body of what was received.
    pub fn decrypt(&self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        let mut data = payload.to_vec();
        let (key, iv) = match self {
            Cipher::None => return Ok(data),
            Cipher::FtAesEcb(key) | Cipher::AesEcb(key) => (key, None),
            Cipher::AesCbc(key, iv) => (key, Some(iv)),
        };
        let last = *payload.last().ok_or(Error::Blocks)? as usize;
        if payload.len() % BLOCK != 0 {
            return Err(Error::Blocks);
        }
        if let Cipher::FtAesEcb(_) = self {
            data.truncate(payload.len() - BLOCK);
            decrypt_blocks(key, None, &mut data)?;
            if last >= BLOCK || (last > 0 && data.is_empty()) {
                return Err(Error::Padding);
            }
            if last > 0 {
                data.truncate(data.len() - BLOCK + last); // 0 means whole blocks: nothing to strip
            }
            return Ok(data);
        }
        decrypt_blocks(key, iv, &mut data)?;
        let count = data[data.len() - 1] as usize;
        if !(1..=BLOCK).contains(&count) || data[data.len() - count..].iter().any(|&byte| byte as usize != count) {
            return Err(Error::Padding);
        }
        data.truncate(data.len() - count);
        Ok(data)
    }
}

fn block_of(data: &[u8]) -> Result<Block, Error> {
    Block::try_from(data).map_err(|_| Error::KeySize)
}

fn encrypt_blocks(key: &[u8], iv: Option<&Vec<u8>>, data: &mut [u8]) -> Result<(), Error> {
    let aes = Aes128::new_from_slice(key).map_err(|_| Error::KeySize)?;
    let mut previous = iv.map(|iv| block_of(iv)).transpose()?;
    for chunk in data.chunks_exact_mut(BLOCK) {
        let mut block = block_of(chunk)?;
        if let Some(previous) = previous {
            block.iter_mut().zip(previous).for_each(|(byte, other)| *byte ^= other);
        }
        aes.encrypt_block(&mut block);
        chunk.copy_from_slice(&block);
        previous = previous.map(|_| block);
    }
    Ok(())
}

fn decrypt_blocks(key: &[u8], iv: Option<&Vec<u8>>, data: &mut [u8]) -> Result<(), Error> {
    let aes = Aes128::new_from_slice(key).map_err(|_| Error::KeySize)?;
    let mut previous = iv.map(|iv| block_of(iv)).transpose()?;
    for chunk in data.chunks_exact_mut(BLOCK) {
        let encrypted = block_of(chunk)?;
        let mut block = encrypted;
        aes.decrypt_block(&mut block);
        if let Some(previous) = previous {
            block.iter_mut().zip(previous).for_each(|(byte, other)| *byte ^= other);
        }
        chunk.copy_from_slice(&block);
        previous = previous.map(|_| encrypted);
    }
    Ok(())
}

/// A header and its plain body.
#[derive(Debug, Clone)]
pub struct Frame {
    pub header: Header,
    pub body: Vec<u8>,
}

impl Frame {
    /// Returns a frame as it is sent. The SHA-1 is that of the plain body, the length that of the encrypted one.
    pub fn encode(proto_id: u32, serial: u32, body_format: u8, body: &[u8], cipher: &Cipher) -> Result<Vec<u8>, Error> {
        let payload = cipher.encrypt(body)?;
        let header = Header {
            proto_id,
            body_format,
            version: 0,
            serial,
            body_length: payload.len().try_into().map_err(|_| Error::TooLong)?,
            sha1: sha1(body),
            reserved: [0; 8],
        };
        let mut data = header.encode();
        data.extend(payload);
        Ok(data)
    }

    /// Reads one whole frame, decrypts its body and checks its digest.
    pub fn decode(data: &[u8], cipher: &Cipher) -> Result<Frame, Error> {
        let header = Header::decode(data)?;
        let payload = &data[HEADER_SIZE..];
        if payload.len() != header.body_length as usize {
            return Err(Error::Length);
        }
        let body = cipher.decrypt(payload)?;
        if sha1(&body) != header.sha1 {
            return Err(Error::Digest);
        }
        Ok(Frame { header, body })
    }
}

/// Cuts what a socket gives, in whatever pieces, into frames.
pub struct Decoder {
    pub cipher: Cipher,
    pub max_body: u32,
    /// Bytes that wait for the rest of their frame.
    pub pending: Vec<u8>,
}

impl Decoder {
    pub fn new(cipher: Cipher, max_body: u32) -> Decoder {
        Decoder { cipher, max_body, pending: Vec::new() }
    }

    /// Appends every frame that the data completes to `found`, and the header alone of one whose body cannot be had:
    /// the stream goes on behind it. After an error nothing more can be read: close the connection.
    pub fn feed(&mut self, data: &[u8], found: &mut Vec<Result<Frame, Header>>) -> Result<(), Error> {
        self.pending.extend(data);
        let mut at = 0;
        let result = loop {
            let rest = &self.pending[at..];
            let header = match Header::decode(rest) {
                Ok(header) => header,
                Err(Error::ShortHeader) => break Ok(()),
                Err(error) => break Err(error),
            };
            if header.body_length > self.max_body {
                break Err(Error::TooLong);
            }
            let size = HEADER_SIZE + header.body_length as usize;
            if rest.len() < size {
                break Ok(());
            }
            found.push(Frame::decode(&rest[..size], &self.cipher).map_err(|_| header));
            at += size;
        };
        self.pending.drain(..at);
        result
    }
}
