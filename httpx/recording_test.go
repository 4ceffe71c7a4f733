package httpx_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// aborts are the ways in which an HTTP/2 server ends a request that it has not read to its end.
var aborts = map[string]func(conn net.Conn, f *http2.Framer, stream uint32){
	"reset by a handler that panics": func(_ net.Conn, f *http2.Framer, id uint32) { _ = f.WriteRSTStream(id, http2.ErrCodeInternal) },
	"reset as refused":               func(_ net.Conn, f *http2.Framer, id uint32) { _ = f.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
	"reset as canceled":              func(_ net.Conn, f *http2.Framer, id uint32) { _ = f.WriteRSTStream(id, http2.ErrCodeCancel) },
	"GOAWAY with an error":           func(_ net.Conn, f *http2.Framer, _ uint32) { _ = f.WriteGoAway(0, http2.ErrCodeInternal, nil) },
	"GOAWAY":                         func(_ net.Conn, f *http2.Framer, _ uint32) { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil) },
	"GOAWAY and the connection lost": func(c net.Conn, f *http2.Framer, id uint32) {
		_ = f.WriteGoAway(id, http2.ErrCodeNo, nil)
		time.AfterFunc(time.Millisecond, func() { c.Close() })
	},
	"connection lost": func(c net.Conn, _ *http2.Framer, _ uint32) { c.Close() },
}

// TestRecording_AbortedUploadReturnsAtOnce has a server give up a request whose body, a pipe that
// nobody writes to any more, is being read.
func TestRecording_AbortedUploadReturnsAtOnce(t *testing.T) {
	for fault, abort := range aborts {
		for _, written := range []string{"", "hello"} {
			for way, p := range policies(t) {
				for buffered, opts := range map[string][]httpx.Option{"": nil, ", buffered": {httpx.WithBodyBuffer(1 << 20)}} {
					name := fault + "/" + map[bool]string{true: "nothing", false: "part"}[written == ""] + " read/" + way + buffered
					t.Run(name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							abortedUpload(t, abort, written, p, opts)
						})
					})
				}
			}
		}
	}
}

func abortedUpload(t *testing.T, abort func(net.Conn, *http2.Framer, uint32), written string, p *retry.Policy, opts []httpx.Option) {
	s := &rawHTTP2{during: func(conn net.Conn, f *http2.Framer, frame http2.Frame) {
		_, data := frame.(*http2.DataFrame)
		if data == (written != "") {
			abort(conn, f, frame.Header().StreamID)
		}
	}}
	pipe, feed := io.Pipe()
	body := pipeBody{pipe, new(atomic.Int32)}
	go feed.Write([]byte(written))
	defer feed.Close()
	tr := httpx.NewTransport(s.transport(t), p, opts...)
	start := time.Now()
	_, err := tr.RoundTrip(request(t, http.MethodPost, "http://pipe/", body))
	require.Error(t, err)
	require.LessOrEqual(t, time.Since(start), 50*time.Millisecond, err)
	synctest.Wait()
	require.EqualValues(t, 1, body.closed.Load())
}

// pipeBody counts how often it is closed.
type pipeBody struct {
	*io.PipeReader
	closed *atomic.Int32
}

func (b pipeBody) Close() error {
	b.closed.Add(1)
	return b.PipeReader.Close()
}

func TestRecording_AbortedUploadReportsNotReplayable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rawHTTP2{during: func(_ net.Conn, f *http2.Framer, frame http2.Frame) {
			_ = f.WriteRSTStream(frame.Header().StreamID, http2.ErrCodeInternal)
		}}
		var seen recorder
		pipe, feed := io.Pipe()
		defer feed.Close()
		tr := httpx.NewTransport(s.transport(t), policy(t, nil, retry.WithObserver(&seen)))
		_, err := tr.RoundTrip(request(t, http.MethodPut, "http://pipe/", pipe))
		require.ErrorContains(t, err, "INTERNAL_ERROR")
		require.Equal(t, retry.Transient, seen.attempts[0].Outcome.Class, "the server failed, not the body")
		require.Equal(t, retry.ReasonNotReplayable, seen.calls[0].Reason)
	})
}

