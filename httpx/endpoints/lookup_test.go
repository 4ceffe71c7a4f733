package endpoints_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/evenkeel-go/evenkeel/httpx/endpoints"
	"github.com/evenkeel-go/evenkeel/outlier"
)

// lookups is a resolver that the test writes.
type lookups struct {
	mu    sync.Mutex
	n     int
	addrs []string
	err   error
}

func (l *lookups) set(err error, addrs ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err, l.addrs = err, addrs
}

func (l *lookups) find(context.Context) (list []endpoints.Endpoint, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	for _, a := range l.addrs {
		list = append(list, endpoints.Endpoint{Addr: a})
	}
	return list, l.err
}

func TestLookup_RefreshesInBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, l := newFleet(t, "a", "b"), new(lookups)
		l.set(nil, "a")
		find := func(ctx context.Context) ([]endpoints.Endpoint, error) {
			time.Sleep(time.Millisecond) // so that the request is first
			return l.find(ctx)
		}
		c := client(t, endpoints.New("orders", find, endpoints.Config{Base: f.base()}))
		ask := func() string {
			from, _, err := get(c, "http://orders/")
			require.NoError(t, err)
			synctest.Wait()
			return from
		}
		require.Equal(t, "a", ask())
		l.set(nil, "b")
		time.Sleep(29 * time.Second)
		require.Equal(t, "a", ask())
		require.Equal(t, 1, l.n)
		time.Sleep(time.Second)
		require.Equal(t, "a", ask(), "nobody waits for a refresh")
		require.Equal(t, "b", ask())
		require.Equal(t, 2, l.n)
	})
}

func TestLookup_KeepsListWhileFailing(t *testing.T) {
	for name, err := range map[string]error{"error": errors.New("no DNS"), "empty": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, l := newFleet(t, "a", "b"), new(lookups)
				l.set(nil, "a")
				c := client(t, endpoints.New("orders", l.find, endpoints.Config{Base: f.base()}))
				for range 20 {
					from, _, e := get(c, "http://orders/")
					require.NoError(t, e)
					require.Equal(t, "a", from)
					l.set(err)
					time.Sleep(10 * time.Second)
				}
				l.set(nil, "b")
				_, _, _ = get(c, "http://orders/")
				synctest.Wait()
				from, _, e := get(c, "http://orders/")
				require.NoError(t, e)
				assert.Equal(t, "b", from)
			})
		})
	}
}

func TestLookup_FirstFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, l := newFleet(t, "a"), new(lookups)
		l.set(&net.DNSError{Err: "no such host", IsNotFound: true})
		c := client(t, endpoints.New("orders", l.find, endpoints.Config{Base: f.base()}))
		_, _, err := get(c, "http://orders/")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		require.ErrorContains(t, err, "no such host (endpoints of orders)")
		l.set(nil, "a")
		_, _, err = get(c, "http://orders/")
		require.NoError(t, err)
	})
}

func TestLookup_GoexitInResolverReleasesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a")
		var n atomic.Int64
		find := func(context.Context) ([]endpoints.Endpoint, error) {
			if n.Add(1) == 1 {
				runtime.Goexit()
			}
			return []endpoints.Endpoint{{Addr: "a"}}, nil
		}
		c := client(t, endpoints.New("orders", find, endpoints.Config{Base: f.base()}))
		c.Timeout = time.Minute
		_, _, err := get(c, "http://orders/")
		require.ErrorContains(t, err, "runtime.Goexit (endpoints of orders)")
		_, _, err = get(c, "http://orders/")
		require.NoError(t, err)
	})
}

func TestLookup_CallersDoNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a")
		var n atomic.Int64
		hang := func(ctx context.Context) ([]endpoints.Endpoint, error) {
			n.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		c := client(t, endpoints.New("orders", hang, endpoints.Config{Base: f.base()}))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://orders/", strings.NewReader("body"))
				assert.NoError(t, err)
				_, err = c.Do(req)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		wg.Wait()
		assert.Equal(t, int64(1), n.Load())
		time.Sleep(10 * time.Second) // the lookup ends
	})
}

func TestLookup_AfterRefusedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, l := newFleet(t, "a", "b"), new(lookups)
		l.set(nil, "a")
		c := client(t, endpoints.New("orders", l.find, endpoints.Config{Base: f.base()}))
		f.servers[0].refuses.Store(true)
		_, _, err := get(c, "http://orders/")
		require.Error(t, err)
		l.set(nil, "b")
		time.Sleep(5 * time.Second)
		_, _, err = get(c, "http://orders/")
		require.Error(t, err)
		synctest.Wait()
		_, _, err = get(c, "http://orders/")
		require.NoError(t, err)
	})
}

