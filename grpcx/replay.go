package grpcx

import (
	"errors"
	"reflect"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec of calls that name none
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/evenkeel-go/evenkeel/retry"
)

// replayBuffer holds the caller's operations so far, to repeat them on later attempts.
type replayBuffer struct {
	limit int              // of bytes
	codec encoding.CodecV2 // sizes messages that are not of protobuf; nil: their size is unknown
	ops   []func(grpc.ClientStream) error
	bytes int // the size of the messages in ops
}

// recordMessage records a message that was sent on a.
func (s *clientStream) recordMessage(a *streamAttempt, m any) verdict {
	s.mu.Lock()
	left := s.replay.limit - s.replay.bytes // only the sender adds to the buffer
	wanted := s.fixed == retry.ReasonNone && !s.settled.Load()
	s.mu.Unlock()
	if !wanted {
		return s.record(a, nil, 0)
	}
	size, ok := s.replay.size(m, s.desc.ClientStreams)
	if !ok || size > left {
		return s.record(a, nil, 0)
	}
	kept := s.replay.snapshot(m)
	return s.record(a, func(st grpc.ClientStream) error { return st.SendMsg(kept) }, size)
}

// record records an operation that was done on a. A nil op cannot be replayed: a becomes the last
// attempt. record returns opAgain if a has been replaced: the operation must then be repeated on
// another. It waits for a goroutine that has claimed a, which may settle the call on a instead.
func (s *clientStream) record(a *streamAttempt, op func(grpc.ClientStream) error, size int) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.claimed && !s.settled.Load() && s.cur == a {
		s.mu.Unlock()
		<-a.over
		s.mu.Lock()
	}
	switch {
	case s.cur != a:
		return opAgain
	case s.settled.Load() || s.fixed != retry.ReasonNone:
	case op == nil:
		s.fix(retry.ReasonNotReplayable)
	default:
		s.replay.ops = append(s.replay.ops, op)
		s.replay.bytes += size
	}
	return opDone
}

// fix makes the present attempt the last. It requires that s.mu is held, and that no goroutine has
// claimed the attempt.
func (s *clientStream) fix(why retry.Reason) {
	if s.fixed == retry.ReasonNone {
		s.fixed = why
	}
	s.replay.drop()
}

// configure applies the call's own options.
func (b *replayBuffer) configure(opts []grpc.CallOption) {
	b.codec = encoding.GetCodecV2("proto")
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.MaxRetryRPCBufferSizeCallOption:
			b.limit = o.MaxRetryRPCBufferSize
		case grpc.ForceCodecV2CallOption:
			b.codec = o.CodecV2
		case grpc.ForceCodecCallOption:
			b.codec = nil
		case grpc.ContentSubtypeCallOption:
			b.codec = encoding.GetCodecV2(o.ContentSubtype)
		}
	}
}

// prefix is the size of what gRPC puts before each message on the wire.
const prefix = 5

// size returns how many bytes a message takes on the wire; ok is false if that is unknown. The
// only message of a call counts as empty rather than unknown: the caller keeps it anyway, so it
// takes no memory of ours.
func (b *replayBuffer) size(m any, many bool) (_ int, ok bool) {
	if p, ok := m.(proto.Message); ok {
		return prefix + proto.Size(p), true
	}
	if b.codec == nil {
		return prefix, !many
	}
	data, err := b.codec.Marshal(m)
	if err != nil {
		return 0, false
	}
	defer data.Free()
	return prefix + data.Len(), true
}

// drop forgets the operations: no attempt will need them.
func (b *replayBuffer) drop() { b.ops = nil }

// onto replays the operations on a new attempt. It ignores errors: receiving returns them.
func (b *replayBuffer) onto(a *streamAttempt) {
	for _, op := range b.ops {
		if op(a.ClientStream) != nil {
			return
		}
	}
}

// snapshot returns a copy of a protobuf message, which the caller may reuse; one of protobuf's
// old API is copied through the codec. Other messages are not copied: callers of SendMsg must not
// modify them.
func (b *replayBuffer) snapshot(m any) any {
	switch m := m.(type) {
	case proto.Message:
		return proto.Clone(m)
	case protoadapt.MessageV1:
		if again, err := b.recode(m); err == nil {
			return again
		}
	}
	return m
}

// recode returns a message made from another's bytes.
func (b *replayBuffer) recode(m any) (any, error) {
	t := reflect.TypeOf(m)
	if b.codec == nil || t.Kind() != reflect.Pointer {
		return nil, errors.ErrUnsupported
	}
	data, err := b.codec.Marshal(m)
	if err != nil {
		return nil, err
	}
	defer data.Free()
	again := reflect.New(t.Elem()).Interface()
	return again, b.codec.Unmarshal(data, again)
}
