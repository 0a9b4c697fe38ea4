// Command runner answers golden vectors without a line of ours: Go's own crypto, and protobuf's own JSON mapping.
//
//	runner PROTO_FOLDER        one JSON question a line on standard input, one answer a line
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const headerSize = 44

type object = map[string]any

type spec struct {
	Name string  `json:"name"`
	Key  string  `json:"key"`
	IV   string  `json:"iv"`
	PEM  *string `json:"-"`
}

type input struct {
	Data, Body, Payload, SHA1, Reserved, Sender, Section, ErrorText, Message, JSON, Protobuf string
	ProtoID                                                                                  uint32 `json:"protoId"`
	Serial, BodyLength, Command                                                              uint32
	BodyFormat, Version                                                                      uint8
	ErrorCode                                                                                int32
	Cipher                                                                                   spec
	Key                                                                                      *string
	IV                                                                                       string `json:"iv"`
	Chunks                                                                                   []string
	MaxBody                                                                                  uint32
	Frames                                                                                   []struct{ Sender, Data string }
}

func unhex(text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

// Ciphers

func blocks(key, iv string, data []byte, encrypt bool) ([]byte, error) {
	block, err := aes.NewCipher([]byte(key))
	if err != nil || len(key) != 16 {
		return nil, errors.New("AES key")
	}
	out := make([]byte, len(data))
	if iv != "" {
		if len(iv) != 16 {
			return nil, errors.New("AES IV")
		}
		if encrypt {
			cipher.NewCBCEncrypter(block, []byte(iv)).CryptBlocks(out, data)
		} else {
			cipher.NewCBCDecrypter(block, []byte(iv)).CryptBlocks(out, data)
		}
		return out, nil
	}
	for at := 0; at < len(data); at += 16 {
		if encrypt {
			block.Encrypt(out[at:], data[at:])
		} else {
			block.Decrypt(out[at:], data[at:])
		}
	}
	return out, nil
}

func (s spec) encrypt(body []byte) ([]byte, error) {
	switch s.Name {
	case "none":
		return body, nil
	case "ftaes_ecb":
		over := len(body) % 16
		padded := append(bytes.Clone(body), make([]byte, (16-over)%16)...)
		out, err := blocks(s.Key, "", padded, true)
		return append(append(out, make([]byte, 15)...), byte(over)), err
	}
	missing := 16 - len(body)%16
	return blocks(s.Key, s.IV, append(bytes.Clone(body), bytes.Repeat([]byte{byte(missing)}, missing)...), true)
}

func (s spec) decrypt(payload []byte) ([]byte, error) {
	switch s.Name {
	case "none":
		return payload, nil
	case "rsa":
		return rsaDecrypt(*s.PEM, payload)
	}
	if len(payload) == 0 || len(payload)%16 != 0 {
		return nil, errors.New("not whole blocks")
	}
	if s.Name == "ftaes_ecb" {
		last := int(payload[len(payload)-1])
		plain, err := blocks(s.Key, "", payload[:len(payload)-16], false)
		switch {
		case err != nil:
			return nil, err
		case last == 0:
			return plain, nil
		case last > 15 || len(plain) == 0:
			return nil, errors.New("tail")
		}
		return plain[:len(plain)-16+last], nil
	}
	plain, err := blocks(s.Key, s.IV, payload, false)
	if err != nil {
		return nil, err
	}
	count := int(plain[len(plain)-1])
	if count < 1 || count > 16 || !bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(count)}, count)) {
		return nil, errors.New("padding")
	}
	return plain[:len(plain)-count], nil
}

func rsaKey(text string) (*rsa.PrivateKey, error) {
	found, _ := pem.Decode([]byte(text))
	if found == nil {
		return nil, errors.New("PEM")
	}
	key, err := x509.ParsePKCS1PrivateKey(found.Bytes)
	if err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(found.Bytes)
	if err != nil {
		return nil, err
	}
	return parsed.(*rsa.PrivateKey), nil
}

