// silenceper/wechat v2.1.10 against BASE; see ../../README.md.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	mini "github.com/silenceper/wechat/v2/miniprogram/config"
	minimessage "github.com/silenceper/wechat/v2/miniprogram/message"
	"github.com/silenceper/wechat/v2/miniprogram/qrcode"
	"github.com/silenceper/wechat/v2/officialaccount/basic"
	official "github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/officialaccount/material"
	"github.com/silenceper/wechat/v2/officialaccount/message"
	"github.com/silenceper/wechat/v2/officialaccount/oauth"
	"github.com/silenceper/wechat/v2/util"
)

const template = "sandbox-template-00000000000000000000000001"

var errWrong = errors.New("not what it should be")

type step struct {
	name string
	act  func() error
}

// all is the first error, if there is one.
func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func must(what bool) error {
	if what {
		return nil
	}
	return errWrong
}

func env(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic(name + " is not set")
	}
	return value
}

func number(name string, otherwise int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return otherwise
}

// docs: begin transport
type toWxgate struct{ base string }

func (to toWxgate) RoundTrip(request *http.Request) (*http.Response, error) {
	target, err := url.Parse(to.base)
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host, request.Host = target.Scheme, target.Host, target.Host
	return http.DefaultTransport.RoundTrip(request)
}

// docs: end

func main() {
	base, appid, secret := env("BASE"), env("APPID"), env("SECRET")

	// docs: begin use
	wc := wechat.NewWechat()
	wc.SetHTTPClient(&http.Client{Transport: toWxgate{base}})
	wc.SetCache(cache.NewMemory())
	account := wc.GetOfficialAccount(&official.Config{AppID: appid, AppSecret: secret})
	// docs: end

	program := wc.GetMiniProgram(&mini.Config{AppID: env("MINI_APPID"), AppSecret: env("MINI_SECRET")})
	openid, miniOpenid := env("OPENID"), env("MINI_OPENID")
	picture := append([]byte{0xff, 0xd8, 0xff, 0xe0}, bytes.Repeat([]byte("0123456789abcdef"), 640)...)
	checkPath := true
	var granted oauth.ResAccessToken
	var media material.Media

	run([]step{
		{"token", func() error {
			_, err := account.GetAccessToken()
			_, miniErr := program.GetContext().GetAccessToken()
			return all(err, miniErr)
		}},
		{"oauth_token", func() (err error) {
			granted, err = account.GetOauth().GetUserAccessToken("demo-oauth")
			return err
		}},
		{"oauth_userinfo", func() error {
			user, err := account.GetOauth().GetUserInfo(granted.AccessToken, granted.OpenID, "")
			return all(err, must(user.Nickname != ""))
		}},
		{"user_info", func() error {
			user, err := account.GetUser().GetUserInfo(openid)
			return all(err, must(err != nil || user.Subscribe == 1))
		}},
		{"template", func() error {
			data := map[string]*message.TemplateDataItem{"keyword1": {Value: "你好 & <b>"}}
			msgid, err := account.GetTemplate().Send(&message.TemplateMessage{ToUser: openid, TemplateID: template, Data: data})
			return all(err, must(msgid != 0))
		}},
		{"qrcode", func() error {
			ticket, err := account.GetBasic().GetQRTicket(basic.NewTmpQrRequest(time.Minute, "sdk"))
			return all(err, must(err != nil || ticket.Ticket != ""))
		}},
		{"media_upload", func() (err error) {
			media, err = account.GetMaterial().MediaUploadFromReader(material.MediaTypeImage, "p.jpg", bytes.NewReader(picture))
			return err
		}},
		{"media_download", func() error {
			url, err := account.GetMaterial().GetMediaURL(media.MediaID)
			if err != nil {
				return err
			}
			got, err := util.HTTPGet(url)
			return all(err, must(bytes.Equal(got, picture)))
		}},
		{"custom", func() error {
			return account.GetCustomerMessageManager().Send(message.NewCustomerTextMessage(openid, "你好"))
		}},
		{"mini_code", func() error {
			code := qrcode.QRCoder{Scene: "a=1", Page: "pages/index/index", CheckPath: &checkPath}
			got, err := program.GetQRCode().GetWXACodeUnlimit(code)
			return all(err, isPicture(got))
		}},
		{"mini_phone", func() error {
			phone, err := program.GetAuth().GetPhoneNumber("demo-phone")
			return all(err, must(err != nil || phone.PhoneInfo.PurePhoneNumber != ""))
		}},
		{"mini_session", func() error {
			session, err := program.GetAuth().Code2Session("demo-login")
			return all(err, must(session.SessionKey != ""))
		}},
		{"mini_custom", func() error {
			return program.GetCustomerMessage().Send(minimessage.NewCustomerTextMessage(miniOpenid, "你好"))
		}},
	})
}

func isPicture(got []byte) error {
	return must(bytes.HasPrefix(got, []byte("\xff\xd8\xff")) || bytes.HasPrefix(got, []byte("\x89PNG")))
}

// run does all steps, LOOPS times, and prints a line for each.
func run(steps []step) {
	lines, failed := json.NewEncoder(os.Stdout), 0
	for turn := 0; turn < number("LOOPS", 1); turn++ {
		if turn > 0 {
			time.Sleep(time.Duration(number("PAUSE_MS", 0)) * time.Millisecond)
		}
		for _, step := range steps {
			began := time.Now()
			err := step.act()
			line := map[string]any{"step": step.name, "ok": err == nil, "ms": time.Since(began).Milliseconds()}
			if err != nil {
				line["error"] = fmt.Sprint(err)
				failed = 1
			}
			if err := lines.Encode(line); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(failed)
}
