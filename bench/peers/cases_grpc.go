package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func grpcCases() []testCase {
	return []testCase{
		{name: "gRPC: UNAVAILABLE twice, then an answer", run: unaryAnswer},
		{name: "gRPC: a server stream is retried before its first message", run: streamBefore},
		{name: "gRPC: a server stream is never retried after its first message", run: streamAfter},
		{name: "gRPC: a client stream works through it", run: clientStream},
		{name: "gRPC: response headers and then a failure: a unary call is still retried", run: headersThenFail},
		{name: "gRPC: grpc.Header and grpc.Trailer show the winning attempt only", run: winnersHeader},
		{name: "gRPC: pushback -1 means do not retry", run: pushbackStop},
		{name: "gRPC: a pushback of 300 ms is waited for", run: pushbackWait},
		{name: "gRPC: RESOURCE_EXHAUSTED without a hint is not retried by default", run: resourceExhausted},
		{name: "gRPC: status.Code of the last attempt reaches the caller", run: lastStatus},
		{name: "gRPC: cancelling one call never touches another", run: cancelOther},
	}
}

// connected runs a case against an echo server and a client with the library.
func connected(l *library, r rules, e *echo, run func(ctx context.Context, conn *grpc.ClientConn) error) error {
	if l.dial == nil {
		return notApplicable("it is no gRPC interceptor")
	}
	e.start()
	defer e.server.Stop()
	conn := e.dial(l.dial(r)...)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), caseTime/2)
	defer cancel()
	return run(ctx, conn)
}

// streaming is connected for libraries that reach streams.
func streaming(l *library, e *echo, run func(ctx context.Context, conn *grpc.ClientConn) error) error {
	if l.dial != nil && !l.streams {
		return notApplicable("it has no stream interceptor")
	}
	return connected(l, brief, e, run)
}

func unavailable(what string) error { return status.Error(codes.Unavailable, what) }

func unaryAnswer(l *library) error {
	var n atomic.Int64
	e := &echo{get: func(_ context.Context, in *text) (*text, error) {
		if n.Add(1) < 3 {
			return nil, unavailable("down")
		}
		return in, nil
	}}
	return connected(l, brief, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		out := new(text)
		if err := conn.Invoke(ctx, method, &text{Value: "hello"}, out); err != nil {
			return err
		}
		if out.Value != "hello" {
			return fmt.Errorf("got %q", out.Value)
		}
		return nil
	})
}

// received returns all messages of a server stream.
func received(ctx context.Context, conn *grpc.ClientConn, opts ...grpc.CallOption) (got []string, err error) {
	s, err := conn.NewStream(ctx, listDesc, listMethod, opts...)
	if err != nil {
		return nil, err
	}
	if err := s.SendMsg(&text{Value: "list"}); err != nil {
		return nil, err
	}
	if err := s.CloseSend(); err != nil {
		return nil, err
	}
	for {
		m := new(text)
		switch err := s.RecvMsg(m); {
		case errors.Is(err, io.EOF):
			return got, nil
		case err != nil:
			return got, err
		}
		if got = append(got, m.Value); len(got) > 5 {
			return got, errors.New("and so on")
		}
	}
}

func streamBefore(l *library) error {
	var n atomic.Int64
	e := &echo{list: func(_ *text, s grpc.ServerStream) error {
		if n.Add(1) < 3 {
			return unavailable("down")
		}
		return first(s.SendMsg(&text{Value: "a"}), s.SendMsg(&text{Value: "b"}))
	}}
	return streaming(l, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		got, err := received(ctx, conn)
		if err != nil || !slices.Equal(got, []string{"a", "b"}) {
			return fmt.Errorf("got %q: %w", got, err)
		}
		return nil
	})
}

func streamAfter(l *library) error {
	e := &echo{list: func(_ *text, s grpc.ServerStream) error {
		return first(s.SendMsg(&text{Value: "a"}), unavailable("down"))
	}}
	return streaming(l, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		got, err := received(ctx, conn)
		if status.Code(err) != codes.Unavailable || !slices.Equal(got, []string{"a"}) {
			return fmt.Errorf("the server sent one message and failed; the client got %q: %w", got, err)
		}
		return nil
	})
}

func clientStream(l *library) error {
	e := &echo{put: func(s grpc.ServerStream) error {
		sum := ""
		for {
			m := new(text)
			switch err := s.RecvMsg(m); {
			case errors.Is(err, io.EOF):
				return s.SendMsg(&text{Value: sum})
			case err != nil:
				return err
			}
			sum += m.Value
		}
	}}
	return streaming(l, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		s, err := conn.NewStream(ctx, putDesc, putMethod)
		if err != nil {
			return fmt.Errorf("refused: %w", err)
		}
		out := new(text)
		err = first(s.SendMsg(&text{Value: "a"}), s.SendMsg(&text{Value: "b"}), s.CloseSend())
		if err == nil {
			err = s.RecvMsg(out)
		}
		if err != nil || out.Value != "ab" {
			return fmt.Errorf("got %q: %w", out.Value, err)
		}
		return nil
	})
}

