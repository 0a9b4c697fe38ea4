package main

// Tests of a Go program against a gateway of ftwire's, which the test steers over HTTP. FTWIRE is the command, where it
// is not on the path:
//
//	FTWIRE="python -m ftwire_tools.cli" go test .

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const timeout = 20 * time.Second

// Gateway is a running `ftwire serve --control`.
type Gateway struct {
	t       *testing.T
	address string // where clients connect
	control string // URL of the control port
	token   string
}

// StartGateway starts a gateway that stops with the test. Its market's clock stands still.
func StartGateway(t *testing.T) *Gateway {
	t.Helper()
	tokenFile := filepath.Join(t.TempDir(), "token")
	words := strings.Fields(os.Getenv("FTWIRE"))
	if len(words) == 0 {
		words = []string{"ftwire"}
	}
	words = append(words, "serve", "--synthetic", "--hours", "always", "--port", "0", "--log-json",
		"--control", "0", "--control-token-file", tokenFile)
	command := exec.Command(words[0], words[1:]...)
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	g := &Gateway{t: t}
	lines := bufio.NewScanner(log)
	for g.control == "" && lines.Scan() {
		var event struct {
			Event, Host, URL string
			Port             int
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue
		}
		switch event.Event {
		case "listening":
			g.address = fmt.Sprintf("%s:%d", event.Host, event.Port)
		case "control":
			g.control = event.URL
		}
	}
	token, err := os.ReadFile(tokenFile)
	if err != nil || g.control == "" {
		t.Fatalf("the gateway does not listen: %v", err)
	}
	g.token = strings.TrimSpace(string(token))
	go io.Copy(io.Discard, log)
	g.Call("clock/stop", nil)
	return g
}

// Call calls a verb, such as market/set_price; docs/control.openapi.json lists them.
func (g *Gateway) Call(verb string, arguments map[string]any) {
	g.t.Helper()
	if status, answer := g.request("POST", verb, arguments); status != 200 {
		g.t.Fatalf("%s: %d %v", verb, status, answer["error"])
	}
}

func (g *Gateway) request(method, path string, arguments map[string]any) (int, map[string]any) {
	g.t.Helper()
	body, _ := json.Marshal(arguments)
	request, _ := http.NewRequest(method, g.control+"/v1/"+path, bytes.NewReader(body))
	if arguments == nil {
		request.Body = http.NoBody
		request.ContentLength = 0
	}
	request.Header.Set("Authorization", "Bearer "+g.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: timeout}).Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		g.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// Client is the program that is tested: a connection with JSON bodies, which asks and waits for the answer.
type Client struct {
	t       *testing.T
	socket  net.Conn
	decoder Decoder
	serial  uint32
	Pushes  []Frame
}

// Connect connects a client, and does the handshake.
func Connect(t *testing.T, address string) *Client {
	t.Helper()
	socket, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	client := &Client{t: t, socket: socket, decoder: Decoder{Cipher: Cipher{Name: "none"}, MaxBody: 1 << 24}}
	client.Ask(1001, `{"c2s":{"clientVer":100,"clientID":"go","recvNotify":true,"pushProtoFmt":1}}`)
	return client
}

// Answer is what all replies and pushes have in common, and the content of a quote.
type Answer struct {
	RetType int
	RetMsg  string
	S2C     struct {
		BasicQotList []struct{ CurPrice float64 }
	}
}

// Ask sends a request and returns its reply; pushes that come before it are kept.
func (c *Client) Ask(protoID uint32, body string) Answer {
	c.t.Helper()
	c.serial++
	frame, err := EncodeFrame(protoID, c.serial, 1, []byte(body), Cipher{Name: "none"})
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.socket.Write(frame); err != nil {
		c.t.Fatal(err)
	}
	var reply *Frame
	c.until(func() bool { return reply != nil }, func(frame Frame) {
		if frame.ProtoID == protoID && frame.Serial == c.serial {
			reply = &frame
		} else {
			c.Pushes = append(c.Pushes, frame)
		}
	})
	return c.read(*reply)
}

func (c *Client) until(done func() bool, take func(Frame)) {
	c.t.Helper()
	c.socket.SetReadDeadline(time.Now().Add(timeout))
	buffer := make([]byte, 1<<16)
	for !done() {
		size, err := c.socket.Read(buffer)
		if err != nil {
			c.t.Fatal(err)
		}
		err = c.decoder.Feed(buffer[:size], func(frame Frame, err error) {
			if err != nil {
				c.t.Fatal(err)
			}
			take(frame)
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *Client) read(frame Frame) Answer {
	c.t.Helper()
	var answer Answer
	if err := json.Unmarshal(frame.Body, &answer); err != nil {
		c.t.Fatal(err)
	}
	return answer
}

const (
	security  = `{"market":1,"code":"00700"}`
	subscribe = `{"c2s":{"securityList":[` + security + `],"subTypeList":[1],"isSubOrUnSub":true,"isRegOrUnRegPush":true,"isFirstPush":false}}`
	quote     = `{"c2s":{"securityList":[` + security + `]}}`
)

func TestAPriceIsPushedAndQuoted(t *testing.T) {
	gateway := StartGateway(t)
	client := Connect(t, gateway.address)
	if answer := client.Ask(3001, subscribe); answer.RetType != 0 {
		t.Fatal(answer.RetMsg)
	}
	gateway.Call("market/set_price", map[string]any{"code": "HK.00700", "price": 401.2})
	if answer := client.Ask(3004, quote); answer.S2C.BasicQotList[0].CurPrice != 401.2 {
		t.Fatalf("the quote is %v", answer.S2C.BasicQotList)
	}
	if len(client.Pushes) != 1 || client.read(client.Pushes[0]).S2C.BasicQotList[0].CurPrice != 401.2 {
		t.Fatalf("the pushes are %v", client.Pushes)
	}
}

func TestARequestIsRefusedOnce(t *testing.T) {
	gateway := StartGateway(t)
	client := Connect(t, gateway.address)
	client.Ask(3001, subscribe)
	gateway.Call("replies/refuse_next", map[string]any{"protocol": "Qot_GetBasicQot", "reason": "busy"})
	if answer := client.Ask(3004, quote); answer.RetType != -1 || answer.RetMsg != "busy" {
		t.Fatalf("the answer is %v", answer)
	}
	if answer := client.Ask(3004, quote); answer.RetType != 0 {
		t.Fatal(answer.RetMsg)
	}
	status, asked := gateway.request("GET", "requests", nil)
	if status != 200 || asked["count"] != 4.0 {
		t.Fatalf("it was asked %v", asked)
	}
}

func TestAWrongArgumentIsExplained(t *testing.T) {
	gateway := StartGateway(t)
	status, answer := gateway.request("POST", "market/set_price", map[string]any{"code": "HK.00700"})
	if status != 422 || answer["error"] != "market.set_price needs price" {
		t.Fatalf("%d %v", status, answer)
	}
}
