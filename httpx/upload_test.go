package httpx_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestUpload_NilGetBodyResultEndsCall(t *testing.T) {
	s := serve(t, 503)
	req := request(t, http.MethodPut, s.URL, strings.NewReader("a"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, nil }
	_, err := client(t, policy(t, nil)).Do(req)
	require.ErrorContains(t, err, "GetBody")
	require.Equal(t, 1, s.count())
}

func TestUpload_NoBodyFromGetBody(t *testing.T) {
	s := serve(t, 503)
	req := request(t, http.MethodPut, s.URL, nil)
	req.Body = io.NopCloser(strings.NewReader(""))
	req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	resp, err := client(t, policy(t, nil)).Do(req)
	require.NoError(t, err)
	text(t, resp)
	require.Empty(t, s.Seen[1].TransferEncoding)
	require.EqualValues(t, 0, s.Seen[1].ContentLength)
}

// funcBody is a body that Go cannot compare.
type funcBody struct {
	io.Reader
	close func() error
}

func (b funcBody) Close() error { return b.close() }

func TestUpload_UncomparableBody(t *testing.T) {
	for name, p := range policies(t) {
		s := serve(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		req := request(t, http.MethodPut, s.URL, strings.NewReader("abc")).WithContext(ctx)
		req.Body = funcBody{req.Body, req.Body.Close}
		resp, err := client(t, p).Do(req)
		require.NoError(t, err, name)
		require.Equal(t, "OK", text(t, resp))
		require.Equal(t, []string{"abc"}, s.Bodies)
		cancel()
	}
}

func TestUpload_RecordingWithinLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 1 << 20
		var read atomic.Int64
		var sent atomic.Int32
		stop := make(chan struct{})
		early := base(func(req *http.Request) (*http.Response, error) { // answers while the upload goes on
			if sent.Add(1) > 1 {
				_, _ = io.CopyN(io.Discard, req.Body, 10)
				req.Body.Close()
				return reply(200, http.NoBody), nil
			}
			started := make(chan struct{})
			go func() {
				buf := make([]byte, 32<<10)
				_, _ = req.Body.Read(buf[:10])
				close(started)
				for {
					time.Sleep(100 * time.Microsecond)
					if _, err := req.Body.Read(buf); err != nil {
						break
					}
				}
				req.Body.Close()
			}()
			<-started
			stalled, _ := io.Pipe()
			return reply(503, stalled), nil
		})
		body := closer{readerFunc(func(p []byte) (int, error) {
			select {
			case <-stop:
				return 0, io.EOF
			default:
				read.Add(int64(len(p)))
				return len(p), nil
			}
		}), new(atomic.Int32)}
		tr := httpx.NewTransport(early, policy(t, nil), httpx.WithBodyBuffer(limit))
		resp, err := tr.RoundTrip(request(t, http.MethodPut, "http://h/", body))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		close(stop)
		require.LessOrEqual(t, read.Load(), int64(limit+64<<10))
		synctest.Wait()
		require.EqualValues(t, 1, body.closed.Load())
	})
}

func TestUpload_ContinuesIfEarlyAnswerWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 4 << 20
		uploaded := make(chan int64, 1)
		early := base(func(req *http.Request) (*http.Response, error) {
			if req.Body == nil {
				return reply(503, http.NoBody), nil
			}
			one := make([]byte, 1)
			_, _ = req.Body.Read(one)
			go func() {
				n, _ := io.Copy(io.Discard, req.Body)
				req.Body.Close()
				uploaded <- n + 1
			}()
			time.Sleep(time.Nanosecond)
			return reply(503, io.NopCloser(strings.NewReader("no"))), nil
		})
		slow := readerFunc(func(p []byte) (int, error) {
			time.Sleep(time.Microsecond)
			return len(p), nil
		})
		// the budget has nothing: the 503, which might have been retried, is the answer
		p := policy(t, func(c *retry.Config) { c.Budget = budget.TokenBucket{Cap: 1.5, OnSuccess: true} },
			retry.WithObserver(slowObserver{}))
		tr := httpx.NewTransport(early, p, httpx.WithBodyBuffer(1<<20))
		_, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
		require.NoError(t, err)
		for range 2 {
			resp, err := tr.RoundTrip(request(t, http.MethodPut, "http://h/", io.LimitReader(slow, size)))
			require.NoError(t, err)
			require.Equal(t, 503, resp.StatusCode)
			require.Equal(t, "no", text(t, resp))
			require.EqualValues(t, size, <-uploaded)
		}
	})
}

// slowObserver lets an upload go on while it is being decided what becomes of its call.
type slowObserver struct{}

func (slowObserver) AttemptDone(context.Context, retry.Attempt) { time.Sleep(time.Millisecond) }

