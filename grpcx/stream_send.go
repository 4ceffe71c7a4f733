package grpcx

import (
	"errors"
	"io"
	"reflect"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec of calls that name none
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/evenkeel-go/evenkeel/retry"
)

// SendMsg sends a message, and keeps a copy as long as it may have to be sent again.
func (s *clientStream) SendMsg(m any) error {
	if s.settled.Load() {
		return s.pass(m)
	}
	defer s.enter()()
	for a := s.unsettled(); a != nil; a = s.unsettled() {
		switch err := a.SendMsg(m); err {
		case nil:
			if s.keep(a, m) {
				return nil
			}
		case io.EOF:
			s.resolve(a)
		default:
			if status.Code(err) == codes.Unavailable || a.timedOut() {
				s.resolve(a) // there was no connection for gRPC's transparent retry
				continue
			}
			if final, over := s.refused(a, err); over { // the message's fault: gRPC has ended the stream
				return final
			}
		}
	}
	return s.pass(m)
}

// pass sends on the attempt that is final.
func (s *clientStream) pass(m any) error {
	if s.err != nil {
		if !s.desc.ClientStreams {
			return nil // as gRPC has it: RecvMsg tells
		}
		return io.EOF
	}
	return s.cur.SendMsg(m)
}

// keep remembers what was sent on a. It reports false if the attempt is not the call's any more.
func (s *clientStream) keep(a *streamAttempt, m any) bool {
	size, fits := s.room(m)
	var kept any
	if fits {
		kept = s.replay.snapshot(m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.holds(a):
		return false
	case s.settled.Load() || s.fixed != retry.ReasonNone:
	case !fits:
		s.fixLocked(retry.ReasonNotReplayable)
	default:
		s.replay.add(kept, size)
	}
	return true
}

// room reports whether a message is worth keeping, and its size. Only the sender adds to the buffer.
func (s *clientStream) room(m any) (size int, fits bool) {
	s.mu.Lock()
	left := s.replay.limit - s.replay.bytes
	fits = s.fixed == retry.ReasonNone && !s.settled.Load()
	s.mu.Unlock()
	if !fits {
		return 0, false
	}
	size, ok := s.replay.size(m, s.desc.ClientStreams)
	return size, ok && size <= left
}

// CloseSend ends what the caller sends.
func (s *clientStream) CloseSend() error {
	if s.settled.Load() {
		return s.cur.CloseSend()
	}
	defer s.enter()()
	for {
		a := s.current()
		err := a.CloseSend()
		if err != nil || s.close(a) {
			return err
		}
	}
}

func (s *clientStream) close(a *streamAttempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.holds(a) {
		return false
	}
	s.replay.closed = true
	return true
}

// resolve deals with an attempt that takes no more messages: the receiving side knows why.
func (s *clientStream) resolve(a *streamAttempt) {
	select {
	case <-a.over:
		return
	case s.receiving <- struct{}{}:
	}
	if err, failed := s.receiveFailure(a); failed {
		s.mend(a, nil, err)
	}
}

// receiveFailure receives from an attempt for the sender, settles the call by what comes, or claims the attempt and
// returns why it failed. The right to receive is given back before another attempt is there: a goroutine that finds it
// taken relies on who has it to mind that attempt's timeout, which a sender does not.
func (s *clientStream) receiveFailure(a *streamAttempt) (err error, failed bool) {
	defer func() { <-s.receiving }()
	if s.settled.Load() || s.current() != a {
		return nil, false
	}
	if s.header(a) != nil {
		s.succeed(a, nil)
		return nil, false
	}
	err = s.headless(a)
	return err, err != nil && s.claim(a)
}

// replayBuffer is what the caller has sent so far.
type replayBuffer struct {
	limit  int
	codec  encoding.CodecV2 // what tells the size of a message that is not of protobuf
	sent   []any
	bytes  int
	closed bool
}

// configure takes up what the call's own options say.
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

// prefix is what gRPC puts before each message on the wire.
const prefix = 5

// size is how many bytes a message is on the wire; not ok if nobody can tell. A message that is the call's only one
// is the caller's own anyway.
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

func (b *replayBuffer) add(m any, size int) {
	b.sent = append(b.sent, m)
	b.bytes += size
}

func (b *replayBuffer) drop() { b.sent = nil }

// snapshot keeps a message safe from a caller who uses it again for the next. One of protobuf's old API goes through the
// codec, as only that knows what it is made of. Of a message that is not of protobuf there is only the promise of
// everyone who calls SendMsg not to modify it.
func (b *replayBuffer) snapshot(m any) any {
	switch m := m.(type) {
	case proto.Message:
		return proto.Clone(m)
	case protoadapt.MessageV1:
		if again, err := b.recoded(m); err == nil {
			return again
		}
	}
	return m
}

// recoded is a message made of another's bytes.
func (b *replayBuffer) recoded(m any) (any, error) {
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

// onto sends what was kept on a new attempt. What is wrong with that shows when it is received from.
func (b *replayBuffer) onto(a *streamAttempt) {
	for _, m := range b.sent {
		if a.SendMsg(m) != nil {
			return
		}
	}
	if b.closed {
		_ = a.CloseSend()
	}
}
