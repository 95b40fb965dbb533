// Uploads that are refused while they are under way, with Go's own client; see ../../test_uploads.py.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
)

type asked struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Size    int               `json:"size"`
	Chunked bool              `json:"chunked"`
	Times   int               `json:"times"`
}

// Without a length.
type stream struct{ io.Reader }

func once(ask asked) string {
	var body io.Reader = bytes.NewReader(make([]byte, ask.Size))
	if ask.Chunked {
		body = stream{body}
	}
	request, err := http.NewRequest("POST", ask.URL, body)
	if err != nil {
		return err.Error()
	}
	for name, value := range ask.Headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func main() {
	var ask asked
	if err := json.Unmarshal([]byte(os.Args[1]), &ask); err != nil {
		panic(err)
	}
	said := make([]string, 0, ask.Times)
	for n := 0; n < ask.Times; n++ {
		said = append(said, once(ask))
	}
	_ = json.NewEncoder(os.Stdout).Encode(said)
}
