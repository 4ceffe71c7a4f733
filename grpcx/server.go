package grpcx

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/serve"
)

// maxAttempt bounds the attempt number that a client may claim.
const maxAttempt = 1000

// ServerOption configures the server interceptors.
type ServerOption func(*serverConfig)

type serverConfig struct {
	longest time.Duration // that a handler may take; 0: no limit
	attempt func(ctx context.Context, fullMethod string, attempt int)

	budget  func(ctx context.Context, fullMethod string) *budget.Answers // of a call; nil: none
	limiter *serve.Limiter                                               // nil: none
	trusts  func(context.Context) bool                                   // nil: no caller is trusted
}

// WithMaxDeadline bounds how long a handler may take, whether or not the client gave a deadline;
// by default only the client's deadline does. It panics if d is not above 0.
func WithMaxDeadline(d time.Duration) ServerOption {
	must(d > 0, "WithMaxDeadline: must be above 0")
	return func(c *serverConfig) { c.longest = d }
}

// WithAttemptObserver calls observe for each incoming call, with the number of its client's
// attempt (see IncomingAttempt): the share of numbers above 1 is the share of retries in the load.
// observe runs before the handler, on the handler's goroutine, also for calls that are refused as
// expired.
func WithAttemptObserver(observe func(ctx context.Context, fullMethod string, attempt int)) ServerOption {
	must(observe != nil, "WithAttemptObserver: must not be nil")
	return func(c *serverConfig) { c.attempt = observe }
}

// UnaryServerInterceptor refuses a call whose deadline has passed before the handler runs. If the
// handler fails after a call that it made was given up (attempts or budget used up, or "do not
// retry"), the interceptor asks the client not to retry, so that only one layer retries: it sets
// the trailer grpc-retry-pushback-ms: -1 of gRFC A6, which plain gRPC clients obey too. The
// handler's calls must be made by grpcx, httpx or retry.Do with the handler's context.
func UnaryServerInterceptor(opts ...ServerOption) grpc.UnaryServerInterceptor {
	c := newServerConfig(opts)
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		var h handling
		if err := c.begin(ctx, info.FullMethod, &h); err != nil {
			_ = grpc.SetTrailer(ctx, doNotRetry())
			return nil, err
		}
		err := errPanic // until the handler returns
		defer func() {
			if h.end(err) {
				_ = grpc.SetTrailer(ctx, doNotRetry())
			}
		}()
		var reply any
		reply, err = handler(h.ctx, req)
		return reply, err
	}
}

// StreamServerInterceptor does for streams what UnaryServerInterceptor does for unary calls.
func StreamServerInterceptor(opts ...ServerOption) grpc.StreamServerInterceptor {
	c := newServerConfig(opts)
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		s := &serverStream{ServerStream: stream}
		if err := c.begin(stream.Context(), info.FullMethod, &s.handling); err != nil {
			stream.SetTrailer(doNotRetry())
			return err
		}
		err := errPanic // until the handler returns
		defer func() {
			if s.end(err) {
				stream.SetTrailer(doNotRetry())
			}
		}()
		err = handler(srv, s)
		return err
	}
}

type serverStream struct {
	grpc.ServerStream
	handling
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) SendHeader(md metadata.MD) error {
	err := s.ServerStream.SendHeader(md)
	if err == nil { // otherwise gRPC-Go did not send it: it refuses metadata that is not ASCII, for one
		s.answered()
	}
	return err
}

func (s *serverStream) SendMsg(m any) error {
	s.answered()
	return s.ServerStream.SendMsg(m)
}

func newServerConfig(opts []ServerOption) *serverConfig {
	c := new(serverConfig)
	for _, opt := range opts {
		must(opt != nil, "Option: must not be nil")
		opt(c)
	}
	return c
}

// begin prepares h for the handler of a call, after which the caller must call h.end, or returns
// the error that refuses the call.
func (c *serverConfig) begin(ctx context.Context, method string, h *handling) error {
	if c.attempt != nil {
		c.attempt(ctx, method, IncomingAttempt(ctx))
	}
	switch {
	case ctx.Err() == context.Canceled:
		return errCanceled
	case expired(ctx):
		return errExpired
	}
	criticality, said := incomingCriticality(ctx, c.trusts)
	if c.budget != nil { // before the limiter: a user's key may panic
		h.budget = c.budget(ctx, method)
	}
	if c.limiter != nil && !c.limiter.Enter(IncomingAttempt(ctx), criticality) {
		return errOverloaded
	}
	h.limiter = c.limiter
	if said {
		ctx = layer.WithCriticality(ctx, criticality)
	}
	if c.longest > 0 {
		ctx, h.cancel = context.WithTimeout(ctx, c.longest)
	}
	h.ctx, h.mark = layer.With(ctx)
	if h.budget != nil {
		h.request = h.budget.Begin()
	}
	return nil
}

var (
	errExpired    = status.Error(codes.DeadlineExceeded, "the deadline had passed before the call was handled")
	errOverloaded = status.Error(codes.ResourceExhausted, "the server is overloaded")
	errCanceled   = status.Error(codes.Canceled, "the call was cancelled before it was handled")
)

func expired(ctx context.Context) bool { return ctx.Err() != nil || passed(ctx) }

func doNotRetry() metadata.MD { return metadata.Pairs(pushbackKey, "-1") }

// IncomingAttempt returns the number of the client's attempt that a server is handling, from 1 to
// 1,000: one more than grpc-previous-rpc-attempts. A value that is not a number from 0 to 2^31-1
// is ignored. Of several values, from several layers of retries, the greatest of the first eight
// counts.
func IncomingAttempt(ctx context.Context) int {
	attempt := 1
	values := metadata.ValueFromIncomingContext(ctx, previousAttempts)
	for _, v := range values[:min(len(values), 8)] {
		if n, err := strconv.ParseUint(v, 10, 31); err == nil {
			attempt = max(attempt, int(min(n, maxAttempt-1))+1)
		}
	}
	return attempt
}
