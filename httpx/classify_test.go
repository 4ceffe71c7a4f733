package httpx_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// counted counts the attempts that reach base.
func counted(base http.RoundTripper, n *atomic.Int32) http.RoundTripper {
	return roundTripFunc(func(r *http.Request) (*http.Response, error) {
		n.Add(1)
		return base.RoundTrip(r)
	})
}

func TestClassify_StatusTable(t *testing.T) {
	classes := map[int]retry.Class{
		200: retry.Success, 204: retry.Success, 304: retry.Success, 308: retry.Success,
		400: retry.Rejected, 401: retry.Rejected, 404: retry.Rejected, 409: retry.Rejected, 417: retry.Rejected,
		408: retry.Transient, 425: retry.Transient, 429: retry.Throttled,
		500: retry.Transient, 502: retry.Transient, 503: retry.Throttled, 504: retry.Transient, 599: retry.Transient,
		501: retry.Rejected, 505: retry.Rejected, 507: retry.Rejected, 508: retry.Rejected, 511: retry.Rejected,
	}
	for code, class := range classes {
		s := serve(t, many(9, code)...)
		c := client(t, policy(t, nil))
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := c.Get(s.URL)
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, code, resp.StatusCode)
		want := 3
		if class == retry.Success || class == retry.Rejected {
			want = 1
		}
		require.Equal(t, want, s.count(), code)
		require.Equal(t, class, httpx.Classify(nil, resp, nil).Class, code)
	}
}

// A cache that has no answer says 504 to a request that it must not forward.
func TestClassify_CacheMissIsAnAnswer(t *testing.T) {
	for control, sent := range map[string]int{
		"only-if-cached":                       1,
		"max-stale=60 ,\tOnly-If-Cached, no-x": 1,
		"max-stale=60":                         3,
		"only-if-cached-not":                   3,
		`private="a, only-if-cached, b"`:       3,
	} {
		s := serve(t, many(9, http.StatusGatewayTimeout)...)
		req := request(t, http.MethodGet, s.URL, nil)
		req.Header.Add("Cache-Control", "no-transform")
		req.Header.Add("Cache-Control", control)
		resp, err := client(t, policy(t, nil)).Do(req)
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, http.StatusGatewayTimeout, resp.StatusCode)
		require.Equal(t, sent, s.count(), control)
		require.Equal(t, sent == 1, httpx.Classify(req, resp, nil).Alive, control)
	}
	s := serve(t, many(9, http.StatusServiceUnavailable)...)
	req := request(t, http.MethodGet, s.URL, nil)
	req.Header.Set("Cache-Control", "only-if-cached")
	resp, err := client(t, policy(t, nil)).Do(req)
	require.NoError(t, err)
	text(t, resp)
	require.Equal(t, 3, s.count(), "503 is no cache miss")
}

func TestClassify_OptionChangesTable(t *testing.T) {
	s := serve(t, 409, 501, 200)
	c := client(t, policy(t, nil), httpx.WithClassifier(
		func(req *http.Request, resp *http.Response, err error) retry.Outcome {
			if err == nil && (resp.StatusCode == 409 || resp.StatusCode == 501) {
				return retry.Outcome{Class: retry.Transient}
			}
			return httpx.Classify(req, resp, err)
		},
	))
	resp, err := c.Get(s.URL)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	text(t, resp)
	require.Equal(t, 3, s.count())
}

func TestClassify_ClassifierMayRefuse200(t *testing.T) {
	s := serve(t)
	c := client(t, policy(t, nil), httpx.WithClassifier(func(*http.Request, *http.Response, error) retry.Outcome {
		return retry.Outcome{Class: retry.Transient}
	}))
	resp, err := c.Get(s.URL)
	require.NoError(t, err)
	require.Equal(t, "OK", text(t, resp))
	require.Equal(t, 3, s.count())
}

