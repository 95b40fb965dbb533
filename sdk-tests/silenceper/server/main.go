// A callback server as silenceper/wechat's documentation writes it. Settings: token, aes_key, appid, reply; see ../../receivers/receiver.py.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/officialaccount/message"
)

var settings struct {
	Log    string `json:"log"`
	Token  string `json:"token"`
	AESKey string `json:"aes_key"`
	AppID  string `json:"appid"`
	Reply  string `json:"reply"`
}

var writing sync.Mutex

func main() {
	check(json.Unmarshal([]byte(os.Args[1]), &settings))
	account := officialaccount.NewOfficialAccount(&config.Config{
		AppID: settings.AppID, AppSecret: "unused", Token: settings.Token, EncodingAESKey: settings.AESKey, Cache: cache.NewMemory(),
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	check(http.Serve(listener, http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		answer(account, writer, request)
	})))
}

func answer(account *officialaccount.OfficialAccount, writer http.ResponseWriter, request *http.Request) {
	server := account.GetServer(request, writer)
	server.SetMessageHandler(func(said *message.MixMessage) *message.Reply {
		note(accepted(request, said))
		if said.MsgType != message.MsgTypeText || settings.Reply == "" {
			return nil
		}
		return &message.Reply{MsgType: message.MsgTypeText, MsgData: message.NewText(settings.Reply)}
	})
	if err := server.Serve(); err != nil {
		if request.Method == http.MethodPost {
			note(map[string]any{"accepted": false, "why": err.Error()})
		}
		http.Error(writer, "refused", http.StatusForbidden)
		return
	}
	if server.ResponseMsg != nil {
		check(server.Send())
	} else if request.URL.Query().Get("encrypt_type") == "aes" {
		_, err := writer.Write([]byte("success")) // Send would seal an empty message; of plain ones Serve has said it
		check(err)
	}
}

// accepted is what the log says of a message.
func accepted(request *http.Request, said *message.MixMessage) map[string]any {
	query, headers := map[string]string{}, map[string]string{}
	for name, values := range request.URL.Query() {
		query[name] = values[0]
	}
	for name, values := range request.Header {
		if name := strings.ToLower(name); strings.HasPrefix(name, "x-wxgate-") {
			headers[name] = values[0]
		}
	}
	return map[string]any{
		"accepted": true, "query": query, "headers": headers, "encrypted": query["encrypt_type"] == "aes",
		"openid": string(said.FromUserName), "to": string(said.ToUserName), "msg_type": string(said.MsgType),
		"event": string(said.Event), "content": said.Content,
	}
}

func note(entry map[string]any) {
	writing.Lock()
	defer writing.Unlock()
	log, err := os.OpenFile(settings.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	check(err)
	defer log.Close()
	check(json.NewEncoder(log).Encode(entry))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
