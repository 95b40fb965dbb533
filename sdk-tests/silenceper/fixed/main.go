// silenceper/wechat v2.1.10, whose hosts stand in its source, as it is; see ../../README.md.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
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

func must(err error, what bool) error {
	if err == nil && !what {
		return errWrong
	}
	return err
}

func main() {
	openid := os.Getenv("OPENID")
	wc := wechat.NewWechat()
	wc.SetCache(cache.NewMemory())
	account := wc.GetOfficialAccount(&official.Config{AppID: os.Getenv("APPID"), AppSecret: os.Getenv("SECRET")})
	picture := append([]byte{0xff, 0xd8, 0xff, 0xe0}, bytes.Repeat([]byte("0123456789abcdef"), 640)...)
	var granted oauth.ResAccessToken
	var media material.Media

	steps := []step{
		{"token", func() error {
			token, err := account.GetAccessToken()
			return must(err, token != "")
		}},
		{"oauth_token", func() (err error) {
			granted, err = account.GetOauth().GetUserAccessToken("demo-oauth")
			return err
		}},
		{"oauth_userinfo", func() error {
			user, err := account.GetOauth().GetUserInfo(granted.AccessToken, granted.OpenID, "")
			return must(err, user.Nickname != "")
		}},
		{"user_info", func() error {
			user, err := account.GetUser().GetUserInfo(openid)
			return must(err, err != nil || user.Subscribe == 1)
		}},
		{"template", func() error {
			data := map[string]*message.TemplateDataItem{"keyword1": {Value: "你好 & <b>"}}
			msgid, err := account.GetTemplate().Send(&message.TemplateMessage{ToUser: openid, TemplateID: template, Data: data})
			return must(err, msgid != 0)
		}},
		{"qrcode", func() error {
			ticket, err := account.GetBasic().GetQRTicket(basic.NewTmpQrRequest(time.Minute, "fixed"))
			return must(err, err != nil || ticket.Ticket != "")
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
			return must(err, bytes.Equal(got, picture))
		}},
		{"callback_ip", func() error {
			list, err := account.GetBasic().GetCallbackIP()
			return must(err, len(list) > 0)
		}},
		{"custom", func() error {
			return account.GetCustomerMessageManager().Send(message.NewCustomerTextMessage(openid, "你好"))
		}},
	}
	loops, err := strconv.Atoi(os.Getenv("LOOPS"))
	if err != nil {
		loops = 1
	}
	lines, failed := json.NewEncoder(os.Stdout), 0
	for range make([]struct{}, loops) {
		for _, step := range steps {
			err := step.act()
			line := map[string]any{"step": step.name, "ok": err == nil}
			if err != nil {
				line["error"] = fmt.Sprint(err)
				failed = 1
			}
			if err := lines.Encode(line); err != nil {
				panic(err)
			}
		}
	}
	if os.Getenv("HELD") != "" {
		fmt.Println("{\"step\": \"held\", \"ok\": true}")
		_, _ = io.ReadAll(os.Stdin)
	}
	os.Exit(failed)
}
