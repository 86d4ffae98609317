// Serve HTTP/1.1 or HTTP/2 over TLS: go run server.go CERTIFICATE VERSION CASE. Prints the port when it listens.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

var requests atomic.Int64

func main() {
	pem, version, kase := os.Args[1], os.Args[2], os.Args[3]
	pair, err := tls.LoadX509KeyPair(pem, pem)
	if err != nil {
		panic(err)
	}
	protocols := []string{"h2", "http/1.1"}
	if version == "1.1" {
		protocols = protocols[1:]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := &http.Server{Handler: handler(kase), TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: protocols}}
	if version == "1.1" {
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	if kase == "idle" {
		server.IdleTimeout = 2 * time.Millisecond
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(server.ServeTLS(listener, "", ""))
}

func handler(kase string) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		number := requests.Add(1)
		if kase != "early" {
			io.Copy(io.Discard, request.Body)
		}
		switch {
		case kase == "close" && number%10 == 0:
			response.Header().Set("Connection", "close") // over HTTP/2: a GOAWAY
		case kase == "stalled":
			response.Write([]byte("thanks"))
			response.(http.Flusher).Flush()
			<-request.Context().Done()
		case kase == "chunked":
			response.Write([]byte("one"))
			response.(http.Flusher).Flush()
			response.Write([]byte("two"))
		}
	}
}
