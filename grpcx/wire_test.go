package grpcx_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
)

// wireStream is a stream whose request has arrived at a server that speaks HTTP/2 frame by frame.
type wireStream struct {
	*http2.Framer
	conn net.Conn
	id   uint32
	n    int // how many streams have come, this one included
}

// headers writes a HEADERS frame, the last of the stream or not.
func (s *wireStream) headers(last bool, pairs ...string) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := 0; i < len(pairs); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: block.Bytes(), EndStream: last, EndHeaders: true})
}

func (s *wireStream) header(more ...string) {
	s.headers(false, append([]string{":status", "200", "content-type", "application/grpc"}, more...)...)
}

// answer ends the stream with a status and nothing else.
func (s *wireStream) answer(code, message string) {
	s.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", code, "grpc-message", message)
}

func (s *wireStream) close() { _ = s.conn.Close() }

// wire serves frames until the test ends, and returns what dials it. react is called once a
// stream, when its first message has come; streams counts those that were opened, also without a
// message.
func wire(t *testing.T, streams *atomic.Int64, react func(s *wireStream)) grpc.DialOption {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go speak(conn, streams, react)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })
}

// speak serves a connection until the client or react closes it.
func speak(conn net.Conn, streams *atomic.Int64, react func(s *wireStream)) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	_ = framer.WriteSettings()
	seen := map[uint32]bool{}
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			streams.Add(1)
		case *http2.DataFrame:
			if id := f.StreamID; !seen[id] {
				seen[id] = true
				react(&wireStream{framer, conn, id, int(streams.Load())})
			}
		}
	}
}

// TestWire_AnswersStream holds the helper itself to what it is for.
func TestWire_AnswersStream(t *testing.T) {
	var streams atomic.Int64
	cc := conn(t, "passthrough:///x", wire(t, &streams, func(s *wireStream) {
		s.header()
		_ = s.WriteData(s.id, false, []byte{0, 0, 0, 0, 0})
		s.headers(true, "grpc-status", "0")
	}))
	require.NoError(t, cc.Invoke(t.Context(), unaryCall, in("x"), in("")))
	require.EqualValues(t, 1, streams.Load())
}