func rsaEncrypt(text string, body []byte) ([]byte, error) {
	key, err := rsaKey(text)
	if err != nil {
		return nil, err
	}
	var payload []byte
	for ; len(body) > 0; body = body[min(100, len(body)):] {
		block, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, body[:min(100, len(body))])
		if err != nil {
			return nil, err
		}
		payload = append(payload, block...)
	}
	return payload, nil
}

func rsaDecrypt(text string, payload []byte) ([]byte, error) {
	key, err := rsaKey(text)
	if err != nil {
		return nil, err
	}
	if len(payload)%key.Size() != 0 {
		return nil, errors.New("not whole blocks")
	}
	var body []byte
	for at := 0; at < len(payload); at += key.Size() {
		part, err := rsa.DecryptPKCS1v15(nil, key, payload[at:at+key.Size()])
		if err != nil {
			return nil, err
		}
		body = append(body, part...)
	}
	return body, nil
}

// Frames

type header struct {
	protoID, serial, length uint32
	format, version         uint8
	digest, reserved        []byte
}

func readHeader(data []byte) (header, error) {
	if len(data) < headerSize {
		return header{}, errors.New("short")
	}
	if string(data[:2]) != "FT" {
		return header{}, errors.New("magic")
	}
	little := binary.LittleEndian
	return header{
		little.Uint32(data[2:]), little.Uint32(data[8:]), little.Uint32(data[12:]), data[6], data[7], data[16:36],
		data[36:44],
	}, nil
}

func (h header) bytes() []byte {
	data := []byte("FT")
	little := binary.LittleEndian
	data = little.AppendUint32(data, h.protoID)
	data = append(data, h.format, h.version)
	data = little.AppendUint32(data, h.serial)
	data = little.AppendUint32(data, h.length)
	return append(append(data, h.digest...), h.reserved...)
}

func openFrame(data []byte, with spec) (object, []byte, error) {
	head, err := readHeader(data)
	if err != nil {
		return nil, nil, err
	}
	if uint64(len(data)) != headerSize+uint64(head.length) {
		return nil, nil, errors.New("length")
	}
	body, err := with.decrypt(data[headerSize:])
	if err != nil {
		return nil, nil, err
	}
	if digest := sha1.Sum(body); !bytes.Equal(digest[:], head.digest) {
		return nil, nil, errors.New("digest")
	}
	return object{
		"protoId": head.protoID, "serial": head.serial, "bodyFormat": head.format, "body": hex.EncodeToString(body),
	}, body, nil
}

func stream(given input) object {
	events := []object{}
	var kept []byte
	for _, chunk := range given.Chunks {
		kept = append(kept, unhex(chunk)...)
		for {
			if len(kept) > 1 && string(kept[:2]) != "FT" {
				return object{"events": events, "fatal": true, "pending": 0}
			}
			head, err := readHeader(kept)
			if err != nil {
				break
			}
			if head.length > given.MaxBody {
				return object{"events": events, "fatal": true, "pending": 0}
			}
			end := headerSize + int(head.length)
			if len(kept) < end {
				break
			}
			event, _, err := openFrame(kept[:end], given.Cipher)
			if err != nil {
				event = object{"protoId": head.protoID, "serial": head.serial, "damaged": true}
			}
			events = append(events, event)
			kept = kept[end:]
		}
	}
	return object{"events": events, "fatal": false, "pending": len(kept)}
}

// Messages

var schema = map[protoreflect.FullName]protoreflect.MessageDescriptor{}

func loadSchema(folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, "*.proto"))
	if err != nil {
		return err
	}
	for at := range names {
		names[at] = filepath.Base(names[at])
	}
	source := &protocompile.SourceResolver{ImportPaths: []string{folder}}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(source)}
	files, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return err
	}
	for _, file := range files {
		messages := file.Messages()
		for at := range messages.Len() {
			schema[messages.Get(at).FullName()] = messages.Get(at)
		}
	}
	return nil
}

