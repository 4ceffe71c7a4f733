// Package websocket_test runs coder/websocket over httpx, through the Transport on one side and
// the Handler on the other: what both ends of a conversation get with the library and without it,
// and how many handshakes the server sees.
package websocket_test
