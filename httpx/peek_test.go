package httpx_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// looking returns a classifier that remembers what it saw of each answer, and takes all for
// successes.
func looking(seen *[]string) httpx.Option {
	return httpx.WithClassifier(func(_ *http.Request, resp *http.Response, err error) retry.Outcome {
		if err != nil {
			return retry.Outcome{Class: retry.Rejected}
		}
		body := httpx.PeekBody(resp)
		*seen = append(*seen, string(body))
		for i := range body { // is the classifier's own
			body[i] = '?'
		}
		if again := httpx.PeekBody(resp); len(again) != len(body) {
			panic("a second look sees something else")
		}
		return retry.Outcome{}
	})
}

// everyPeek runs a test in a bubble over HTTP/1 and HTTP/2, with net/http's transport bare and in
// another RoundTripper, and with each policy but the one that changes nothing.
func everyPeek(t *testing.T, h http.HandlerFunc, test func(t *testing.T, c *http.Client, seen *[]string),
	opts ...httpx.Option,
) {
	t.Helper()
	for proto, protocols := range map[string][]*http.Protocols{"h1": nil, "h2": {unencryptedHTTP2()}} {
		for _, wrapped := range []string{"", "/wrapped"} {
			for way, p := range policies(t) {
				t.Run(proto+wrapped+"/"+way, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var base http.RoundTripper = pipeServer(t, h, protocols...)
						if wrapped != "" {
							base = roundTripFunc(base.RoundTrip)
						}
						var seen []string
						all := append([]httpx.Option{looking(&seen), httpx.WithBodyPeek(200, 429, 503)}, opts...)
						test(t, &http.Client{Transport: httpx.NewTransport(base, p, all...)}, &seen)
						synctest.Wait()
					})
				})
			}
		}
	}
}

func TestPeek_CallerGetsWholeBody(t *testing.T) {
	for name, size := range map[string]int{
		"none": 0, "little": 10, "the limit": 5000, "one more": 5001,
		"much": 1 << 20,
	} {
		t.Run(name, func(t *testing.T) {
			content := strings.Repeat("0123456789", size/10+1)[:size]
			everyPeek(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/length" {
					_, _ = io.WriteString(w, content)
					return
				}
				w.Header().Set("Trailer", "X-Sum")
				for part := content; len(part) > 0; {
					n := min(len(part), 3000)
					_, _ = io.WriteString(w, part[:n])
					_ = http.NewResponseController(w).Flush()
					part = part[n:]
				}
				w.Header().Set("X-Sum", "42")
			}, func(t *testing.T, c *http.Client, seen *[]string) {
				for _, path := range []string{"/length", "/chunks"} {
					resp, err := c.Get("http://pipe" + path)
					require.NoError(t, err)
					if path == "/length" && size < 2048 { // net/http's server knows it
						require.EqualValues(t, size, resp.ContentLength)
					}
					require.Nil(t, httpx.PeekBody(resp), "it is the caller's now")
					require.Equal(t, content, text(t, resp))
					if path == "/chunks" && size > 0 {
						require.Equal(t, "42", resp.Trailer.Get("X-Sum"))
					}
					_, err = resp.Body.Read(make([]byte, 1))
					require.Error(t, err, "it is closed")
				}
				want := content[:min(size, 5000)]
				require.Equal(t, []string{want, want}, *seen)
			}, httpx.WithPeekLimits(5000, time.Second))
		})
	}
}

func TestPeek_ErrorsAtSameOffset(t *testing.T) {
	broken := errors.New("broken")
	for name, limit := range map[string]int{"within the look": 100, "behind it": 3} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			body := &counting{Reader: io.MultiReader(strings.NewReader("0123456789"), breaking{broken})}
			tr := httpx.NewTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: body}, nil
			}), policy(t, nil), looking(&seen), httpx.WithBodyPeek(200), httpx.WithPeekLimits(limit, time.Second))
			resp, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
			require.NoError(t, err)
			got, err := io.ReadAll(resp.Body)
			require.Equal(t, "0123456789", string(got))
			require.Equal(t, broken, err)
			_, err = resp.Body.Read(make([]byte, 1))
			require.Equal(t, broken, err, "and again")
			require.Equal(t, []string{"0123456789"[:min(limit, 10)]}, seen)
		})
	}
}

// breaking is a reader that fails.
type breaking struct{ err error }

func (b breaking) Read([]byte) (int, error) { return 0, b.err }

func TestPeek_StalledBodyClassifiedByPrefix(t *testing.T) {
	for name, begin := range map[string]string{"at once": "", "in the middle": `{"error":`} {
		t.Run(name, func(t *testing.T) {
			everyPeek(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, begin)
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(time.Minute):
					_, _ = io.WriteString(w, "the rest")
				case <-r.Context().Done():
				}
			}, func(t *testing.T, c *http.Client, seen *[]string) {
				start := time.Now()
				resp, err := c.Get("http://pipe/")
				require.NoError(t, err)
				require.Equal(t, 100*time.Millisecond, time.Since(start))
				require.Equal(t, []string{begin}, *seen)
				require.Equal(t, begin+"the rest", text(t, resp))
				require.Equal(t, time.Minute, time.Since(start))
				resp, err = c.Get("http://pipe/")
				require.NoError(t, err)
				start = time.Now()
				require.NoError(t, resp.Body.Close())
				require.Zero(t, time.Since(start), "Close waits for nothing")
			})
		})
	}
}

