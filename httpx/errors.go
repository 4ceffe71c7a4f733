package httpx

import (
	"errors"
	"net"

	"github.com/evenkeel-go/evenkeel/retry"
)

func classifyError(err error) retry.Outcome {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return retry.Outcome{Class: retry.Unprocessed}
	}
	return retry.Outcome{Class: retry.Transient}
}