// A class that package call does not know is a failure like any other.
func TestClassify_UnknownClassRepeatsIdempotentOnly(t *testing.T) {
	for method, sent := range map[string]int{http.MethodPost: 1, http.MethodPut: 3} {
		t.Run(method, func(t *testing.T) {
			s := serve(t)
			c := client(t, policy(t, nil), httpx.WithBodyBuffer(10), httpx.WithClassifier(
				func(*http.Request, *http.Response, error) retry.Outcome { return retry.Outcome{Class: 42} }))
			resp, err := c.Do(request(t, method, s.URL, stream("order")))
			require.NoError(t, err)
			text(t, resp)
			require.Equal(t, slices.Repeat([]string{"order"}, sent), s.Bodies)
		})
	}
}

func TestClassify_ExhaustedReturnsLastResponse(t *testing.T) {
	s := serve(t, 500, 500, 500, 500)
	var seen recorder
	resp, err := client(t, policy(t, nil, retry.WithObserver(&seen))).Get(s.URL)
	require.NoError(t, err)
	require.Equal(t, 500, resp.StatusCode)
	require.Equal(t, "Internal Server Error", text(t, resp))
	stopped, ok := httpx.ReportFrom(resp.Request.Context())
	require.True(t, ok)
	require.Equal(t, retry.ReasonMaxAttempts, stopped.Reason)
	require.Equal(t, 3, stopped.Attempts)
	require.Len(t, stopped.History, 3)
	require.Equal(t, strings.TrimPrefix(s.URL, "http://"), stopped.Destination)
	require.Len(t, seen.attempts, 3)
	require.Equal(t, retry.ReasonMaxAttempts, seen.calls[0].Reason)
}

func TestClassify_SuccessAnd404HaveNoReport(t *testing.T) {
	for _, code := range []int{200, 404} {
		s := serve(t, code)
		resp, err := client(t, policy(t, nil)).Get(s.URL)
		require.NoError(t, err)
		text(t, resp)
		_, ok := httpx.ReportFrom(resp.Request.Context())
		require.False(t, ok)
	}
}

func TestClassify_ConnectionRefusedRetriedForAnyMethod(t *testing.T) {
	const nobody = "127.0.0.1:1" // a port that a test let go of may be anybody's by the time that it is dialled
	var sent atomic.Int32
	tr := httpx.NewTransport(counted(&http.Transport{}, &sent), policy(t, nil))
	_, err := (&http.Client{Transport: tr}).Post("http://"+nobody, "text/plain", strings.NewReader("pay 5"))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.EqualValues(t, 3, sent.Load())
	stopped, _ := errors.AsType[*retry.Error](err)
	require.Equal(t, retry.Unprocessed, stopped.History[0].Class)
}

// refusal describes a request that net/http or TLS refuses; a nil base is a new http.Transport.
type refusal struct {
	base *http.Transport
	req  *http.Request
}

