package endpoints

import (
	"net/http"
	"net/url"
	"strings"
)

// send sends a request to the endpoint. The response's Request is req.
func (e *endpoint) send(req *http.Request) (*http.Response, error) {
	if e.URL == nil {
		return e.rt.RoundTrip(req)
	}
	out := *req
	out.URL = e.target(req.URL)
	if req.Host == req.URL.Host {
		out.Host = ""
	}
	resp, err := e.rt.RoundTrip(&out)
	if err != nil {
		return nil, err
	}
	resp.Request = req
	e.relocate(resp.Header, req.URL)
	return resp, nil
}

// target returns the URL below the base URL for a URL of the host.
func (e *endpoint) target(u *url.URL) *url.URL {
	out := *u
	out.Scheme, out.Host = e.URL.Scheme, e.URL.Host
	if prefix := e.prefix(); prefix != "" {
		path, raw := slashed(u.Path), slashed(u.EscapedPath())
		out.Path = strings.TrimSuffix(e.URL.Path, "/") + path
		out.RawPath = prefix + raw
	}
	return &out
}

// prefix returns the base URL's path, escaped and without a slash at the end.
func (e *endpoint) prefix() string { return strings.TrimSuffix(e.URL.EscapedPath(), "/") }

func slashed(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + path
}

// relocate turns a Location below the base URL into one below the host that the request named.
func (e *endpoint) relocate(h http.Header, named *url.URL) {
	text := h.Get("Location")
	if text == "" {
		return
	}
	to, err := url.Parse(text)
	if err != nil || to.Opaque != "" {
		return
	}
	if to.Scheme == "" && to.Host != "" {
		to.Scheme = e.URL.Scheme
	}
	prefix := e.prefix()
	switch {
	case to.Scheme == "" && to.Host == "": // on the same server
		if prefix == "" || !strings.HasPrefix(to.Path, "/") {
			return
		}
	case strings.EqualFold(to.Scheme, e.URL.Scheme) && strings.EqualFold(authority(to), authority(e.URL)):
		to.Scheme, to.Host = named.Scheme, named.Host
	default:
		return
	}
	if prefix != "" {
		rest, ok := strings.CutPrefix(to.EscapedPath(), prefix)
		if !ok || rest != "" && rest[0] != '/' {
			return
		}
		if to.Path, err = url.PathUnescape(slashed(rest)); err != nil {
			return
		}
		to.RawPath = slashed(rest)
		if strings.HasPrefix(rest, "//") { // without a host, // would begin one
			to.Scheme, to.Host = named.Scheme, named.Host
		}
	}
	h.Set("Location", to.String())
}

// authority returns a URL's host with the port of its scheme.
func authority(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return u.Hostname() + ":" + port
}