// TestRecording_PendingReadPassesToNextAttempt has attempts end while their body is being read,
// without a need to unblock it.
func TestRecording_PendingReadPassesToNextAttempt(t *testing.T) {
	for _, written := range []string{"", "hello"} {
		for name, test := range map[string]struct {
			p     *retry.Policy
			react func(f *http2.Framer, stream uint32)
		}{
			"answered early": {
				policy(t, func(c *retry.Config) { c.ThrottledBackoff = backoff.Constant(50 * time.Millisecond) }),
				func(f *http2.Framer, id uint32) { answer(f, id, "503") },
			},
			"timed out": {
				policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(100 * time.Millisecond) }),
				func(*http2.Framer, uint32) {},
			},
		} {
			t.Run(name+"/read: "+written, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					first := uint32(0)
					s := &rawHTTP2{
						react: func(f *http2.Framer, _ int, id uint32) { answer(f, id, "200") },
						during: func(_ net.Conn, f *http2.Framer, frame http2.Frame) {
							_, data := frame.(*http2.DataFrame)
							if first == 0 && data == (written != "") {
								first = frame.Header().StreamID
								test.react(f, first)
							}
						},
					}
					pipe, feed := io.Pipe()
					go func() {
						_, _ = feed.Write([]byte(written))
						time.Sleep(150 * time.Millisecond)
						_, _ = feed.Write([]byte(", world"))
						feed.Close()
					}()
					tr := httpx.NewTransport(s.transport(t), test.p, httpx.WithBodyBuffer(100))
					resp, err := tr.RoundTrip(request(t, http.MethodPut, "http://pipe/", pipe))
					require.NoError(t, err)
					require.Equal(t, 200, resp.StatusCode)
					text(t, resp)
					require.Equal(t, []string{written + ", world"}, s.bodies)
				})
			})
		}
	}
}

// TestRecording_PendingReadDoesNotDelayRetry has a server answer early, and nothing more be
// written to the request's body until that was sent again: HTTP/2 waits for a Read of it when the
// body of its answer is closed.
func TestRecording_PendingReadDoesNotDelayRetry(t *testing.T) {
	for name, early := range map[string]func(f *http2.Framer, stream uint32){
		"the answer is complete": func(f *http2.Framer, id uint32) {
			begin(f, id, "503")
			_ = f.WriteData(id, true, []byte("busy"))
		},
		"the answer stalls": func(f *http2.Framer, id uint32) {
			begin(f, id, "503")
			_ = f.WriteData(id, false, []byte("bu"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipe, feed := io.Pipe()
				sent := 0
				s := &rawHTTP2{
					react: func(f *http2.Framer, _ int, id uint32) { answer(f, id, "200") },
					during: func(_ net.Conn, f *http2.Framer, frame http2.Frame) {
						if _, ok := frame.(*http2.HeadersFrame); !ok {
							return
						}
						if sent++; sent == 1 {
							early(f, frame.Header().StreamID)
							return
						}
						go func() {
							_, _ = feed.Write([]byte("hello"))
							feed.Close()
						}()
					},
				}
				tr := httpx.NewTransport(s.transport(t), policy(t, nil), httpx.WithBodyBuffer(100))
				resp, err := tr.RoundTrip(request(t, http.MethodPut, "http://pipe/", pipe))
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				text(t, resp)
				require.Equal(t, []string{"hello"}, s.bodies)
			})
		})
	}
}

// lockedBody has a Close that waits for a Read, as the body of a server's request has.
type lockedBody struct {
	mu sync.Mutex
	io.ReadCloser
}

func (b *lockedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ReadCloser.Read(p)
}

func (b *lockedBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ReadCloser.Close()
}

func TestRecording_EarlyAnswerDoesNotWaitForClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rawHTTP2{during: func(_ net.Conn, f *http2.Framer, frame http2.Frame) { answer(f, frame.Header().StreamID, "403") }}
		pipe, feed := io.Pipe()
		defer feed.Close()
		p := policy(t, nil, retry.WithObserver(slowObserver{})) // net/http closes the body before the call is over
		resp, err := httpx.NewTransport(s.transport(t), p).RoundTrip(
			request(t, http.MethodPut, "http://pipe/", &lockedBody{ReadCloser: pipe}))
		require.NoError(t, err)
		require.Equal(t, 403, resp.StatusCode)
		text(t, resp)
	})
}

