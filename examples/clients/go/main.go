// A starting point for a client of OpenD in Go: frames, digests and AES, and this program that tests them.
//
//	ftwire vectors check --command build/decoder
package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"os"
)

type object = map[string]any

// Hex is bytes that JSON has as text.
type Hex []byte

// UnmarshalJSON reads the text.
func (h *Hex) UnmarshalJSON(data []byte) (err error) {
	var text string
	if err = json.Unmarshal(data, &text); err == nil {
		*h, err = hex.DecodeString(text)
	}
	return err
}

type input struct {
	Data, Body, Payload, SHA1, Reserved Hex
	ProtoID, Serial, BodyLength         uint32
	BodyFormat, Version                 uint8
	Cipher                              Cipher
	Key, IV                             string
	Chunks                              []Hex
	MaxBody                             uint32
}

type question struct {
	ID, Group, Operation string
	Input                input
}

func facts(frame Frame) object {
	return object{
		"protoId": frame.ProtoID, "serial": frame.Serial, "bodyFormat": frame.BodyFormat,
		"body": hex.EncodeToString(frame.Body),
	}
}

func stream(in input) object {
	events := []object{}
	decoder := Decoder{Cipher: in.Cipher, MaxBody: in.MaxBody}
	for _, chunk := range in.Chunks {
		err := decoder.Feed(chunk, func(frame Frame, err error) {
			if err != nil {
				events = append(events, object{"protoId": frame.ProtoID, "serial": frame.Serial, "damaged": true})
			} else {
				events = append(events, facts(frame))
			}
		})
		if err != nil {
			return object{"events": events, "fatal": true, "pending": 0}
		}
	}
	return object{"events": events, "fatal": false, "pending": decoder.Pending()}
}

// answer returns the output for a vector; nil for what is not supported.
func answer(group, operation string, in input) (object, error) {
	switch group + " " + operation {
	case "header decode":
		h, err := ParseHeader(in.Data)
		return object{
			"protoId": h.ProtoID, "bodyFormat": h.BodyFormat, "version": h.Version, "serial": h.Serial,
			"bodyLength": h.BodyLength, "sha1": hex.EncodeToString(h.SHA1[:]),
			"reserved": hex.EncodeToString(h.Reserved[:]),
		}, err
	case "header encode":
		h := Header{
			in.ProtoID, in.BodyFormat, in.Version, in.Serial, in.BodyLength, [20]byte(in.SHA1), [8]byte(in.Reserved),
		}
		return object{"data": hex.EncodeToString(h.Bytes())}, nil
	case "sha1 digest":
		digest := sha1.Sum(in.Body)
		return object{"sha1": hex.EncodeToString(digest[:])}, nil
	case "frame decode":
		frame, err := DecodeFrame(in.Data, in.Cipher)
		return facts(frame), err
	case "frame encode":
		data, err := EncodeFrame(in.ProtoID, in.Serial, in.BodyFormat, in.Body, in.Cipher)
		return object{"data": hex.EncodeToString(data)}, err
	case "stream decode":
		return stream(in), nil
	case "ftaes_ecb encrypt", "aes_ecb encrypt", "aes_cbc encrypt":
		payload, err := Cipher{group, in.Key, in.IV}.Encrypt(in.Body)
		return object{"payload": hex.EncodeToString(payload)}, err
	case "ftaes_ecb decrypt", "aes_ecb decrypt", "aes_cbc decrypt":
		body, err := Cipher{group, in.Key, in.IV}.Decrypt(in.Payload)
		return object{"body": hex.EncodeToString(body)}, err
	}
	return nil, nil
}

func reply(asked question) object {
	output, err := answer(asked.Group, asked.Operation, asked.Input)
	switch {
	case err != nil:
		return object{"id": asked.ID, "error": err.Error()}
	case output == nil:
		return object{"id": asked.ID, "unsupported": true}
	}
	return object{"id": asked.ID, "output": output}
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n') // a bufio.Scanner would stop at lines above 64 KiB
		if err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			panic(err)
		}
		if err := answers.Encode(reply(asked)); err != nil {
			panic(err)
		}
	}
}
