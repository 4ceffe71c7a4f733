// Package httpx brings evenkeel to net/http: a RoundTripper for clients and a Handler for servers.
package httpx