// TestRecording_ClosedBodyContinuesOnNewConnection has a base that closes the body of a request
// whose connection it finds unusable, and sends it on another: net/http does so if nothing was
// read.
func TestRecording_ClosedBodyContinuesOnNewConnection(t *testing.T) {
	for name, traced := range map[string]bool{"known from the trace": true, "not known": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []byte
				var readErr error
				moving := base(func(req *http.Request) (*http.Response, error) {
					trace := httptrace.ContextClientTrace(req.Context())
					for range 2 {
						if traced {
							trace.GetConn("pipe:80")
							trace.GotConn(httptrace.GotConnInfo{})
						}
						if got == nil {
							req.Body.Close()
							got = []byte{}
						}
					}
					got, readErr = io.ReadAll(req.Body)
					req.Body.Close()
					if readErr != nil {
						return nil, readErr
					}
					return reply(200, http.NoBody), nil
				})
				pipe, feed := io.Pipe()
				time.AfterFunc(time.Second, func() {
					_, _ = feed.Write([]byte("hello"))
					feed.Close()
				})
				start := time.Now()
				_, err := httpx.NewTransport(moving, policy(t, nil)).RoundTrip(request(t, http.MethodPost, "http://h/", pipe))
				if traced {
					require.NoError(t, err)
					require.Equal(t, "hello", string(got))
					return
				}
				require.Error(t, err)
				require.Less(t, time.Since(start), time.Second, "nobody is going to close it again")
			})
		})
	}
}

func TestRecording_CanceledUploadClosesBody(t *testing.T) {
	for way, p := range policies(t) {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &rawHTTP2{}
				pipe, feed := io.Pipe()
				defer feed.Close()
				body := pipeBody{pipe, new(atomic.Int32)}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := httpx.NewTransport(s.transport(t), p).RoundTrip(request(t, http.MethodPost, "http://pipe/", body).WithContext(ctx))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				synctest.Wait()
				require.EqualValues(t, 1, body.closed.Load())
			})
		})
	}
}

func TestRecording_ReadableAfterCloseWithinAttempt(t *testing.T) {
	var got []byte
	again := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		r.Body.Close() // as net/http's HTTP/2 does when a connection turns out to be unusable
		got, _ = io.ReadAll(r.Body)
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	var closed atomic.Int32
	req := request(t, http.MethodPost, "http://h/", closer{strings.NewReader("pay 5"), &closed})
	_, err := httpx.NewTransport(again, policy(t, nil)).RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, "pay 5", string(got))
	require.EqualValues(t, 1, closed.Load())
}

func TestRecording_ContinuesWhileEndedAttemptReads(t *testing.T) {
	source, feed := io.Pipe()
	var uploads sync.WaitGroup
	defer uploads.Wait()
	var got []byte
	sent := 0
	laggard := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		if sent++; sent == 1 {
			reading := make(chan struct{})
			uploads.Go(func() {
				_, _ = r.Body.Read(make([]byte, 4))
				close(reading)
				_, _ = r.Body.Read(make([]byte, 4)) // is in the source when the next attempt begins
				r.Body.Close()
			})
			_, _ = io.WriteString(feed, "pay ")
			<-reading
			return &http.Response{StatusCode: 503, Body: http.NoBody}, nil
		}
		uploads.Go(func() {
			_, _ = io.WriteString(feed, "5 and")
			_, _ = io.WriteString(feed, " more")
			feed.Close()
		})
		got, _ = io.ReadAll(r.Body)
		r.Body.Close()
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	resp, err := httpx.NewTransport(laggard, policy(t, nil), httpx.WithBodyBuffer(100)).RoundTrip(
		request(t, http.MethodPut, "http://h/", source))
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "pay 5 and more", string(got))
}

