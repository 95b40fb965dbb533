// Go's net/http as a yardstick: `yardsticks token ADDRESS APPID KEY FILE` keeps tokens in a map under a lock, `yardsticks
// proxy ADDRESS UPSTREAM APPID KEY TOKEN` passes on by httputil.ReverseProxy.
package main

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"
)

func main() {
	a := os.Args
	if a[1] == "token" {
		body, err := os.ReadFile(a[5])
		if err != nil {
			panic(err)
		}
		var lock sync.RWMutex
		tokens, keys := map[string][]byte{a[3]: body}, map[string]bool{a[4]: true}
		panic(http.ListenAndServe(a[2], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			query := r.URL.Query()
			lock.RLock()
			known, token := keys[query.Get("secret")], tokens[query.Get("appid")]
			lock.RUnlock()
			if !known || token == nil {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Content-Length", strconv.Itoa(len(token)))
			w.Write(token)
		})))
	}
	upstream, _ := url.Parse("http://" + a[3])
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	proxy.Transport = &http.Transport{DialContext: dialer.DialContext, MaxIdleConns: 256, MaxIdleConnsPerHost: 256}
	var lock sync.RWMutex
	tokens := map[string]string{a[4]: a[6]}
	panic(http.ListenAndServe(a[2], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock.RLock()
		token := tokens[r.Header.Get("X-Wx-Appid")]
		lock.RUnlock()
		if r.Header.Get("Authorization") != "Bearer "+a[5] || token == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		r.Header.Del("Authorization")
		r.URL.RawQuery = "access_token=" + token + "&" + r.URL.RawQuery
		proxy.ServeHTTP(w, r)
	})))
}
