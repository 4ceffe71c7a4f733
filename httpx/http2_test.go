package httpx_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// rawHTTP2 is a server that does to each stream, once its request is complete, what react says: n
// counts streams over all connections, from 1. It speaks HTTP/2 without TLS over net.Pipes.
type rawHTTP2 struct {
	react func(f *http2.Framer, n int, stream uint32)
	// during, unless nil, sees the frames of requests that are not complete.
	during func(conn net.Conn, f *http2.Framer, frame http2.Frame)

	mu     sync.Mutex
	n      int
	conns  []net.Conn
	bodies []string
}

func (s *rawHTTP2) next(body string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, body)
	s.n++
	return s.n
}

func (s *rawHTTP2) serve(conn net.Conn) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	out := make(queue, 1000) // a pipe holds nothing, and both sides begin by writing
	var writer sync.WaitGroup
	writer.Go(func() {
		for p := range out {
			_, _ = conn.Write(p)
		}
	})
	defer writer.Wait()
	defer close(out)
	defer conn.Close()
	f := http2.NewFramer(out, conn)
	if f.WriteSettings() != nil {
		return
	}
	bodies := map[uint32]*bytes.Buffer{}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		id, ended := frame.Header().StreamID, frame.Header().Flags.Has(http2.FlagDataEndStream)
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
			continue
		case *http2.HeadersFrame:
			bodies[id] = new(bytes.Buffer)
		case *http2.DataFrame:
			bodies[id].Write(frame.Data())
		default:
			continue
		}
		switch {
		case ended:
			s.react(f, s.next(bodies[id].String()), id)
		case s.during != nil:
			s.during(conn, f, frame)
		}
	}
}

// queue is a writer that does not wait.
type queue chan []byte

func (q queue) Write(p []byte) (int, error) {
	q <- bytes.Clone(p)
	return len(p), nil
}

func answer(f *http2.Framer, stream uint32, status string) { writeStatus(f, stream, status, true) }

// begin answers with a body, which is to come.
func begin(f *http2.Framer, stream uint32, status string) { writeStatus(f, stream, status, false) }

func writeStatus(f *http2.Framer, stream uint32, status string, end bool) {
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: status})
	_ = f.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end,
	})
}

// transport returns a client of s.
func (s *rawHTTP2) transport(t testing.TB) *http.Transport {
	l := newPipeListener()
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			conns.Go(func() { s.serve(conn) })
		}
	})
	base := &http.Transport{DialContext: l.dial, Protocols: new(http.Protocols)}
	base.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(func() {
		l.Close()
		base.CloseIdleConnections()
		s.mu.Lock()
		for _, conn := range s.conns {
			conn.Close()
		}
		s.mu.Unlock()
		conns.Wait()
	})
	return base
}

// stream returns a body without GetBody, so that net/http does not replay it by itself.
func stream(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }

func TestHTTP2_REFUSED_STREAMReplayedForPOST(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rawHTTP2{react: func(f *http2.Framer, n int, id uint32) {
			if n <= 2 {
				_ = f.WriteRSTStream(id, http2.ErrCodeRefusedStream)
				return
			}
			answer(f, id, "200")
		}}
		var seen recorder
		p := policy(t, func(c *retry.Config) { c.MaxAttempts = 2 }, retry.WithObserver(&seen))
		tr := httpx.NewTransport(s.transport(t), p, httpx.WithBodyBuffer(100))
		resp, err := tr.RoundTrip(request(t, http.MethodPost, "http://pipe/", stream("pay 5")))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
		require.Equal(t, []string{"pay 5", "pay 5", "pay 5"}, s.bodies)
		require.Equal(t, retry.Unprocessed, seen.attempts[0].Outcome.Class)
		require.True(t, seen.attempts[0].Outcome.Alive)
		require.Equal(t, 2, seen.calls[0].Unprocessed, "free of MaxAttempts")
	})
}

