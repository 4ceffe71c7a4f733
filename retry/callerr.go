package retry

import "context"

// Err is the error that CallDone will return, without telling anybody: for a driver that must settle a call before it
// calls the code of others.
func (c *Call) Err(ctx context.Context, last error) error {
	if c.reason == ReasonSuccess {
		return nil
	}
	return c.error(ctx, last)
}