func TestPeek_CompressedBodiesWithinLimit(t *testing.T) {
	const limit = 2000
	bomb := bytes.Repeat([]byte("bomb"), 1<<20)
	pack := func(open func(io.Writer) io.WriteCloser, content []byte) string {
		var b bytes.Buffer
		w := open(&b)
		_, _ = w.Write(content)
		_ = w.Close()
		return b.String()
	}
	gzipped := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	raw := func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 9); return f }
	zlibbed := func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
	for name, test := range map[string]struct {
		coding, body, want string
	}{
		"gzip":             {"gzip", pack(gzipped, []byte(`{"a":1}`)), `{"a":1}`},
		"x-gzip":           {"X-GZIP", pack(gzipped, []byte(`{"a":1}`)), `{"a":1}`},
		"deflate":          {"deflate", pack(zlibbed, []byte(`{"a":1}`)), `{"a":1}`},
		"deflate, raw":     {"deflate", pack(raw, []byte(`{"a":1}`)), `{"a":1}`},
		"identity":         {"identity", `{"a":1}`, `{"a":1}`},
		"gzip, a bomb":     {"gzip", pack(gzipped, bomb), string(bomb[:limit])},
		"deflate, a bomb":  {"deflate", pack(zlibbed, bomb), string(bomb[:limit])},
		"gzip, cut":        {"gzip", pack(gzipped, []byte(`{"a":1}`))[:15], `{"a"`},
		"gzip, of nothing": {"gzip", "", ""},
		"not gzip":         {"gzip", `{"a":1}`, ""},
		"unknown":          {"br", `{"a":1}`, ""},
		"twice":            {"gzip, gzip", `{"a":1}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			everyPeek(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", test.coding)
				_, _ = io.WriteString(w, test.body)
			}, func(t *testing.T, c *http.Client, seen *[]string) {
				req := request(t, http.MethodGet, "http://pipe/", nil)
				req.Header.Set("Accept-Encoding", "gzip, deflate, br") // so that net/http leaves it alone
				resp, err := c.Do(req)
				require.NoError(t, err)
				require.Equal(t, test.body, text(t, resp))
				require.Equal(t, test.coding, resp.Header.Get("Content-Encoding"))
				require.Equal(t, []string{test.want}, *seen)
			}, httpx.WithPeekLimits(limit, time.Second))
		})
	}
	t.Run("by net/http", func(t *testing.T) {
		everyPeek(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, pack(gzipped, bomb))
		}, func(t *testing.T, c *http.Client, seen *[]string) {
			resp, err := c.Get("http://pipe/")
			require.NoError(t, err)
			require.Equal(t, string(bomb), text(t, resp))
			require.True(t, resp.Uncompressed)
			require.Equal(t, []string{string(bomb[:limit])}, *seen)
		}, httpx.WithPeekLimits(limit, time.Second))
	})
}

func TestPeek_IgnoresStreamsAndEmptyBodies(t *testing.T) {
	for _, kind := range []string{
		"text/event-stream", "Text/Event-Stream; charset=utf-8", "application/vnd.amazon.eventstream",
		"multipart/x-mixed-replace; boundary=x", "application/grpc+proto",
	} {
		t.Run(kind, func(t *testing.T) {
			everyPeek(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", kind)
				stalled(w, r)
			}, func(t *testing.T, c *http.Client, seen *[]string) {
				start := time.Now()
				resp, err := c.Get("http://pipe/")
				require.NoError(t, err)
				require.Zero(t, time.Since(start))
				require.NoError(t, resp.Body.Close())
				require.Equal(t, []string{""}, *seen)
			})
		})
	}
	t.Run("HEAD", func(t *testing.T) {
		everyPeek(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "10") },
			func(t *testing.T, c *http.Client, seen *[]string) {
				resp, err := c.Head("http://pipe/")
				require.NoError(t, err)
				require.EqualValues(t, 10, resp.ContentLength)
				require.Empty(t, text(t, resp))
				require.Equal(t, []string{""}, *seen)
			})
	})
	t.Run("not listed", func(t *testing.T) {
		everyPeek(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); stalled(w, r) },
			func(t *testing.T, c *http.Client, seen *[]string) {
				start := time.Now()
				resp, err := c.Get("http://pipe/")
				require.NoError(t, err)
				require.Zero(t, time.Since(start))
				require.NoError(t, resp.Body.Close())
			})
	})
}

func TestPeek_IgnoresUpgradedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		c := pipeClient(t, func(w http.ResponseWriter, _ *http.Request) { switchToEcho(w) }, policy(t, nil),
			looking(&seen), httpx.WithBodyPeek(200))
		req := request(t, http.MethodGet, "http://pipe/", nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := c.Do(req)
		require.NoError(t, err)
		conn, ok := resp.Body.(io.ReadWriteCloser)
		require.True(t, ok)
		_, err = io.WriteString(conn, "hello\n")
		require.NoError(t, err)
		require.Equal(t, "hello\n", text(t, resp))
		require.Equal(t, []string{""}, seen)
	})
}

func TestPeek_CancelEndsPeek(t *testing.T) {
	everyPeek(t, stalled, func(t *testing.T, c *http.Client, _ *[]string) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		start := time.Now()
		resp, err := c.Do(get(t, ctx, "http://pipe/"))
		require.Equal(t, 30*time.Millisecond, time.Since(start))
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		require.ErrorIs(t, err, context.Canceled)
	})
}
