// Package endpoints spreads the HTTP requests for one host over several servers: base URLs, or
// the addresses of a name. Below an httpx.Transport each attempt of a call goes to another server
// than the attempts before it, and servers that fail or are slow are set aside (see package
// outlier):
//
//	servers := endpoints.New("orders.internal", endpoints.DNS("orders.internal"), endpoints.Config{
//		SetAside: &outlier.Config{},
//	})
//	client := &http.Client{Transport: httpx.NewTransport(servers, policy)}
//	resp, err := client.Get("https://orders.internal/v1/orders")
//
// Requests for other hosts go through Config.Base as they are.
//
// # Connections
//
// Every endpoint has a clone of Config.Base, and with it a connection pool and HTTP/2 connections
// of its own; limits such as MaxIdleConns and MaxConnsPerHost hold for each. A request for an
// address is sent unchanged: only the dialed address differs, so the Host header, the TLS server
// name, the :authority of HTTP/2, and cookies are those of the name. Such requests use no proxy,
// since a proxy would choose the address. A request for a base URL has the URL's scheme, host,
// TLS server name, and path prefix; its Host header is the URL's unless Request.Host names
// another host than Request.URL. It goes through the proxy of Config.Base.
//
// Response.Request is the caller's request. An http.Client therefore sends relative redirects, and
// absolute ones to the host, through the Transport again; each is a new call that may go to any
// server. A Location that names the base URL the response came from is rewritten to the host;
// other hosts are left. A cookie jar keeps cookies under the host, and refuses one whose Domain
// names a base URL.
//
// When an endpoint leaves the list its idle connections are closed and requests under way go on.
// CloseIdleConnections closes those of all endpoints. A Transport need not be closed: its only
// goroutine is that of a lookup, whose context ends after ten seconds. If Config.Base has no
// IdleConnTimeout, its clones have one of 90 seconds.
//
// # Lookups
//
// The first request waits for the first lookup. Later ones are made in the background when a
// request comes after Config.Refresh, or after five seconds if an endpoint could not be reached.
// While lookups fail, or find nothing, the last list is kept.
package endpoints
