// Package fault makes a gRPC server fail on purpose, so that users can test what their clients do
// about it.
//
//	in := fault.New(1, fault.Rule{Share: 0.1, Fault: fault.Fault{Code: codes.Unavailable}})
//	srv := grpc.NewServer(grpc.UnaryInterceptor(in.Unary), grpc.StreamInterceptor(in.Stream))
//
// Rules are drawn from a seeded source, so that a test with one client sees the same faults each
// time.
package fault

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Fault describes one call's failure. The zero value does nothing.
type Fault struct {
	// Delay comes first. A call whose context ends meanwhile fails with the context's status.
	Delay time.Duration
	// Code, unless it is OK, fails the call without calling the handler, with Message, or
	// "injected fault" if that is empty.
	Code    codes.Code
	Message string
	// Header sends the response header before it fails, as a handler that had begun would.
	Header bool
	// AfterMessages lets the handler of a stream run, and fails its SendMsg after so many
	// messages. If 0, the call fails before the handler runs.
	AfterMessages int
	// AfterHandler runs a unary call's handler and throws away its answer: the effect is there,
	// the caller sees Code.
	AfterHandler bool
	// Pushback, if set, is the value of the trailer grpc-retry-pushback-ms; malformed ones too.
	Pushback string
	// RetryInfo, if above 0, is added to the status details as google.rpc.RetryInfo.
	RetryInfo time.Duration
}

// Rule chooses the calls that suffer a Fault.
type Rule struct {
	// Method is a full method name, "/package.Service/Method", or the beginning of one; empty for
	// all.
	Method string
	// Share is the part of the calls that suffer Fault, from 0 to 1. It is ignored if there is a
	// Script.
	Share float64
	// Script, if it is not empty, has one entry for each call in turn (of those that Method
	// matches), true if the call suffers Fault. Calls after its end do not.
	Script []bool
	Fault  Fault
}

// Injector holds the server interceptors that inject faults. It is safe for concurrent use.
type Injector struct {
	mu    sync.Mutex
	rand  *rand.Rand
	rules []Rule
	seen  []int // by rule: calls that its Method matched and no earlier rule hit
	hit   int   // calls that suffered a fault
}

// New returns an Injector whose random choices come from seed. The first rule that hits a call
// applies. It panics if a Share is not within 0 and 1, a Method does not begin with a slash, or a
// duration or AfterMessages is negative.
func New(seed uint64, rules ...Rule) *Injector {
	for i, r := range rules {
		if err := r.check(); err != "" {
			panic(fmt.Sprintf("fault: New: rule %d: %s", i, err))
		}
	}
	return &Injector{rand: rand.New(rand.NewPCG(seed, seed)), rules: rules, seen: make([]int, len(rules))}
}

func (r Rule) check() string {
	switch {
	case !(r.Share >= 0 && r.Share <= 1):
		return fmt.Sprintf("Share must be within 0 and 1, not %v", r.Share)
	case r.Method != "" && r.Method[0] != '/':
		return "Method must begin with a slash"
	case r.Fault.Delay < 0 || r.Fault.RetryInfo < 0 || r.Fault.AfterMessages < 0:
		return "Delay, RetryInfo and AfterMessages must not be negative"
	}
	return ""
}

// Hits returns how many calls have suffered a fault so far.
func (in *Injector) Hits() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.hit
}

// draw picks the fault of a call.
func (in *Injector) draw(method string) (f Fault) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, r := range in.rules {
		if !strings.HasPrefix(method, r.Method) {
			continue
		}
		n := in.seen[i]
		in.seen[i]++
		hit := n < len(r.Script) && r.Script[n]
		if len(r.Script) == 0 {
			hit = in.rand.Float64() < r.Share
		}
		if hit {
			in.hit++
			return r.Fault
		}
	}
	return Fault{}
}

// Unary implements grpc.UnaryServerInterceptor.
func (in *Injector) Unary(
	ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (any, error) {
	f := in.draw(info.FullMethod)
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	if f.Code == codes.OK {
		return handler(ctx, req)
	}
	if f.AfterHandler {
		if _, err := handler(ctx, req); err != nil {
			return nil, err
		}
	}
	if f.Header {
		_ = grpc.SendHeader(ctx, nil)
	}
	if md := f.trailer(); md != nil {
		_ = grpc.SetTrailer(ctx, md)
	}
	return nil, f.err()
}

// Stream implements grpc.StreamServerInterceptor.
func (in *Injector) Stream(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	f := in.draw(info.FullMethod)
	if err := f.wait(stream.Context()); err != nil {
		return err
	}
	if f.Code == codes.OK {
		return handler(srv, stream)
	}
	if f.Header {
		_ = stream.SendHeader(nil)
	}
	if f.AfterMessages > 0 {
		cut := &cutStream{ServerStream: stream, left: f.AfterMessages, err: f.err()}
		if err := handler(srv, cut); !cut.cut {
			return err // it had no more to send
		}
	}
	stream.SetTrailer(f.trailer())
	return f.err()
}

// cutStream fails once it has sent what is left.
type cutStream struct {
	grpc.ServerStream
	left int
	err  error
	cut  bool
}

func (s *cutStream) SendMsg(m any) error {
	if s.left == 0 {
		s.cut = true
		return s.err
	}
	s.left--
	return s.ServerStream.SendMsg(m)
}

func (f Fault) wait(ctx context.Context) error {
	if f.Delay == 0 {
		return nil
	}
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (f Fault) trailer() metadata.MD {
	if f.Pushback == "" {
		return nil
	}
	return metadata.Pairs("grpc-retry-pushback-ms", f.Pushback)
}

// PushbackAfter returns the Pushback that asks for a wait of d.
func PushbackAfter(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func (f Fault) err() error {
	st := status.New(f.Code, cmp.Or(f.Message, "injected fault"))
	if f.RetryInfo > 0 {
		if with, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(f.RetryInfo)}); err == nil {
			st = with
		}
	}
	return st.Err()
}