func TestHTTP2_EndlessREFUSED_STREAMEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rawHTTP2{react: func(f *http2.Framer, _ int, id uint32) { _ = f.WriteRSTStream(id, http2.ErrCodeRefusedStream) }}
		tr := httpx.NewTransport(s.transport(t), policy(t, nil), httpx.WithBodyBuffer(100))
		_, err := tr.RoundTrip(request(t, http.MethodPost, "http://pipe/", stream("pay 5")))
		stopped, ok := errors.AsType[*retry.Error](err)
		require.True(t, ok)
		require.Equal(t, retry.ReasonMaxAttempts, stopped.Reason)
		require.Equal(t, 5, stopped.Attempts, "three, and two that were free")
	})
}

func TestHTTP2_GOAWAYAboveLastStreamReplayedForPOST(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rawHTTP2{react: func(f *http2.Framer, n int, id uint32) {
			if n == 1 {
				_ = f.WriteGoAway(id-1, http2.ErrCodeNo, nil)
				return
			}
			answer(f, id, "200")
		}}
		var seen recorder
		tr := httpx.NewTransport(s.transport(t), policy(t, nil, retry.WithObserver(&seen)), httpx.WithBodyBuffer(100))
		resp, err := tr.RoundTrip(request(t, http.MethodPost, "http://pipe/", stream("pay 5")))
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, []string{"pay 5", "pay 5"}, s.bodies)
		require.Equal(t, 1, seen.calls[0].Unprocessed)
	})
}

func TestHTTP2_GOAWAYReplayedByNetHTTPHasBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rawHTTP2{react: func(f *http2.Framer, n int, id uint32) {
			if n == 1 {
				_ = f.WriteGoAway(id-1, http2.ErrCodeNo, nil)
				return
			}
			answer(f, id, "200")
		}}
		tr := httpx.NewTransport(s.transport(t), policy(t, nil))
		resp, err := (&http.Client{Transport: tr}).Post("http://pipe/", "text/plain", strings.NewReader("pay 5"))
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, []string{"pay 5", "pay 5"}, s.bodies)
	})
}

// golang.org/x/net/http2 has a type of its own for the error of a stream that was reset.
func TestHTTP2_StreamErrorsByCode(t *testing.T) {
	for code, class := range map[http2.ErrCode]retry.Class{
		http2.ErrCodeEnhanceYourCalm:    retry.Throttled,
		http2.ErrCodeInternal:           retry.Transient,
		http2.ErrCodeCancel:             retry.Transient,
		http2.ErrCodeHTTP11Required:     retry.Rejected,
		http2.ErrCodeInadequateSecurity: retry.Rejected,
		http2.ErrCodeRefusedStream:      retry.Unprocessed,
	} {
		for name, of := range map[string]func(*http.Transport) http.RoundTripper{
			"net/http": func(base *http.Transport) http.RoundTripper { return base }, "x/net": xnet,
		} {
			t.Run(name+"/"+code.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &rawHTTP2{react: func(f *http2.Framer, _ int, id uint32) { _ = f.WriteRSTStream(id, code) }}
					_, err := of(s.transport(t)).RoundTrip(request(t, http.MethodGet, "http://pipe/", nil))
					require.Error(t, err)
					require.Equal(t, class, httpx.Classify(nil, nil, err).Class, err)
					require.Equal(t, class, httpx.Classify(nil, nil, fmt.Errorf("fetch: %w", err)).Class, err)
				})
			})
		}
	}
}

// xnet returns the transport of golang.org/x/net/http2 with base's connections.
func xnet(base *http.Transport) http.RoundTripper {
	//lint:ignore SA1019 it is what the test is about
	return &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return base.DialContext(ctx, network, addr)
	}}
}

func TestHTTP2_LostConnectionIsNotUnprocessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rawHTTP2{react: func(f *http2.Framer, _ int, id uint32) {
			_ = f.WriteGoAway(id, http2.ErrCodeInternal, nil) // this stream may have been processed
			_ = f.WriteRSTStream(id, http2.ErrCodeInternal)
		}}
		var seen reportsOf
		tr := httpx.NewTransport(s.transport(t), policy(t, nil, retry.WithObserver(&seen)))
		_, err := tr.RoundTrip(request(t, http.MethodPost, "http://pipe/", strings.NewReader("pay 5")))
		require.Error(t, err)
		require.Equal(t, retry.ReasonNotIdempotent, seen[0].Reason)
		require.Equal(t, seen[0].Err, err, "nothing was added to it")
		require.Len(t, s.bodies, 1)
	})
}
