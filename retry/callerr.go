package retry

import "context"

// Err is CallDone without the observer: for a driver that must settle a call before it calls the code of others.
func (c *Call) Err(ctx context.Context, last error) error {
	if c.reason == ReasonSuccess {
		return nil
	}
	c.spend(ctx)
	return c.error(ctx, last)
}
