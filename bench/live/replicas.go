package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/grpcx/balancer"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/endpoints"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Replicas is one client of three real servers of which one may be bad.
type Replicas struct {
	Calls    int
	Rate     float64 // a second
	Bad      string  // what the second server does: "", "fails", "refuses", "hangs", or "slow"
	SetAside bool
	Grace    time.Duration // how long a bad server may be in use: what comes after it is measured apart
}

// ReplicasMeasured is the outcome of a run of Replicas.
type ReplicasMeasured struct {
	Success float64       // share of all calls
	Load    float64       // attempts per call, after the grace
	P99     time.Duration // of calls that began after the grace
}

// Answer is how long a healthy server takes.
const Answer = 10 * time.Millisecond

// replica returns what one server does.
func replica(bad string) work {
	wait := func(ctx context.Context, d time.Duration) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return func(ctx context.Context, _ int) error {
		switch bad {
		case "fails":
			return errFails
		case "hangs":
			return wait(ctx, time.Hour)
		case "slow":
			return wait(ctx, 20*Answer)
		}
		return wait(ctx, Answer)
	}
}

// Run makes the calls over the wire.
func (r Replicas) Run(cfg retry.Config, over Wire) (m ReplicasMeasured, err error) {
	var addrs []string
	for i := range 3 {
		bad := ""
		if i == 1 {
			bad = r.Bad
		}
		server, err := over.serve(replica(bad), false)
		if err != nil {
			return m, err
		}
		addrs = append(addrs, server.addr)
		if bad == "refuses" {
			server.close()
			continue
		}
		defer server.close()
	}
	begun := time.Now()
	watch := &lateAttempts{from: begun.Add(r.Grace)}
	p, err := retry.New(cfg, retry.WithObserver(watch))
	if err != nil {
		return m, err
	}
	var setAside *outlier.Config
	if r.SetAside {
		setAside = &outlier.Config{}
	}
	dial := dialHTTPReplicas
	if over.Name == GRPC.Name {
		dial = dialGRPCReplicas
	}
	c, err := dial(addrs, p, setAside)
	if err != nil {
		return m, err
	}
	defer c.close()
	return r.measure(c, watch, begun)
}

func (r Replicas) measure(c *client, watch *lateAttempts, begun time.Time) (m ReplicasMeasured, err error) {
	var (
		mu   sync.Mutex
		all  sync.WaitGroup
		good int
		late []time.Duration
	)
	for i := range r.Calls {
		time.Sleep(time.Until(begun.Add(time.Duration(float64(i) / r.Rate * float64(time.Second)))))
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			start := time.Now()
			err := c.send(ctx, i)
			took := time.Since(start)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				good++
			}
			if !start.Before(watch.from) {
				late = append(late, took)
			}
		})
	}
	all.Wait()
	if len(late) == 0 {
		return m, errors.New("no call after the grace")
	}
	slices.Sort(late)
	return ReplicasMeasured{
		Success: float64(good) / float64(r.Calls),
		Load:    float64(watch.n) / float64(len(late)),
		P99:     late[len(late)*99/100],
	}, nil
}

// lateAttempts is a retry.Observer that counts the attempts sent from a time on.
type lateAttempts struct {
	from time.Time
	mu   sync.Mutex
	n    int
}

// AttemptDone implements retry.Observer.
func (w *lateAttempts) AttemptDone(_ context.Context, a retry.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !a.Sent.Before(w.from) {
		w.n++
	}
}

// CallDone implements retry.Observer.
func (w *lateAttempts) CallDone(context.Context, retry.Report) {}

func dialHTTPReplicas(addrs []string, p *retry.Policy, setAside *outlier.Config) (*client, error) {
	e := endpoints.New("replicas", endpoints.Addrs(addrs...), endpoints.Config{
		Base: &http.Transport{MaxIdleConnsPerHost: 1000}, SetAside: setAside,
	})
	c := http.Client{Transport: httpx.NewTransport(e, p)}
	send := func(ctx context.Context, call int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://replicas", nil)
		if err != nil {
			return err
		}
		req.Header.Set(callKey, strconv.Itoa(call))
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", resp.Status)
		}
		return nil
	}
	return &client{send, c.CloseIdleConnections}, nil
}

func dialGRPCReplicas(addrs []string, p *retry.Policy, setAside *outlier.Config) (*client, error) {
	list := manual.NewBuilderWithScheme("replicas")
	var state resolver.State
	for _, a := range addrs {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: a})
	}
	list.InitialState(state)
	conn, err := grpc.NewClient("replicas:///", append(grpcx.DialOptions(p),
		balancer.DialOption(balancer.Config{SetAside: setAside}), grpc.WithResolvers(list),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
	)...)
	if err != nil {
		return nil, err
	}
	send := func(ctx context.Context, call int) error {
		ctx = retry.WithIdempotency(ctx, retry.Idempotent) // as a GET is
		ctx = metadata.AppendToOutgoingContext(ctx, callKey, strconv.Itoa(call))
		return conn.Invoke(ctx, callMethod, new(emptypb.Empty), new(emptypb.Empty))
	}
	return &client{send, func() { _ = conn.Close() }}, nil
}