// dnsServer answers over a pipe, as a name server over TCP does.
func dnsServer(records map[dnsmessage.Type][]dnsmessage.ResourceBody) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			buf := make([]byte, 1<<16)
			for {
				if _, err := server.Read(buf[:2]); err != nil {
					return
				}
				n, err := server.Read(buf)
				if err != nil {
					return
				}
				var p dnsmessage.Parser
				h, err := p.Start(buf[:n])
				if err != nil {
					return
				}
				q, err := p.Question()
				if err != nil {
					return
				}
				m := dnsmessage.Message{
					Header:    dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true, RecursionAvailable: true},
					Questions: []dnsmessage.Question{q},
				}
				for _, body := range records[q.Type] {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: body,
					})
				}
				out, err := m.Pack()
				if err != nil {
					return
				}
				if _, err := server.Write(append([]byte{byte(len(out) >> 8), byte(len(out))}, out...)); err != nil {
					return
				}
			}
		}()
		return client, nil
	}}
}

func TestDNS_Addresses(t *testing.T) {
	r := dnsServer(map[dnsmessage.Type][]dnsmessage.ResourceBody{
		dnsmessage.TypeA: {
			&dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}, &dnsmessage.AResource{A: [4]byte{127, 0, 0, 2}},
		},
	})
	list, err := endpoints.DNSFrom(r, "orders.example.")(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, []endpoints.Endpoint{{Addr: "127.0.0.1"}, {Addr: "127.0.0.2"}}, list)
}

func TestDNS_OneFamily(t *testing.T) {
	r := dnsServer(map[dnsmessage.Type][]dnsmessage.ResourceBody{
		dnsmessage.TypeA:    {&dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}},
		dnsmessage.TypeAAAA: {&dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}}},
	})
	list, err := endpoints.DNSFrom(r, "orders.example.")(t.Context())
	require.NoError(t, err)
	assert.Len(t, list, 1)
}

func TestDNS_SRV(t *testing.T) {
	name := dnsmessage.MustNewName
	r := dnsServer(map[dnsmessage.Type][]dnsmessage.ResourceBody{
		dnsmessage.TypeSRV: {
			&dnsmessage.SRVResource{Priority: 1, Weight: 3, Port: 81, Target: name("a.example.")},
			&dnsmessage.SRVResource{Priority: 1, Weight: 0, Port: 82, Target: name("b.example.")},
			&dnsmessage.SRVResource{Priority: 2, Weight: 5, Port: 83, Target: name("spare.example.")},
		},
	})
	list, err := endpoints.DNSFrom(r, "_http._tcp.orders.example.")(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, []endpoints.Endpoint{
		{Addr: "a.example:81", Weight: 3}, {Addr: "b.example:82", Weight: 0},
	}, list)
}

// net/http hands a connection back to its pool just before it delivers the response. An endpoint
// whose idle connections are closed in between would lose an answer that it has given.
func TestEndpoints_RemovedAnswersFirst(t *testing.T) {
	for _, policy := range []endpoints.Policy{endpoints.RoundRobin, endpoints.LeastRequests} {
		synctest.Test(t, func(t *testing.T) {
			f, l := newFleet(t, "a", "b"), new(lookups)
			for _, s := range f.servers {
				s.do(func(http.ResponseWriter, *http.Request) {})
			}
			l.set(nil, "a")
			find := func(ctx context.Context) ([]endpoints.Endpoint, error) {
				time.Sleep(time.Second)
				return l.find(ctx)
			}
			c := client(t, endpoints.New("orders", find, endpoints.Config{
				Base: f.base(), Policy: policy, Refresh: time.Minute,
			}))
			ask := func(ctx context.Context) string {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", nil)
				require.NoError(t, err)
				resp, err := c.Do(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				return resp.Header.Get("Server")
			}
			require.Equal(t, "a", ask(t.Context()))
			l.set(nil, "b")
			time.Sleep(time.Minute)
			handed := 0
			from := ask(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{PutIdleConn: func(error) {
				handed++
				time.Sleep(2 * time.Second) // the lookup ends meanwhile
			}}))
			require.Equal(t, "a", from)
			require.Equal(t, 1, handed)
			require.Equal(t, "b", ask(t.Context()))
			c.CloseIdleConnections()
		})
	}
}

// TestEndpoints_ComeAndGo makes 100,000 calls while the list changes all the time. TestMain finds
// what goroutines it leaves.
func TestEndpoints_ComeAndGo(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 calls")
	}
	f, l := newFleetOn(t, newPipes, "a", "b", "c", "d"), new(lookups)
	for _, s := range f.servers {
		s.do(func(http.ResponseWriter, *http.Request) {})
	}
	f.servers[3].do(fails(503))
	lists := [][]string{{"a", "b", "c", "d"}, {"a", "d"}, {"b", "c"}, {"d", "c"}}
	l.set(nil, lists[0]...)
	e := endpoints.New("orders", l.find, endpoints.Config{
		Base: f.base(), Refresh: time.Millisecond, SetAside: &outlier.Config{Base: time.Millisecond},
	})
	c := client(t, e)
	const workers = 8
	each := 100_000 / workers
	if underRace {
		each /= 20
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if w == 0 && i%50 == 0 {
					l.set(nil, lists[i/50%len(lists)]...)
				}
				if _, _, err := get(c, "http://orders/"); err != nil {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}
