package httpx

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// recording reads a request body without GetBody as attempts ask for it, and keeps it up to a
// limit for the attempts that follow.
type recording struct {
	source io.ReadCloser
	users  atomic.Int32 // the call and the readers in use; the source is closed with the last one
	closed atomic.Bool  // the source was closed

	reading chan struct{} // holds one during source.Read; a Mutex would stop synctest's clock

	mu      sync.Mutex // guards what follows
	limit   int        // bytes; 0 after release
	kept    []byte     // what was read, from the beginning; nil once over
	over    bool       // more than limit was read: no other reader can follow
	held    bool       // another attempt is being decided on: keep all, and read no more than limit
	final   bool       // the call is over: no other reader will follow
	broken  bool       // the source was closed during a Read, which may have lost data
	waiting int        // Reads that wait for the source, of all readers
	decided *sync.Cond // signals a change of held, or of a reader's stopped or shut
	err     error      // returned by the latest source.Read
	closing error      // returned to an attempt by source.Close
}

func newRecording(source io.ReadCloser, limit int) *recording {
	r := &recording{source: source, limit: limit, reading: make(chan struct{}, 1)}
	r.decided = sync.NewCond(&r.mu)
	r.users.Store(1)
	return r
}

// replay is one attempt's reader of a recording. mu guards its fields.
type replay struct {
	*recording
	at      int         // bytes of kept that it has read
	stopped bool        // by stop: its attempt is over
	shut    bool        // by Close, until reopen
	left    bool        // no longer one of the recording's users
	blocked int         // its Reads that wait for the source
	grace   *time.Timer // calls expire; nil: not running
}

// readGrace is how long a Read may take to return after its reader was closed before the source is
// closed too. Most return at once, and the recording stays complete; one of a pipe may never
// return.
const readGrace = 10 * time.Millisecond

var errBodyClosed = errors.New("httpx: read on a closed request body")

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
	r.held = !r.over && !r.broken && (r.err == nil || r.err == io.EOF)
	return r.held
}

// release ends the call's use of the recording: no further reader will be opened. The Close of
// some sources waits for a Read; release does not.
func (r *recording) release() {
	r.mu.Lock()
	r.held, r.final, r.limit = false, true, 0
	r.decided.Broadcast()
	waiting := r.waiting > 0
	r.mu.Unlock()
	switch {
	case r.users.Add(-1) > 0:
	case waiting:
		go r.close()
	default:
		r.close()
	}
}

// close closes the source, once.
func (r *recording) close() error {
	if r.closed.Swap(true) {
		return nil
	}
	return r.source.Close()
}

func (r *replay) Read(p []byte) (int, error) {
	if n, err, done := r.begin(p); done {
		return n, err
	}
	defer r.end()
	r.reading <- struct{}{} // an earlier attempt may be in source.Read; its data is kept
	defer func() { <-r.reading }()
	r.mu.Lock()
	n, err, done := r.fromKept(p)
	r.mu.Unlock()
	if done {
		return n, err
	}
	n, err = r.source.Read(p)
	r.keep(p[:n], err)
	return n, err
}

// begin answers a Read without the source, or counts it among those that wait for the source.
func (r *replay) begin(p []byte) (n int, err error, done bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.awaitDecision()
	n, err, done = r.fromKept(p)
	if !done {
		r.waiting++
		r.blocked++
		if r.shut {
			r.setGrace()
		}
	}
	return n, err, done
}

// end removes a Read from those that wait for the source.
func (r *replay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
	if r.blocked--; r.blocked == 0 {
		r.stopGrace()
	}
}

// fromKept answers a Read without the source, if it can. It requires that r.mu is held.
func (r *replay) fromKept(p []byte) (n int, err error, done bool) {
	switch {
	case r.stopped:
		return 0, errCut, true
	case r.at < len(r.kept):
		n = copy(p, r.kept[r.at:])
		r.at += n
		return n, nil, true
	case r.err != nil:
		return 0, r.err, true
	case r.broken || r.shut && r.unrepeatable():
		return 0, errBodyClosed, true
	case r.held && len(r.kept) >= r.limit: // closed, or held meanwhile
		return 0, errCut, true
	}
	return 0, nil, len(p) == 0
}

// awaitDecision makes an attempt that was answered during its upload wait at the limit until it is
// decided whether there is another attempt, which would need what can no longer be kept.
func (r *replay) awaitDecision() {
	for r.held && r.at >= len(r.kept) && len(r.kept) >= r.limit && !r.stopped && !r.shut {
		r.decided.Wait()
	}
}

// keep stores what the source returned. If the reader was stopped meanwhile, the data is for the
// next one.
func (r *replay) keep(p []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	if r.over {
		return
	}
	if len(r.kept)+len(p) > r.limit && !r.held && !r.stopped {
		r.over, r.kept = true, nil
		return
	}
	r.kept = append(r.kept, p...)
	r.at += len(p)
}

// unrepeatable reports whether no attempt can come after this one.
func (r *recording) unrepeatable() bool { return r.over || r.final }

// Close ends this attempt's use of the body. It makes a Read under way return, if need be by
// closing the source, which excludes a later attempt. But if the attempt has been answered, the
// Read goes on for the next one. A source that no attempt will read any more is closed at once, so
// that net/http gets the error of its Close.
//
// Until the attempt is over, a body that is complete so far can still be read, but no Read waits
// longer than readGrace: net/http closes the body of a request that found its connection unusable,
// and then sends that same request on another (see reopen).
func (r *replay) Close() error {
	r.mu.Lock()
	r.shut = true
	r.decided.Broadcast()
	last := r.leave() || !r.stopped && r.blocked == 0 && (r.over || r.err != nil)
	if r.blocked > 0 && !r.stopped && !r.held {
		if r.unrepeatable() {
			r.broken, last = true, true
		} else {
			r.setGrace()
		}
	}
	r.mu.Unlock()
	if !last {
		return nil
	}
	err := r.close()
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.closing = err
	}
	return err
}

// reopen undoes Close. It is called when the attempt gets a connection, perhaps not its first.
func (r *replay) reopen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.shut || r.stopped || r.final || r.blocked > 0 {
		return
	}
	r.shut = false
	if r.left {
		r.left = false
		r.users.Add(1)
	}
}

// setGrace has expire called after readGrace. It requires that r.mu is held.
func (r *replay) setGrace() {
	if r.grace == nil {
		r.grace = time.AfterFunc(readGrace, r.expire)
	}
}

func (r *replay) stopGrace() {
	if r.grace != nil {
		r.grace.Stop()
		r.grace = nil
	}
}

// expire closes the source to end a Read that does not return.
func (r *replay) expire() {
	r.mu.Lock()
	r.grace = nil
	late := r.shut && r.blocked > 0 && !r.stopped && !r.held
	if late {
		r.broken = true
	}
	r.mu.Unlock()
	if late {
		r.close()
	}
}

// stop keeps an attempt that is over from reading on.
func (r *replay) stop() {
	r.mu.Lock()
	r.stopped = true
	r.stopGrace()
	r.decided.Broadcast()
	last := r.leave()
	r.mu.Unlock()
	if last {
		r.close()
	}
}

// leave removes r from the recording's users and reports whether it was the last. It requires that
// r.mu is held.
func (r *replay) leave() bool {
	if r.left {
		return false
	}
	r.left = true
	return r.users.Add(-1) == 0
}

// broke reports whether the source failed during this attempt, or its Close caused the attempt's
// error.
func (r *replay) broke(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closing != nil && errors.Is(err, r.closing) || r.err != nil && r.err != io.EOF && !r.broken && !r.stopped
}