func headersThenFail(l *library) error {
	var n atomic.Int64
	e := &echo{get: func(ctx context.Context, in *text) (*text, error) {
		if n.Add(1) == 1 {
			return nil, first(grpc.SendHeader(ctx, metadata.Pairs("from", "first")), unavailable("down"))
		}
		return in, nil
	}}
	return connected(l, brief, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		return conn.Invoke(ctx, method, &text{}, new(text))
	})
}

func winnersHeader(l *library) error {
	var n atomic.Int64
	e := &echo{get: func(ctx context.Context, in *text) (*text, error) {
		i := fmt.Sprint(n.Add(1))
		// Headers that are not sent before the failure: all libraries retry that.
		if err := grpc.SetTrailer(ctx, metadata.Pairs("trailer-"+i, i)); err != nil {
			return nil, err
		}
		if i == "1" {
			return nil, unavailable("down")
		}
		return in, grpc.SetHeader(ctx, metadata.Pairs("header", i))
	}}
	return connected(l, brief, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		var header, trailer metadata.MD
		if err := conn.Invoke(ctx, method, &text{}, new(text), grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
			return err
		}
		if h := header.Get("header"); !slices.Equal(h, []string{"2"}) {
			return fmt.Errorf("the header is %q", h)
		}
		if len(trailer.Get("trailer-1")) > 0 || len(trailer.Get("trailer-2")) != 1 {
			return fmt.Errorf("the trailer is %v", trailer)
		}
		return nil
	})
}

// pushed fails once with a pushback and counts calls.
func pushed(n *atomic.Int64, times *[2]time.Time, ms string) *echo {
	return &echo{get: func(ctx context.Context, in *text) (*text, error) {
		i := n.Add(1)
		if i <= 2 {
			times[i-1] = time.Now()
		}
		if i == 1 {
			return nil, first(grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", ms)), unavailable("down"))
		}
		return in, nil
	}}
}

func pushbackStop(l *library) error {
	var (
		n     atomic.Int64
		times [2]time.Time
	)
	return connected(l, brief, pushed(&n, &times, "-1"), func(ctx context.Context, conn *grpc.ClientConn) error {
		err := conn.Invoke(ctx, method, &text{}, new(text))
		if n.Load() != 1 || status.Code(err) != codes.Unavailable {
			return fmt.Errorf("sent %d times", n.Load())
		}
		return nil
	})
}

func pushbackWait(l *library) error {
	var (
		n     atomic.Int64
		times [2]time.Time
	)
	return connected(l, brief, pushed(&n, &times, "300"), func(ctx context.Context, conn *grpc.ClientConn) error {
		if err := conn.Invoke(ctx, method, &text{}, new(text)); err != nil {
			return err
		}
		if d := times[1].Sub(times[0]); d < 290*time.Millisecond {
			return fmt.Errorf("it waited %v", d.Round(time.Millisecond))
		}
		return nil
	})
}

func resourceExhausted(l *library) error {
	var n atomic.Int64
	e := &echo{get: func(context.Context, *text) (*text, error) {
		n.Add(1)
		return nil, status.Error(codes.ResourceExhausted, "quota")
	}}
	return connected(l, brief, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		err := conn.Invoke(ctx, method, &text{}, new(text))
		if status.Code(err) != codes.ResourceExhausted || n.Load() != 1 {
			return fmt.Errorf("sent %d times: %w", n.Load(), err)
		}
		return nil
	})
}

func lastStatus(l *library) error {
	e := &echo{get: func(context.Context, *text) (*text, error) { return nil, unavailable("shard 7 is down") }}
	return connected(l, brief, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		err := conn.Invoke(ctx, method, &text{}, new(text))
		if code := status.Code(err); code != codes.Unavailable {
			return fmt.Errorf("the caller sees %v: %w", code, err)
		}
		return nil
	})
}

func cancelOther(l *library) error {
	release := make(chan struct{})
	e := &echo{get: func(ctx context.Context, in *text) (*text, error) {
		select {
		case <-release:
			return in, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	return connected(l, brief, e, func(ctx context.Context, conn *grpc.ClientConn) error {
		one, cancel := context.WithCancel(ctx)
		var (
			wg         sync.WaitGroup
			errs       [2]error
			ctxs       = [2]context.Context{one, ctx}
			letTheRest = func() { cancel(); time.Sleep(50 * time.Millisecond); close(release) }
		)
		for i := range ctxs {
			wg.Go(func() { errs[i] = conn.Invoke(ctxs[i], method, &text{}, new(text)) })
		}
		time.AfterFunc(50*time.Millisecond, letTheRest)
		wg.Wait()
		if errs[0] == nil {
			return errors.New("the cancelled call succeeded")
		}
		return errs[1]
	})
}
