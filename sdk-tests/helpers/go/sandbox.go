// Package wxgatesandbox is a fake WeChat in a test: copy this file into a folder of your module. It needs Go 1.19 and the
// program wxgate, on PATH or at WXGATE_BIN; nothing else.
//
//	func TestLogin(t *testing.T) {
//		t.Parallel()
//		wechat := wxgatesandbox.Start(t) // nobody else has it; it ends with the test
//		user := wechat.User("Ann")
//		code := wechat.Control("login/code", wxgatesandbox.Members{"appid": wxgatesandbox.MiniAppID, "openid": user.OpenIDs[wxgatesandbox.MiniAppID]})["code"]
//		myBackend(wechat.URL).Login(code.(string))
//		if calls := wechat.Calls("path=/sns/jscode2session"); len(calls) != 1 { … }
//	}
//
// Accounts, codes that never run out and all control calls: wechat.URL in a browser, or docs/sandbox.en.md of wxgate.
package wxgatesandbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Accounts that are there from the start: an official account and a mini program.
const (
	AppID         = "wx00000000000000a1"
	Secret        = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
	MiniAppID     = "wx00000000000000b2"
	MiniSecret    = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"
	CallbackToken = "sandboxtoken"
	AESKey        = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	Template      = "sandbox-template-00000000000000000000000001"
)

const patience = 20 * time.Second

// Members of a control call or of its answer.
type Members map[string]interface{}

// World is a WeChat of its own. URL is the base of its api, mp and open hosts.
type World struct {
	URL string
	t   testing.TB
}

// User is a WeChat user.
type User struct {
	ID       string            `json:"user"`
	Nickname string            `json:"nickname"`
	UnionID  string            `json:"unionid"`
	OpenIDs  map[string]string `json:"openids"`
}

// Call is a call that came, whole; bodies are decoded.
type Call struct {
	Seq    uint64      `json:"seq"`
	AppID  string      `json:"appid"`
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Query  string      `json:"query"`
	Header [][2]string `json:"headers"`
	Body   []byte      `json:"body_base64"`
	Status int         `json:"status"`
	Answer []byte      `json:"answer_base64"`
}

// Start starts the program on a free port and returns when it answers; it ends with the test. Options: "--seed", "7" and
// "--world", "file.json".
func Start(t testing.TB, options ...string) *World {
	t.Helper()
	program := os.Getenv("WXGATE_BIN")
	if program == "" {
		program = "wxgate"
	}
	command := exec.Command(program, append([]string{"sandbox", "--listen", "127.0.0.1:0"}, options...)...)
	command.Stderr = os.Stderr
	said, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatalf("%v: is wxgate on PATH, or at WXGATE_BIN?", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		hung := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
		defer hung.Stop()
		_ = command.Wait()
	})
	// It says where it listens when it does. What hangs is ended, and then says nothing.
	late := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
	line, _ := bufio.NewReader(said).ReadString('\n')
	late.Stop()
	url := regexp.MustCompile(`http://[\d.:]+\d`).FindString(line)
	if url == "" {
		t.Fatalf("%s sandbox did not start; it says why on standard error", program)
	}
	return &World{URL: url, t: t}
}

// World is another world of the same program, for a test that runs beside others; it ends with the test.
func (w *World) World(t testing.TB) *World {
	t.Helper()
	name := w.Control("worlds", Members{})["name"].(string)
	t.Cleanup(func() { (&World{w.URL, t}).send("DELETE", "worlds/"+name, nil, nil) })
	return &World{URL: w.URL + "/sandbox/worlds/" + name, t: t}
}

// Control is a control call: Control("fault", Members{"path": "/cgi-bin/token", "errcode": 45009}). What it refuses fails the
// test.
func (w *World) Control(call string, members Members) (answer Members) {
	w.t.Helper()
	w.send("POST", call, members, &answer)
	return answer
}

// Read is "state", "faults" or "snapshot".
func (w *World) Read(call string) (answer Members) {
	w.t.Helper()
	w.send("GET", call, nil, &answer)
	return answer
}

// User is a new WeChat user.
func (w *World) User(nickname string) (user User) {
	w.t.Helper()
	w.send("POST", "users", Members{"nickname": nickname}, &user)
	return user
}

// Calls are the calls that came, oldest first; which: "path=/cgi-bin/token&limit=10", with appid, since, limit (100).
func (w *World) Calls(which string) []Call {
	w.t.Helper()
	var answer struct{ Calls []Call }
	w.send("GET", "calls?"+which, nil, &answer)
	return answer.Calls
}

// Reset takes the world back to its start.
func (w *World) Reset() {
	w.t.Helper()
	w.Control("reset", Members{})
}

func (w *World) send(method, call string, members Members, answer interface{}) {
	w.t.Helper()
	var body io.Reader
	if members != nil {
		text, err := json.Marshal(members)
		if err != nil {
			w.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, w.URL+"/sandbox/"+call, body)
	if err != nil {
		w.t.Fatal(err)
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{}} // no proxy of the environment
	defer client.CloseIdleConnections()
	got, err := client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err == nil && got.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s /sandbox/%s: %d %s", method, call, got.StatusCode, strings.TrimSpace(string(text)))
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
