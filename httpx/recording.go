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
	limit  int
	users  atomic.Int32 // the readers in use, and the call; with the last one the source is closed
	closed atomic.Bool  // the source

	reading chan struct{} // holds one during source.Read; a Mutex would stop synctest's clock

	mu      sync.Mutex
	kept    []byte     // what was read, from the beginning; nil once over
	over    bool       // more than limit was read: the reader goes on, and there will be no other
	held    bool       // another attempt is being decided on: keep all, and no more than limit
	final   bool       // the call is over: there will be no other reader
	broken  bool       // the source was closed under a Read, which has lost what would have come
	waiting int        // Reads that wait for the source, of all readers
	decided *sync.Cond // held, or whether a reader is stopped or shut, has changed
	err     error      // that source.Read returned
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
	at      int         // how far it has read, as long as that is kept
	stopped bool        // its attempt is over
	shut    bool        // closed
	left    bool        // no longer one of the recording's users
	blocked int         // its Reads that wait for the source
	grace   *time.Timer // calls expire
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

// release ends the call's use of the recording: no further reader will be opened. It does not wait
// for a Read, as the Close of some sources does.
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
	r.reading <- struct{}{} // an earlier attempt may be in source.Read: what it gets is kept
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

// begin answers a Read without the source, or counts it as one that waits for the source until
// end.
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

func (r *replay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
	if r.blocked--; r.blocked == 0 {
		r.stopGrace()
	}
}

// fromKept answers a Read without the source, if it can.
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
	case r.held && len(r.kept) >= r.limit: // closed
		return 0, errCut, true
	}
	return 0, nil, len(p) == 0
}

// awaitDecision holds back an attempt that has answered while it still uploads: what goes beyond
// the limit could be neither kept, if there is another attempt, nor lost.
func (r *replay) awaitDecision() {
	for r.held && r.at >= len(r.kept) && len(r.kept) >= r.limit && !r.stopped && !r.shut {
		r.decided.Wait()
	}
}

// keep remembers what the source gave. A reader that was stopped meanwhile has read on behalf of
// the next.
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

// Close ends this attempt's use of the body. A Read under way returns, at the cost of a later
// attempt if the source has to be closed for that. An attempt that has been answered lets it go on
// for the next.
//
// The body can be read all the same until the attempt is over, and waits no longer than readGrace:
// net/http closes the body of a request that found its connection unusable, and then sends that
// very request on another (see reopen).
func (r *replay) Close() error {
	r.mu.Lock()
	r.shut = true
	r.decided.Broadcast()
	last := r.leave()
	if r.blocked > 0 && !r.stopped && !r.held {
		if r.unrepeatable() {
			r.broken, last = true, true
		} else {
			r.setGrace()
		}
	}
	r.mu.Unlock()
	if last {
		return r.close()
	}
	return nil
}

// reopen is called when the attempt has got a connection, perhaps not its first.
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

// expire closes the source under a Read that does not return.
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

// leave reports whether this was the last user of the source.
func (r *replay) leave() bool {
	if r.left {
		return false
	}
	r.left = true
	return r.users.Add(-1) == 0
}

// broke reports whether the source failed.
func (r *replay) broke() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil && r.err != io.EOF && !r.broken && !r.stopped
}
