package main

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
)

func awsStandard(r rules) *awsretry.Standard {
	return awsretry.NewStandard(func(o *awsretry.StandardOptions) {
		o.MaxAttempts = r.attempts
		o.Backoff = awsretry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return r.delay, nil })
		o.Retryables = append(o.Retryables, awsretry.IsErrorRetryableFunc(func(error) aws.Ternary { return aws.TrueTernary }))
	})
}

// awsDo runs op as the handler below the SDK's retry middleware, the only thing of the package
// that makes calls.
func awsDo(r rules) doer {
	m := awsretry.NewAttemptMiddleware(awsStandard(r), func(v any) any { return v })
	return func(ctx context.Context, op func(context.Context) error) error {
		_, _, err := m.HandleFinalize(ctx, middleware.FinalizeInput{}, awsOp(op))
		return err
	}
}

// awsOp is an operation as a handler.
type awsOp func(context.Context) error

func (op awsOp) HandleFinalize(ctx context.Context, _ middleware.FinalizeInput) (
	out middleware.FinalizeOutput, md middleware.Metadata, err error,
) {
	return out, md, op(ctx)
}

var awsLibrary = &library{
	name:   "aws/retry",
	module: "github.com/aws/aws-sdk-go-v2",
	do:     awsDo,
	delay: func(_, limit time.Duration) func(int) time.Duration {
		b := awsretry.NewExponentialJitterBackoff(limit)
		return func(n int) time.Duration { d, _ := b.BackoffDelay(n, nil); return d }
	},
	budgeted: func(r rules) (doer, retryLimit) {
		// 500 tokens, of which a retry costs 14 since version 1.48.0
		return awsDo(r), retryLimit{total: 500 / 14}
	},
}