func refusals(t *testing.T) map[string]refusal {
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsServer.StartTLS()
	t.Cleanup(tlsServer.Close)
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // an early answer would race with what the client finds wrong with the body
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(plain.Close)
	mutual := httptest.NewUnstartedServer(http.NotFoundHandler())
	mutual.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	mutual.Config.ErrorLog = log.New(io.Discard, "", 0)
	mutual.StartTLS()
	t.Cleanup(mutual.Close)
	with := func(change func(*http.Request)) *http.Request {
		req := request(t, http.MethodGet, plain.URL, nil)
		change(req)
		return req
	}
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	noVersion := &tls.Config{MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS12}
	noProtocol := &tls.Config{NextProtos: []string{""}}
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(locked.Close)
	lockedURL, err := url.Parse(locked.URL)
	require.NoError(t, err)
	proxied := &http.Transport{Proxy: http.ProxyURL(lockedURL)}
	return map[string]refusal{
		"unknown certificate authority": {nil, request(t, http.MethodGet, tlsServer.URL, nil)},
		"client certificate demanded":   {insecure, request(t, http.MethodGet, mutual.URL, nil)},
		"no TLS version":                {&http.Transport{TLSClientConfig: noVersion}, request(t, http.MethodGet, tlsServer.URL, nil)},
		"invalid protocol of TLS":       {&http.Transport{TLSClientConfig: noProtocol}, request(t, http.MethodGet, tlsServer.URL, nil)},
		"http where https was meant":    {nil, request(t, http.MethodGet, "https"+strings.TrimPrefix(plain.URL, "http"), nil)},
		"proxy wants credentials":       {proxied, request(t, http.MethodGet, "https://orders.test/", nil)},
		"unsupported scheme":            {nil, request(t, http.MethodGet, "gopher://localhost/", nil)},
		"no host":                       {nil, with(func(r *http.Request) { r.URL.Host = "" })},
		"nil URL":                       {nil, with(func(r *http.Request) { r.URL = nil })},
		"nil header":                    {nil, with(func(r *http.Request) { r.Header = nil })},
		"invalid method":                {nil, with(func(r *http.Request) { r.Method = "GE T" })},
		"invalid header name":           {nil, with(func(r *http.Request) { r.Header["a b"] = []string{"x"} })},
		"invalid header value":          {nil, with(func(r *http.Request) { r.Header["A"] = []string{"x\x00"} })},
		"invalid port":                  {nil, with(func(r *http.Request) { r.URL.Host = "127.0.0.1:port" })},
		"invalid address":               {nil, with(func(r *http.Request) { r.URL.Host = "[::1]x:80" })},
		"invalid trailer key":           {nil, with(func(r *http.Request) { chunkedWith(r, http.Header{"Trailer": nil}) })},
		"wrong length": {nil, with(func(r *http.Request) {
			r.Method, r.ContentLength, r.Body = http.MethodPut, 10, io.NopCloser(strings.NewReader("x"))
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }
		})},
	}
}

// refusalsOverHTTP2 returns requests that net/http refuses over HTTP/2 alone.
func refusalsOverHTTP2(t *testing.T) map[string]refusal {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.Protocols = unencryptedHTTP2()
	s.Start()
	t.Cleanup(s.Close)
	with := func(change func(*http.Request)) refusal {
		req := request(t, http.MethodGet, s.URL, nil)
		change(req)
		return refusal{&http.Transport{Protocols: unencryptedHTTP2()}, req}
	}
	return map[string]refusal{
		"h2: invalid trailer key": with(func(r *http.Request) { chunkedWith(r, http.Header{"Trailer": nil}) }),
		"h2: Upgrade":             with(func(r *http.Request) { r.Header.Set("Upgrade", "websocket") }),
		"h2: Connection":          with(func(r *http.Request) { r.Header.Set("Connection", "X-A") }),
		"h2: Transfer-Encoding":   with(func(r *http.Request) { r.Header.Set("Transfer-Encoding", "gzip") }),
		"h2: path":                with(func(r *http.Request) { r.URL.Opaque = "path" }),
	}
}

// chunkedWith gives a request a body of unknown length, which a trailer follows.
func chunkedWith(r *http.Request, trailer http.Header) {
	r.Method, r.ContentLength, r.Trailer = http.MethodPut, -1, trailer
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }
	r.Body, _ = r.GetBody()
}

func TestClassify_RefusedByNetHTTPOrTLSNeverRetried(t *testing.T) {
	all := refusals(t)
	maps.Copy(all, refusalsOverHTTP2(t))
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			if test.base == nil {
				test.base = &http.Transport{}
			}
			defer test.base.CloseIdleConnections()
			var sent atomic.Int32
			base := tripper(func(r *http.Request) (*http.Response, error) {
				resp, err := test.base.RoundTrip(r)
				if !errors.Is(err, net.ErrClosed) { // at times that hides why net/http closed the connection
					sent.Add(1)
				}
				return resp, err
			})
			_, err := httpx.NewTransport(base, policy(t, nil)).RoundTrip(test.req)
			require.Error(t, err)
			require.EqualValues(t, 1, sent.Load(), err)
			require.Equal(t, retry.Rejected, httpx.Classify(nil, nil, err).Class, err)
		})
	}
}

func TestClassify_HTTPAnswerToHTTPSKeepsHint(t *testing.T) {
	s := serve(t)
	_, err := client(t, policy(t, nil)).Get("https" + strings.TrimPrefix(s.URL, "http"))
	require.ErrorIs(t, err, http.ErrSchemeMismatch)
}