func field(message protoreflect.Message, names ...string) (protoreflect.Value, bool) {
	for at, name := range names {
		described := message.Descriptor().Fields().ByName(protoreflect.Name(name))
		if at == len(names)-1 {
			return message.Get(described), message.Has(described)
		}
		message = message.Get(described).Message()
	}
	panic("no field")
}

func parse(name string, body []byte) (*dynamicpb.Message, error) {
	message := dynamicpb.NewMessage(schema[protoreflect.FullName(name)])
	return message, proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(body, message)
}

func handshake(given input) (object, error) {
	with := spec{Name: "none"}
	if given.Key != nil {
		with = spec{Name: "rsa", PEM: given.Key}
	}
	bodies := []string{}
	result := object{"accepted": false, "encryption": nil, "connId": nil}
	var asked *dynamicpb.Message
	for at, said := range given.Frames {
		facts, body, err := openFrame(unhex(said.Data), with)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, facts["body"].(string))
		switch at {
		case 0:
			if facts["protoId"].(uint32) != 1001 {
				return nil, errors.New("InitConnect comes first")
			}
			if asked, err = parse("InitConnect.Request", body); err != nil {
				return nil, err
			}
		case 1:
			reply, err := parse("InitConnect.Response", body)
			if err != nil {
				return nil, err
			}
			if status, _ := field(reply, "retType"); status.Int() != 0 {
				continue
			}
			conn, _ := field(reply, "s2c", "connID")
			key, _ := field(reply, "s2c", "connAESKey")
			iv, hasIV := field(reply, "s2c", "aesCBCiv")
			algorithm, has := field(asked, "c2s", "packetEncAlgo")
			with = spec{Key: key.String()}
			switch {
			case given.Key == nil || has && algorithm.Int() == -1:
				with.Name = "none"
			case has && algorithm.Int() == 0:
				with.Name = "ftaes_ecb"
			case has && algorithm.Int() == 1:
				with.Name = "aes_ecb"
			case !hasIV:
				with.Name = "ftaes_ecb"
			case iv.String() == "":
				with.Name = "aes_ecb"
			default:
				with.Name, with.IV = "aes_cbc", iv.String()
			}
			if with.Name != "none" && len(with.Key) != 16 {
				return nil, errors.New("AES key")
			}
			result["accepted"], result["encryption"] = true, with.Name
			result["connId"] = strconv.FormatUint(conn.Uint(), 10)
		}
	}
	result["bodies"] = bodies
	return result, nil
}

// WebSocket

const magic = "ft-v1.0\x00"

func envelope(given input) (object, error) {
	data := unhex(given.Data)
	size := 44
	if given.Sender == "client" {
		size = 20
	}
	if len(data) < size || string(data[:8]) != magic {
		return nil, errors.New("envelope")
	}
	code, text := int32(0), ""
	if size == 44 {
		code = int32(binary.BigEndian.Uint32(data[20:]))
		text, _, _ = strings.Cut(string(data[24:44]), "\x00")
	}
	return object{
		"command": binary.BigEndian.Uint32(data[8:]), "section": strconv.FormatUint(binary.BigEndian.Uint64(data[12:]), 10),
		"errorCode": code, "errorText": text, "body": hex.EncodeToString(data[size:]),
	}, nil
}

func envelopeBytes(given input) (object, error) {
	section, err := strconv.ParseUint(given.Section, 10, 64)
	if err != nil {
		return nil, err
	}
	data := binary.BigEndian.AppendUint32([]byte(magic), given.Command)
	data = binary.BigEndian.AppendUint64(data, section)
	if given.Sender == "server" {
		data = binary.BigEndian.AppendUint32(data, uint32(given.ErrorCode))
		data = append(append(data, given.ErrorText...), make([]byte, 20-len(given.ErrorText))...)
	}
	return object{"data": hex.EncodeToString(append(data, unhex(given.Body)...))}, nil
}

// Questions

var errUnsupported = errors.New("unsupported")

