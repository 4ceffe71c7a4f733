package httpx

import "net/http"

// Hold reads the body of a failed response ahead, up to drainBytes, while the call waits for its
// next attempt or for others under way. Unread, the body would keep its connection, which these
// attempts or other calls may be waiting for (http.Transport.MaxConnsPerHost). It implements
// drive.Holder.
func (c *call) Hold(resp *http.Response) {
	if resp == nil || resp.Body == nil || resp.Body == http.NoBody || isStream(resp) ||
		resp.ProtoMajor > 1 || resp.ContentLength > drainBytes { // no connection would be free
		return
	}
	if p, ok := resp.Body.(*peekBody); ok && p.held {
		return
	}
	b := &peekBody{body: resp.Body, plain: resp.Uncompressed, looked: true, held: true, ahead: make(chan struct{})}
	if b.plain {
		b.stop = c.aborter(resp)
		if b.stop == nil && !c.bodies.shared && !c.ownCtx {
			return // nothing could end the Read, see drainCompressed
		}
	}
	resp.Body = b
	b.rest(true)
	go b.readAhead(drainBytes)
}