func TestClassify_ErrorTable(t *testing.T) {
	goAway := errors.New("http2: Transport received Server's graceful shutdown GOAWAY")
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for name, test := range map[string]struct {
		err   error
		class retry.Class
		alive bool
	}{
		"refused":         {refusedDial(), retry.Unprocessed, false},
		"refused, in url": {&url.Error{Op: "Get", URL: "/", Err: refusedDial()}, retry.Unprocessed, false},
		"unreachable":     {dial(syscall.EHOSTUNREACH), retry.Unprocessed, false},
		"proxy refused":   {&net.OpError{Op: "proxyconnect", Err: dial(syscall.ECONNREFUSED)}, retry.Unprocessed, false},
		"no such host":    {dial(&net.DNSError{Err: "no such host", IsNotFound: true}), retry.Rejected, false},
		"temporary DNS":   {dial(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), retry.Unprocessed, false},
		"DNS timeout":     {dial(&net.DNSError{Err: "timeout", IsTimeout: true}), retry.Unprocessed, false},
		"large header":    {errors.New("http2: request header list larger than peer's advertised limit"), retry.Rejected, false},
		"reset":           {&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, retry.Transient, false},
		"broken pipe":     {&net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}, retry.Transient, false},
		"EOF":             {io.EOF, retry.Transient, false},
		"unexpected EOF":  {io.ErrUnexpectedEOF, retry.Transient, false},
		"cannot rewind": {
			errors.New("net/http: cannot rewind body after connection loss"), retry.Unprocessed, true,
		},
		"closed idle":          {errors.New("http: server closed idle connection"), retry.Transient, false},
		"connection lost":      {errors.New("http2: client connection lost"), retry.Transient, false},
		"read timeout":         {&net.OpError{Op: "read", Net: "tcp", Err: timeoutError{}}, retry.Timeout, false},
		"headers timeout":      {timeoutError{}, retry.Timeout, false},
		"an inner layer's":     {&retry.Error{Reason: retry.ReasonMaxAttempts, Last: io.EOF}, retry.Rejected, false},
		"unknown":              {errors.New("what?"), retry.Transient, false},
		"bad address":          {dial(&net.AddrError{Err: "missing port", Addr: "x"}), retry.Rejected, false},
		"TLS alert":            {&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, retry.Rejected, false},
		"bad constraint":       {x509.ConstraintViolationError{}, retry.Rejected, false},
		"bad extension":        {fmt.Errorf("verify: %w", x509.UnhandledCriticalExtension{}), retry.Rejected, false},
		"weak signature":       {x509.InsecureAlgorithmError(x509.MD5WithRSA), retry.Rejected, false},
		"no root certificates": {x509.SystemRootsError{}, retry.Rejected, false},
		"TLS handshake":        {errors.New("net/http: TLS handshake timeout"), retry.Unprocessed, false},
		"GOAWAY, repeated":     {goAway, retry.Unprocessed, false},
		"GOAWAY, body written": {fmt.Errorf("http2: Transport: cannot retry err [%v] after", goAway), retry.Unprocessed, true},
	} {
		o := httpx.Classify(nil, nil, test.err)
		require.Equal(t, test.class, o.Class, name)
		require.Equal(t, test.alive, o.Alive, name)
	}
}

type timeoutError struct{}

func (timeoutError) Error() string { return "net/http: timeout awaiting response headers" }
func (timeoutError) Timeout() bool { return true }

func TestClassify_ServerHangsUpUntilMaxAttempts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var accepted atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			conn.Close()
		}
	}()
	_, err = client(t, policy(t, nil)).Get("http://" + l.Addr().String())
	require.Error(t, err)
	stopped, ok := errors.AsType[*retry.Error](err)
	require.True(t, ok)
	require.Equal(t, retry.ReasonMaxAttempts, stopped.Reason)
	require.Equal(t, 3, stopped.Attempts)
	l.Close()
	<-done
	require.EqualValues(t, 3, accepted.Load())
}