func answer(group, operation string, given input) (object, error) {
	switch group + " " + operation {
	case "header decode":
		head, err := readHeader(unhex(given.Data))
		if err != nil {
			return nil, err
		}
		return object{
			"protoId": head.protoID, "bodyFormat": head.format, "version": head.version, "serial": head.serial,
			"bodyLength": head.length, "sha1": hex.EncodeToString(head.digest),
			"reserved": hex.EncodeToString(head.reserved),
		}, nil
	case "header encode":
		head := header{
			given.ProtoID, given.Serial, given.BodyLength, given.BodyFormat, given.Version, unhex(given.SHA1),
			unhex(given.Reserved),
		}
		return object{"data": hex.EncodeToString(head.bytes())}, nil
	case "frame decode":
		facts, _, err := openFrame(unhex(given.Data), given.Cipher)
		return facts, err
	case "frame encode":
		body := unhex(given.Body)
		payload, err := given.Cipher.encrypt(body)
		if err != nil {
			return nil, err
		}
		digest := sha1.Sum(body)
		head := header{
			given.ProtoID, given.Serial, uint32(len(payload)), given.BodyFormat, 0, digest[:], make([]byte, 8),
		}
		return object{"data": hex.EncodeToString(append(head.bytes(), payload...))}, nil
	case "sha1 digest":
		digest := sha1.Sum(unhex(given.Body))
		return object{"sha1": hex.EncodeToString(digest[:])}, nil
	case "ftaes_ecb encrypt", "aes_ecb encrypt", "aes_cbc encrypt":
		payload, err := spec{Name: group, Key: *given.Key, IV: given.IV}.encrypt(unhex(given.Body))
		return object{"payload": hex.EncodeToString(payload)}, err
	case "ftaes_ecb decrypt", "aes_ecb decrypt", "aes_cbc decrypt":
		body, err := spec{Name: group, Key: *given.Key, IV: given.IV}.decrypt(unhex(given.Payload))
		return object{"body": hex.EncodeToString(body)}, err
	case "rsa_handshake decrypt":
		body, err := rsaDecrypt(*given.Key, unhex(given.Payload))
		return object{"body": hex.EncodeToString(body)}, err
	case "rsa_handshake encrypt":
		payload, err := rsaEncrypt(*given.Key, unhex(given.Body))
		return object{"payload": hex.EncodeToString(payload)}, err
	case "rsa_handshake frame":
		with := spec{Name: "none"}
		if given.Key != nil {
			with = spec{Name: "rsa", PEM: given.Key}
		}
		facts, _, err := openFrame(unhex(given.Data), with)
		return facts, err
	case "websocket decode":
		return envelope(given)
	case "websocket encode":
		return envelopeBytes(given)
	case "websocket key_digest":
		if *given.Key == "" {
			return object{"digest": ""}, nil
		}
		digest := md5.Sum([]byte(*given.Key))
		return object{"digest": hex.EncodeToString(digest[:])}, nil
	case "json_body decode":
		message := dynamicpb.NewMessage(schema[protoreflect.FullName(given.Message)])
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal([]byte(given.JSON), message); err != nil {
			return nil, err
		}
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		return object{"protobuf": hex.EncodeToString(body)}, err
	case "json_body encode":
		message, err := parse(given.Message, unhex(given.Protobuf))
		if err != nil {
			return nil, err
		}
		text, err := protojson.Marshal(message)
		return object{"json": json.RawMessage(text)}, err
	case "stream decode":
		return stream(given), nil
	case "handshake follow":
		return handshake(given)
	}
	return nil, errUnsupported
}

func main() {
	if err := loadSchema(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		var question struct {
			ID, Group, Operation string
			Input                input
		}
		if err := json.Unmarshal(line, &question); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		output, err := answer(question.Group, question.Operation, question.Input)
		said := object{"id": question.ID}
		switch {
		case errors.Is(err, errUnsupported):
			said["unsupported"] = true
		case err != nil:
			said["error"] = err.Error()
		default:
			said["output"] = output
		}
		if err := out.Encode(said); err != nil {
			os.Exit(1)
		}
	}
}
