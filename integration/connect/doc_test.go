// Package connect_test runs connect-go over httpx, on HTTP/1.1 and on HTTP/2 without TLS: what a
// client of unary calls and streams gets with the library and without it, and how many requests
// the server sees.
package connect_test