func TestClassify_XShouldRetryIsObeyed(t *testing.T) {
	answer := func(code int, word string) (*http.Response, int) {
		n := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n++
			w.Header().Set("X-Should-Retry", word)
			w.WriteHeader(code)
		}))
		defer s.Close()
		resp, err := client(t, policy(t, nil)).Get(s.URL)
		require.NoError(t, err)
		text(t, resp)
		return resp, n
	}
	resp, n := answer(503, "false")
	require.Equal(t, 1, n)
	stopped, _ := httpx.ReportFrom(resp.Request.Context())
	require.Equal(t, retry.ReasonNoRetry, stopped.Reason)
	_, n = answer(409, "true")
	require.Equal(t, 3, n)
	_, n = answer(404, "false")
	require.Equal(t, 1, n)
	_, n = answer(503, "maybe")
	require.Equal(t, 3, n)
}

func TestNested_OneOfTwoTransportsRetries(t *testing.T) {
	s := serve(t, many(20, 503)...)
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	inner := httpx.NewTransport(base, policy(t, nil))
	resp, err := (&http.Client{Transport: httpx.NewTransport(inner, policy(t, nil))}).Get(s.URL)
	require.NoError(t, err)
	text(t, resp)
	require.Equal(t, 3, s.count())
	s.Close()
	_, err = (&http.Client{Transport: httpx.NewTransport(inner, policy(t, nil))}).Get(s.URL)
	stopped, ok := errors.AsType[*retry.Error](err)
	require.True(t, ok)
	require.Equal(t, 1, stopped.Attempts)
}

func TestClassify_ForeignErrorTextsProveNothing(t *testing.T) {
	for name, err := range map[string]error{
		"URL":         &url.Error{Op: "Post", URL: "http://h/?q=; REFUSED_STREAM", Err: io.EOF},
		"URL 2":       &url.Error{Op: "Post", URL: "http://h/?q=http2: client conn not usable", Err: io.EOF},
		"URL 3":       &url.Error{Op: "Post", URL: "http://h/?q=net/http: TLS handshake timeout", Err: io.EOF},
		"status":      errors.New(`malformed HTTP status code "; REFUSED_STREAM"`),
		"status 2":    errors.New(`malformed HTTP response "http2: client conn not usable"`),
		"header":      errors.New("malformed MIME header line: net/http: TLS handshake timeout"),
		"goaway":      errors.New(`http2: server sent GOAWAY and closed the connection; debug="; REFUSED_STREAM"`),
		"not refused": errors.New("http2: Transport: cannot retry err [stream error: stream ID 1; PROTOCOL_ERROR] after"),
	} {
		require.Equal(t, retry.Transient, httpx.Classify(nil, nil, err).Class, name)
		wrapped := fmt.Errorf("my base: %w", err)
		require.Equal(t, retry.Transient, httpx.Classify(nil, nil, wrapped).Class, name)
	}
	goAway := errors.New("http2: Transport received Server's graceful shutdown GOAWAY")
	for _, err := range []error{
		&url.Error{Op: "Post", URL: "http://h/", Err: goAway}, fmt.Errorf("my base: %w", goAway),
		errors.New("http2: Transport: cannot retry err [stream error: stream ID 5; REFUSED_STREAM] after"),
		errors.New("net/http: TLS handshake timeout"),
	} {
		require.Equal(t, retry.Unprocessed, httpx.Classify(nil, nil, err).Class, err)
	}
}

func TestClassify_XShouldRetryInAnyCase(t *testing.T) {
	for _, v := range []string{"False", "FALSE", " false "} {
		var sent atomic.Int32
		odd := base(func(*http.Request) (*http.Response, error) {
			sent.Add(1)
			resp := reply(503, http.NoBody)
			resp.Header.Set("X-Should-Retry", v)
			return resp, nil
		})
		_, err := httpx.NewTransport(odd, policy(t, nil)).RoundTrip(request(t, http.MethodGet, "http://h/", nil))
		require.NoError(t, err)
		require.EqualValues(t, 1, sent.Load(), v)
	}
}
