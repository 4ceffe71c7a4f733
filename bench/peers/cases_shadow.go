package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// shadowCases returns those of answers that an earlier copy of the same call has caused, of a
// server's clock, and of gRPC's replies.
func shadowCases() []testCase {
	return []testCase{
		{name: "hedging: a POST with a key is not answered by the 409 that its own hedge got", run: hedged409},
		{name: "a POST with a key whose first attempt timed out is not answered by its own 409", run: resent409},
		{name: "hedging: a DELETE is not answered by the 404 that its own hedge got", run: hedgedDelete},
		{name: "hedging: a hedge that fails on our own side does not beat the attempt under way", run: ownSide},
		{name: "hedging: a server's wait keeps further hedges back", run: hintStopsHedges},
		{name: "Retry-After: 4 with 4.8 s left is waited for, each time", run: waitFits},
		{name: "Retry-After with a date is read by the server's clock", run: serversClock},
		{name: "Retry-After in Unix seconds is waited for", run: unixSeconds},
		{name: "gRPC: a lost reply is not taken for UNAVAILABLE by the server", run: lostReply},
		{name: "gRPC: 50 calls of a declared method on a connection that is cut are all saved", run: burstSavedGRPC},
		{name: "gRPC: grpc.Trailer of a stream is set when Recv has returned the end", run: streamTrailer},
		{name: "gRPC: a status of 10 MB is not decoded again", alone: true, run: bigStatus},
	}
}

// answeredLate answers the first attempt late with a 201, and others at once with a code.
func answeredLate(code int) *script {
	return &script{answer: func(n int, req *http.Request) (*http.Response, error) {
		if n > 1 {
			return response(req, code), nil
		}
		if err := pause(req, slow/2); err != nil {
			return nil, err
		}
		return response(req, http.StatusCreated), nil
	}}
}

func hedged409(l *library) error {
	resp, err := hedgedFetch(l, hedged, answeredLate(http.StatusConflict), repeatable(post("pay")))
	if err != nil {
		return err
	}
	return wantStatus(resp, http.StatusCreated)
}

func hedgedDelete(l *library) error {
	resp, err := hedgedFetch(l, hedged, answeredLate(http.StatusNotFound), request(http.MethodDelete, nil))
	if err != nil {
		return err
	}
	return wantStatus(resp, http.StatusCreated)
}

func resent409(l *library) error {
	if l.http != nil && !l.attemptTimeout {
		return notApplicable("it has no attempt timeout")
	}
	s := &script{answer: func(n int, req *http.Request) (*http.Response, error) {
		switch n {
		case 1:
			<-req.Context().Done()
			return nil, req.Context().Err()
		case 2:
			return response(req, http.StatusConflict), nil
		}
		return response(req, http.StatusCreated), nil
	}}
	r := rules{attempts: 3, delay: time.Millisecond, timeout: 300 * time.Millisecond}
	resp, err := l.fetch(r, s, repeatable(post("pay")))
	if err != nil {
		return err
	}
	return wantStatus(resp, http.StatusCreated)
}

func ownSide(l *library) error {
	s := &script{answer: func(n int, req *http.Request) (*http.Response, error) {
		if n > 1 {
			return nil, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
		}
		if err := pause(req, slow/2); err != nil {
			return nil, err
		}
		return response(req, 200), nil
	}}
	resp, err := hedgedFetch(l, hedged, s, get())
	if err != nil {
		return err
	}
	return wantStatus(resp, 200)
}

func hintStopsHedges(l *library) error {
	s := &script{answer: func(n int, req *http.Request) (*http.Response, error) {
		if n == 2 {
			resp := response(req, http.StatusServiceUnavailable)
			resp.Header.Set("Retry-After", "20")
			return resp, nil
		}
		if err := pause(req, caseTime); err != nil {
			return nil, err
		}
		return response(req, 200), nil
	}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r := rules{attempts: 4, delay: time.Millisecond, hedge: 30 * time.Millisecond}
	resp, err := hedgedFetch(l, r, s, get().WithContext(ctx))
	if err == nil {
		_ = resp.Body.Close()
	}
	if errors.As(err, new(notApplicable)) {
		return err
	}
	if n := s.sent(); n != 2 {
		return fmt.Errorf("sent %d times, not 2", n)
	}
	return nil
}

func waitFits(l *library) error {
	if _, err := l.over(brief, instant{}); err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			s := hinted(503, constant("4"))
			ctx, cancel := context.WithTimeout(context.Background(), 4800*time.Millisecond)
			defer cancel()
			start := time.Now()
			resp, err := l.fetch(brief, s, get().WithContext(ctx))
			took := time.Since(start)
			if err == nil {
				_ = resp.Body.Close()
			}
			switch { // one that waited and came too late, on a busy machine, has done what it could
			case s.sent() > 1 && s.gap() < 4*time.Second:
				errs[i] = fmt.Errorf("it waited %v", s.gap().Round(time.Millisecond))
			case s.sent() == 1 && took < 4*time.Second:
				errs[i] = fmt.Errorf("it gave up after %v: %w", took.Round(time.Millisecond), err)
			}
		})
	}
	wg.Wait()
	return first(errs...)
}