func TestRecording_ClosedBodyNotReadBeyondBuffer(t *testing.T) {
	source := &counting{Reader: endless{}}
	careless := base(func(req *http.Request) (*http.Response, error) {
		_, _ = req.Body.Read(make([]byte, 10))
		req.Body.Close()
		n, err := req.Body.Read(make([]byte, 10))
		require.Zero(t, n)
		require.ErrorContains(t, err, "closed")
		return reply(200, http.NoBody), nil
	})
	_, err := httpx.NewTransport(careless, policy(t, nil)).RoundTrip(request(t, http.MethodPost, "http://h/", source))
	require.NoError(t, err)
	require.Equal(t, 10, source.read)
}

// TestRecording_CloseDuringReadIsNotReplayed has a base that does not wait for a Read which
// Close should unblock.
func TestRecording_CloseDuringReadIsNotReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe, feed := io.Pipe()
		defer feed.Close()
		sent := 0
		impatient := base(func(req *http.Request) (*http.Response, error) {
			sent++
			go func() { _, _ = req.Body.Read(make([]byte, 10)) }()
			synctest.Wait()
			req.Body.Close()
			time.Sleep(time.Second)
			return nil, io.ErrUnexpectedEOF
		})
		var seen recorder
		tr := httpx.NewTransport(impatient, policy(t, nil, retry.WithObserver(&seen)), httpx.WithBodyBuffer(100))
		_, err := tr.RoundTrip(request(t, http.MethodPut, "http://h/", io.NopCloser(pipe)))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, retry.ReasonNotReplayable, seen.reason())
		require.Equal(t, 1, sent)
	})
}

func TestRecording_UploadContinuesAfterAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []byte
		uploaded := make(chan struct{})
		moving := base(func(req *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GotConn(httptrace.GotConnInfo{})
			req.Body.Close()
			trace.GotConn(httptrace.GotConnInfo{})
			go func() {
				defer close(uploaded)
				got, _ = io.ReadAll(req.Body)
				req.Body.Close()
			}()
			return reply(200, http.NoBody), nil
		})
		pipe, feed := io.Pipe()
		body := pipeBody{pipe, new(atomic.Int32)}
		_, err := httpx.NewTransport(moving, policy(t, nil)).RoundTrip(request(t, http.MethodPost, "http://h/", body))
		require.NoError(t, err)
		synctest.Wait()
		require.Zero(t, body.closed.Load())
		_, _ = feed.Write([]byte("hello"))
		feed.Close()
		<-uploaded
		require.Equal(t, "hello", string(got))
		require.EqualValues(t, 1, body.closed.Load())
	})
}

func TestRecording_EndedAttemptDoesNotKeepBodyOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := make(chan struct{})
		sent := 0
		forgetful := base(func(req *http.Request) (*http.Response, error) {
			if sent++; sent > 1 {
				req.Body.Close()
				return reply(200, http.NoBody), nil
			}
			go func() { // HTTP/1 closes the body when the Read returns
				defer close(reads)
				_, _ = req.Body.Read(make([]byte, 10))
				req.Body.Close()
			}()
			synctest.Wait()
			return reply(503, http.NoBody), nil
		})
		pipe, feed := io.Pipe()
		defer feed.Close()
		body := pipeBody{pipe, new(atomic.Int32)}
		_, err := httpx.NewTransport(forgetful, policy(t, nil)).RoundTrip(request(t, http.MethodPut, "http://h/", body))
		require.NoError(t, err)
		<-reads
		require.EqualValues(t, 1, body.closed.Load())
	})
}

func TestRecording_PendingReadPassesOnAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		got := ""
		early := base(func(req *http.Request) (*http.Response, error) {
			if sent++; sent == 1 {
				go func() { _, _ = req.Body.Read(make([]byte, 10)) }()
				synctest.Wait()
				req.Body.Close()
				stalled, _ := io.Pipe()
				return reply(503, stalled), nil // is drained for longer than a Read is given
			}
			b, err := io.ReadAll(req.Body)
			got = string(b)
			req.Body.Close()
			return reply(200, http.NoBody), err
		})
		pipe, feed := io.Pipe()
		time.AfterFunc(time.Second, func() {
			_, _ = feed.Write([]byte("hello"))
			feed.Close()
		})
		_, err := httpx.NewTransport(early, policy(t, nil), httpx.WithBodyBuffer(10)).RoundTrip(request(t, http.MethodPut, "http://h/", pipe))
		require.NoError(t, err)
		require.Equal(t, "hello", got)
	})
}