func (slowObserver) CallDone(context.Context, retry.Report) {}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestUpload_ReplayByNetHTTPReadsNoMore(t *testing.T) {
	file := strings.NewReader("0123456789") // one, which GetBody rewinds
	reading := make(chan struct{})
	resumed, seen := make(chan struct{}), make(chan string, 1)
	var sent atomic.Int32
	replaying := base(func(req *http.Request) (*http.Response, error) {
		if sent.Add(1) > 1 {
			half := make([]byte, 5)
			_, _ = io.ReadFull(req.Body, half)
			close(resumed)
			<-reading
			rest, err := io.ReadAll(req.Body)
			req.Body.Close()
			seen <- string(half) + string(rest)
			return reply(200, http.NoBody), err
		}
		req.Body.Close() // the connection was unusable
		again, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		go func() { // the upload goes on after the answer
			defer close(reading)
			<-resumed
			_, _ = io.CopyN(io.Discard, again, 3)
			again.Close()
		}()
		return reply(503, http.NoBody), nil
	})
	req := request(t, http.MethodPut, "http://h/", io.NopCloser(file))
	req.GetBody = func() (io.ReadCloser, error) {
		_, err := file.Seek(0, io.SeekStart)
		return io.NopCloser(file), err
	}
	resp, err := httpx.NewTransport(replaying, policy(t, nil)).RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "0123456789", <-seen)
}

func TestUpload_ContinuesAfterWholeAnswer(t *testing.T) {
	arrived := make(chan int64, 1)
	everyWay(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		_ = c.Flush()
		if n, _ := io.Copy(io.Discard, r.Body); r.ProtoMajor == 2 {
			arrived <- n
		}
	}), func(t *testing.T, url string, c *http.Client) {
		body, upload := io.Pipe()
		resp, err := c.Post(url, "", body)
		require.NoError(t, err)
		defer upload.Close()
		if resp.ProtoMajor == 1 {
			require.NoError(t, resp.Body.Close())
			return // net/http itself closes the connection
		}
		time.Sleep(10 * time.Millisecond) // a context that is let go of too early would end the upload
		_, _ = upload.Write(make([]byte, 5000))
		upload.Close()
		require.EqualValues(t, 5000, <-arrived)
		require.NoError(t, resp.Body.Close())
	})
}

func TestUpload_ReplayedPOSTSendsIdenticalBytes(t *testing.T) {
	s := serve(t, 503, 500)
	req, err := http.NewRequest(http.MethodPost, s.URL, strings.NewReader("pay 5"))
	require.NoError(t, err)
	req.Header.Set("Idempotency-Key", "k1")
	before := req.Header.Clone()
	resp, err := client(t, policy(t, nil)).Do(req)
	require.NoError(t, err)
	require.Equal(t, "OK", text(t, resp))
	require.Equal(t, []string{"pay 5", "pay 5", "pay 5"}, s.Bodies)
	require.Equal(t, before, req.Header)
}

// A Read of a copy that goes on after its attempt holds up the next attempt, for which GetBody may
// rewind the same file, but no longer than the call's context lives.
func TestUpload_RetryWaitsForReadOfEarlierCopy(t *testing.T) {
	for name, takes := range map[string]time.Duration{"slow": time.Second, "stuck": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var sent atomic.Int32
			early := base(func(req *http.Request) (*http.Response, error) {
				if sent.Add(1) > 1 {
					return reply(200, http.NoBody), readAll(req)
				}
				go readAll(req)
				synctest.Wait() // it reads
				return reply(503, http.NoBody), nil
			})
			read := func() (io.ReadCloser, error) {
				return io.NopCloser(readerFunc(func([]byte) (int, error) { time.Sleep(takes); return 0, io.EOF })), nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			req := request(t, http.MethodPut, "http://h/", nil).WithContext(ctx)
			req.Body, _ = read()
			req.GetBody = read
			start := time.Now()
			resp, err := httpx.NewTransport(early, policy(t, nil)).RoundTrip(req)
			if name == "stuck" {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, time.Minute, time.Since(start))
				time.Sleep(time.Hour)
				require.EqualValues(t, 1, sent.Load())
				return
			}
			require.NoError(t, err)
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, 2*time.Second, time.Since(start), "both uploads, one after the other")
		})
	}
}

// net/http's RoundTrip over HTTP/1 returns only after a Read of the request's body has.
func TestUpload_StalledBodyOutlastsNoAttempt(t *testing.T) {
	for name, change := range map[string]func(*retry.Config){
		"hedged": func(c *retry.Config) { c.Hedge, c.Budget = timeout.Fixed(time.Second), budget.Unlimited{} },
		"timed":  func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) },
	} {
		for _, proto := range []*http.Protocols{new(http.Protocols), unencryptedHTTP2()} {
			synctest.Test(t, func(t *testing.T) {
				proto.SetHTTP1(!proto.UnencryptedHTTP2())
				base := pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if n, _ := io.Copy(io.Discard, r.Body); n == 3 {
						time.Sleep(500 * time.Millisecond)
						w.WriteHeader(http.StatusCreated)
					}
				}), proto)
				var copies atomic.Int32
				open := func() (io.ReadCloser, error) {
					if copies.Add(1) == 1 {
						stalled, _ := io.Pipe()
						return stalled, nil
					}
					return io.NopCloser(strings.NewReader("abc")), nil
				}
				req := request(t, http.MethodPut, "http://pipe/", nil)
				req.Body, _ = open()
				req.GetBody = open
				start := time.Now()
				resp, err := httpx.NewTransport(base, policy(t, change)).RoundTrip(req)
				require.NoError(t, err, name)
				require.Equal(t, http.StatusCreated, resp.StatusCode)
				require.Less(t, time.Since(start), 2*time.Second, "on the bubble's clock")
				resp.Body.Close()
			})
		}
	}
}