func serversClock(l *library) error {
	s := statuses(503, 200)
	answer := s.answer
	s.answer = func(n int, req *http.Request) (*http.Response, error) {
		resp, err := answer(n, req)
		if n == 1 {
			there := time.Now().Add(-time.Hour).UTC() // its clock is late by an hour
			resp.Header.Set("Date", there.Format(http.TimeFormat))
			resp.Header.Set("Retry-After", there.Add(2*time.Second).Format(http.TimeFormat))
		}
		return resp, err
	}
	resp, err := l.fetch(brief, s, get())
	if err != nil {
		return err
	}
	if d := s.gap(); d < 900*time.Millisecond || d > shortly {
		return fmt.Errorf("two seconds: it waited %v", d.Round(time.Millisecond))
	}
	return wantStatus(resp, 200)
}

func unixSeconds(l *library) error {
	soon := func() string { return strconv.FormatInt(time.Now().Unix()+2, 10) }
	ctx, cancel := context.WithTimeout(context.Background(), caseTime/2)
	defer cancel()
	s := hinted(503, soon)
	resp, err := l.fetch(brief, s, get().WithContext(ctx))
	if err != nil {
		return err
	}
	if d := s.gap(); d < 900*time.Millisecond || d > shortly {
		return fmt.Errorf("in two seconds: it waited %v", d.Round(time.Millisecond))
	}
	return wantStatus(resp, 200)
}

func lostReply(l *library) error {
	if l == grpcLibrary {
		return notApplicable("its service config names the methods that may be repeated")
	}
	if l.dial == nil {
		return notApplicable("it is no gRPC interceptor")
	}
	r := bursting1(l)
	if r != 1 {
		return fmt.Errorf("the server did it %d times", r)
	}
	return nil
}

// bursting1 returns how often a server did the work of a call of a method that nobody declared,
// whose connection is cut before the reply.
func bursting1(l *library) (done int64) {
	raw, err := listen()
	if err != nil {
		panic(err)
	}
	c := &cuttable{Listener: raw}
	n := newGate()
	e := &echo{get: func(_ context.Context, in *text) (*text, error) {
		if n.arrived.Add(1) == 1 {
			c.cut()
		}
		return in, nil
	}}
	e.serve(c)
	defer e.server.Stop()
	conn := e.dial(l.dial(brief)...)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), shortly)
	defer cancel()
	_ = conn.Invoke(ctx, method, &text{Value: "compare and set"}, new(text))
	return n.arrived.Load()
}

func burstSavedGRPC(l *library) error {
	if l.dial == nil {
		return notApplicable("it is no gRPC interceptor")
	}
	r := bursting(func(c *cuttable, g *gate) (func(context.Context) error, func()) {
		return burstOverGRPC(c, g, declaredOptions(l))
	})
	r.run(1)
	if share := r.answered(); share < 1 {
		return fmt.Errorf("%.0f of %d", share*burstCalls, burstCalls)
	}
	return nil
}

func streamTrailer(l *library) error {
	e := &echo{list: func(_ *text, s grpc.ServerStream) error {
		s.SetTrailer(metadata.Pairs("checksum", "4711"))
		return s.SendMsg(&text{Value: "a"})
	}}
	return streaming(l, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		for range 50 {
			var trailer metadata.MD
			if _, err := received(ctx, conn, grpc.Trailer(&trailer)); err != nil {
				return err
			}
			if len(trailer.Get("checksum")) != 1 {
				return fmt.Errorf("the trailer is %v", trailer)
			}
		}
		return nil
	})
}

func bigStatus(l *library) error {
	if l.unary == nil {
		return notApplicable("it is no gRPC interceptor")
	}
	big, err := anypb.New(&errdetails.DebugInfo{StackEntries: make([]string, 100_000)})
	if err != nil {
		return err
	}
	few, many := decodingCost(l, big, 16), decodingCost(l, big, 50)
	if many > 2*few+1<<20 {
		return fmt.Errorf("50 details cost %d MiB, 16 cost %d", many>>20, few>>20)
	}
	return nil
}

// decodingCost returns the bytes that a call allocates which fails with a status of n details.
func decodingCost(l *library, detail *anypb.Any, n int) uint64 {
	s := &spb.Status{Code: int32(codes.Unavailable)}
	for range n {
		s.Details = append(s.Details, detail)
	}
	err := status.ErrorProto(s)
	call := l.unary(brief)
	return allocated(func() {
		_ = call(context.Background(), method, &text{}, &text{}, nil,
			func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err })
	})
}
