package drive_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// sender is work that records what Send is given.
type sender struct {
	work[int]
	ctx   context.Context
	timed bool
}

func (s *sender) Send(ctx context.Context, _ int, timed bool) (int, error) {
	s.ctx, s.timed = ctx, timed
	return 1, nil
}

func TestAttempt_OwnContextOnlyWithTimeout(t *testing.T) {
	for name, limit := range map[string]timeout.Spec{"without": nil, "with": timeout.Fixed(time.Minute)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			w := &sender{}
			p := retry.Must(retry.New(retry.Config{AttemptTimeout: limit}))
			a := drive.Run[int](ctx, drive.Of(p), w, drive.Options{})
			require.NoError(t, a.Err)
			require.Equal(t, limit != nil, w.timed)
			require.Equal(t, limit == nil, w.ctx == ctx)
		})
	}
}
