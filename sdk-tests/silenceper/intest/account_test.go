// helpers/go in a test: silenceper/wechat against a fake WeChat. Run by ../../test_helpers.py.
package intest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/officialaccount/message"
	"wxgatesandbox"
)

type to struct{ base string }

func (to to) RoundTrip(request *http.Request) (*http.Response, error) {
	target, err := url.Parse(to.base)
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host, request.Host = target.Scheme, target.Host, target.Host
	request.URL.Path = target.Path + request.URL.Path
	return http.DefaultTransport.RoundTrip(request)
}

func account(world *wxgatesandbox.World) *officialaccount.OfficialAccount {
	sdk := wechat.NewWechat()
	sdk.SetHTTPClient(&http.Client{Transport: to{world.URL}})
	sdk.SetCache(cache.NewMemory())
	return sdk.GetOfficialAccount(&config.Config{AppID: wxgatesandbox.AppID, AppSecret: wxgatesandbox.Secret})
}

// SDKs keep one HTTP client for the whole program: tests of silenceper/wechat run one after the other.
func TestATemplateMessage(t *testing.T) {
	sandbox := wxgatesandbox.Start(t)
	for _, name := range []string{"Ann", "Bob"} {
		t.Run(name, func(t *testing.T) {
			wechat := sandbox.World(t)
			openid := wechat.User(name).OpenIDs[wxgatesandbox.AppID]
			wechat.Control("event", wxgatesandbox.Members{
				"appid": wxgatesandbox.AppID, "openid": openid, "event": "subscribe", "key": "",
			})
			data := map[string]*message.TemplateDataItem{"first": {Value: name}}
			msgid, err := account(wechat).GetTemplate().Send(&message.TemplateMessage{
				ToUser: openid, TemplateID: wxgatesandbox.Template, Data: data,
			})
			if err != nil || msgid == 0 {
				t.Fatal(msgid, err)
			}
			if sent := wechat.Read("state")["messages"].([]interface{}); len(sent) != 1 {
				t.Fatal("not this test's alone: ", sent)
			}
			calls := wechat.Calls("path=/cgi-bin/message/template/send")
			if len(calls) != 1 || calls[0].Status != 200 || !strings.Contains(string(calls[0].Body), name) {
				t.Fatal(calls)
			}
		})
	}
}

func TestAFaultAndAReset(t *testing.T) {
	wechat := wxgatesandbox.Start(t, "--seed", "7")
	wechat.Control("fault", wxgatesandbox.Members{"path": "/cgi-bin/token", "errcode": 45009, "times": 0})
	if _, err := account(wechat).GetAccessToken(); err == nil || !strings.Contains(err.Error(), "45009") {
		t.Fatal(err)
	}
	wechat.Reset()
	first, err := account(wechat).GetAccessToken()
	if err != nil {
		t.Fatal(err)
	}
	wechat.Reset()
	if again, _ := account(wechat).GetAccessToken(); again != first {
		t.Fatal("the same seed: ", first, again)
	}
}
