package httpx

import (
	"io"
	"sync"
	"sync/atomic"
)

// recording is a request body without GetBody, read as the attempts ask for it and remembered up to a limit.
type recording struct {
	source io.ReadCloser
	limit  int
	users  atomic.Int32 // open readers, and the call; with the last one the source is closed

	reading sync.Mutex // held during source.Read, which may block

	mu      sync.Mutex
	kept    []byte     // what was read, from the beginning; nil once over
	over    bool       // more than limit was read: the reader that did it goes on, and there will be no other
	held    bool       // another attempt is being decided on: let go of nothing, and keep no more than limit
	decided *sync.Cond // held, or a reader's stopped or closed, has changed
	err     error      // what source.Read came to
}

func newRecording(source io.ReadCloser, limit int) *recording {
	r := &recording{source: source, limit: limit}
	r.decided = sync.NewCond(&r.mu)
	r.users.Store(1)
	return r
}

// replay is one attempt's reader of a recording.
type replay struct {
	*recording
	at      int // how far it has read, as long as that is kept
	stopped atomic.Bool
	closed  atomic.Bool
}

// open returns a reader from the beginning. The one before must have been stopped.
func (r *recording) open() *replay {
	r.users.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = false
	r.decided.Broadcast()
	return &replay{recording: r}
}

// hold reports whether the recording is complete so far, and keeps it so until open or release.
func (r *recording) hold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = !r.over && (r.err == nil || r.err == io.EOF)
	return r.held
}

// release is called when no further reader will be opened.
func (r *recording) release() {
	r.mu.Lock()
	r.held, r.limit = false, 0
	r.decided.Broadcast()
	r.mu.Unlock()
	r.leave()
}

// leave closes the source when its last user is gone.
func (r *recording) leave() error {
	if r.users.Add(-1) == 0 {
		return r.source.Close()
	}
	return nil
}

func (r *replay) Read(p []byte) (int, error) {
	if n, err, done := r.fromKept(p); done {
		return n, err
	}
	r.reading.Lock() // an attempt that is over may be in the middle of source.Read: what it gets is kept
	defer r.reading.Unlock()
	if n, err, done := r.fromKept(p); done {
		return n, err
	}
	n, err := r.source.Read(p)
	r.keep(p[:n], err)
	return n, err
}

// fromKept answers a Read without the source, if it can.
func (r *replay) fromKept(p []byte) (n int, err error, done bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.awaitDecision()
	switch {
	case r.stopped.Load():
		return 0, errCut, true
	case r.at < len(r.kept):
		n = copy(p, r.kept[r.at:])
		r.at += n
		return n, nil, true
	case r.err != nil:
		return 0, r.err, true
	case r.held && len(r.kept) >= r.limit: // closed
		return 0, errCut, true
	}
	return 0, nil, len(p) == 0
}

// awaitDecision holds back an attempt that has answered while it still uploads: what goes beyond the limit could be
// neither kept, if there is another attempt, nor lost.
func (r *replay) awaitDecision() {
	for r.held && r.at >= len(r.kept) && len(r.kept) >= r.limit && !r.stopped.Load() && !r.closed.Load() {
		r.decided.Wait()
	}
}

// keep remembers what the source gave. A reader that was stopped meanwhile has read on behalf of the next.
func (r *replay) keep(p []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	if r.over {
		return
	}
	if len(r.kept)+len(p) > r.limit && !r.held && !r.stopped.Load() {
		r.over, r.kept = true, nil
		return
	}
	r.kept = append(r.kept, p...)
	r.at += len(p)
}

// Close ends this attempt's use of the body. It can be read all the same until the attempt is over: net/http closes
// the body of a request that found its connection unusable, and then sends that very request on another.
func (r *replay) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	r.wake()
	return r.leave()
}

func (r *replay) stop() {
	r.stopped.Store(true)
	r.wake()
}

func (r *replay) wake() {
	r.mu.Lock()
	r.decided.Broadcast()
	r.mu.Unlock()
}

// broke reports whether the source failed.
func (r *replay) broke() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil && r.err != io.EOF && !r.stopped.Load()
}
