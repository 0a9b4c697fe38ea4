package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/binary"
	"errors"
)

// HeaderSize is the length of the header in front of every body, in bytes.
const HeaderSize = 44

var (
	errMagic   = errors.New("a frame begins with FT")
	errShort   = errors.New("a header has 44 bytes")
	errLength  = errors.New("the body is not as long as the header says")
	errDigest  = errors.New("the SHA-1 is not that of the plain body")
	errBlocks  = errors.New("AES bodies are whole blocks of 16 bytes, at least one")
	errPadding = errors.New("the padding is wrong: another key, or another mode")
	errTooLong = errors.New("the body is longer than allowed")
)

// Header is what stands in front of every body: 44 bytes, packed, numbers little-endian.
type Header struct {
	ProtoID    uint32
	BodyFormat uint8 // 0 protobuf, 1 JSON
	Version    uint8
	Serial     uint32 // a reply repeats that of its request
	BodyLength uint32 // of the body as it is sent: encrypted, if it is
	SHA1       [20]byte
	Reserved   [8]byte
}

// Bytes returns the header as it is sent.
func (h Header) Bytes() []byte {
	data := append(make([]byte, 0, HeaderSize), "FT"...)
	data = binary.LittleEndian.AppendUint32(data, h.ProtoID)
	data = append(data, h.BodyFormat, h.Version)
	data = binary.LittleEndian.AppendUint32(data, h.Serial)
	data = binary.LittleEndian.AppendUint32(data, h.BodyLength)
	data = append(data, h.SHA1[:]...)
	return append(data, h.Reserved[:]...)
}

// ParseHeader reads a header; data may be longer.
func ParseHeader(data []byte) (Header, error) {
	if len(data) >= 2 && string(data[:2]) != "FT" {
		return Header{}, errMagic
	}
	if len(data) < HeaderSize {
		return Header{}, errShort
	}
	return Header{
		ProtoID:    binary.LittleEndian.Uint32(data[2:]),
		BodyFormat: data[6],
		Version:    data[7],
		Serial:     binary.LittleEndian.Uint32(data[8:]),
		BodyLength: binary.LittleEndian.Uint32(data[12:]),
		SHA1:       [20]byte(data[16:36]),
		Reserved:   [8]byte(data[36:44]),
	}, nil
}

// Cipher is how bodies are encrypted once InitConnect is answered. Key and IV are connAESKey and aesCBCiv of that answer.
type Cipher struct {
	Name string // none, ftaes_ecb, aes_ecb or aes_cbc
	Key  string // 16 characters, each of them one byte
	IV   string // the same, of aes_cbc alone: every frame starts from it
}

// Encrypt returns a body as it is sent.
func (c Cipher) Encrypt(body []byte) ([]byte, error) {
	if c.Name == "none" {
		return body, nil
	}
	rest := len(body) % aes.BlockSize
	if c.Name == "ftaes_ecb" { // padded with zeros; behind it a plain block, whose last byte is len(body) % 16
		padded := append(bytes.Clone(body), make([]byte, (aes.BlockSize-rest)%aes.BlockSize)...)
		out, err := c.blocks(padded, true)
		return append(append(out, make([]byte, aes.BlockSize-1)...), byte(rest)), err
	}
	padding := bytes.Repeat([]byte{byte(aes.BlockSize - rest)}, aes.BlockSize-rest) // PKCS#7
	return c.blocks(append(bytes.Clone(body), padding...), true)
}

// Decrypt returns the plain body of what was received.
func (c Cipher) Decrypt(data []byte) ([]byte, error) {
	if c.Name == "none" {
		return data, nil
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errBlocks
	}
	if c.Name == "ftaes_ecb" {
		rest := int(data[len(data)-1])
		body, err := c.blocks(data[:len(data)-aes.BlockSize], false)
		if err != nil || rest == 0 { // 0: whole blocks, nothing to strip
			return body, err
		}
		if rest >= aes.BlockSize || len(body) == 0 {
			return nil, errPadding
		}
		return body[:len(body)-aes.BlockSize+rest], nil
	}
	body, err := c.blocks(data, false)
	if err != nil {
		return nil, err
	}
	count := int(body[len(body)-1])
	if count < 1 || count > aes.BlockSize || !bytes.HasSuffix(body, bytes.Repeat([]byte{byte(count)}, count)) {
		return nil, errPadding
	}
	return body[:len(body)-count], nil
}

func (c Cipher) blocks(data []byte, encrypt bool) ([]byte, error) {
	block, err := aes.NewCipher([]byte(c.Key))
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(data))
	if c.Name == "aes_cbc" {
		if len(c.IV) != aes.BlockSize {
			return nil, errors.New("the IV has 16 bytes")
		}
		mode := cipher.NewCBCDecrypter(block, []byte(c.IV))
		if encrypt {
			mode = cipher.NewCBCEncrypter(block, []byte(c.IV))
		}
		mode.CryptBlocks(out, data)
		return out, nil
	}
	one := block.Decrypt
	if encrypt {
		one = block.Encrypt
	}
	for at := 0; at < len(data); at += aes.BlockSize { // Go has no ECB
		one(out[at:], data[at:])
	}
	return out, nil
}

// Frame is a header and its plain body.
type Frame struct {
	Header
	Body []byte
}

// EncodeFrame returns a frame as it is sent. The SHA-1 is that of the plain body, the length that of the encrypted one.
func EncodeFrame(protoID, serial uint32, format uint8, body []byte, c Cipher) ([]byte, error) {
	payload, err := c.Encrypt(body)
	if err != nil {
		return nil, err
	}
	header := Header{
		ProtoID: protoID, BodyFormat: format, Serial: serial, BodyLength: uint32(len(payload)), SHA1: sha1.Sum(body),
	}
	return append(header.Bytes(), payload...), nil
}

// DecodeFrame reads one whole frame, decrypts its body and checks its digest.
func DecodeFrame(data []byte, c Cipher) (Frame, error) {
	header, err := ParseHeader(data)
	if err != nil {
		return Frame{}, err
	}
	if uint64(len(data)) != HeaderSize+uint64(header.BodyLength) {
		return Frame{}, errLength
	}
	body, err := c.Decrypt(data[HeaderSize:])
	if err != nil {
		return Frame{}, err
	}
	if sha1.Sum(body) != header.SHA1 {
		return Frame{}, errDigest
	}
	return Frame{header, body}, nil
}

// Decoder cuts what a socket gives, in whatever pieces, into frames.
type Decoder struct {
	Cipher  Cipher
	MaxBody uint32
	kept    []byte
}

// Feed calls found with every frame that data completes; with an error, too, for one whose body cannot be had: the
// stream goes on behind it. After an error of its own nothing more can be read: close the connection.
func (d *Decoder) Feed(data []byte, found func(Frame, error)) error {
	d.kept = append(d.kept, data...)
	for {
		header, err := ParseHeader(d.kept)
		if errors.Is(err, errShort) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.BodyLength > d.MaxBody {
			return errTooLong
		}
		end := HeaderSize + int(header.BodyLength)
		if len(d.kept) < end {
			return nil
		}
		frame, err := DecodeFrame(d.kept[:end], d.Cipher)
		if err != nil {
			frame.Header = header
		}
		found(frame, err)
		d.kept = d.kept[end:]
	}
}

// Pending is the number of bytes that wait for the rest of their frame.
func (d *Decoder) Pending() int { return len(d.kept) }
