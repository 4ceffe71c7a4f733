// Package call implements the one idea of this library: the state of a call as a pure state
// machine. It performs no I/O and has no clock, timer, goroutine, lock or context. A driver
// reports what happened and when, and a Call returns what to do next: send an attempt now, wait
// until a time, or stop with a reason.
//
// Every driver advances a [Call] by the same three methods: [Call.Next], [Call.Done] and
// [Call.Cancel]. The drivers of packages retry, httpx and grpcx do, and so does the simulator of
// bench/fleet, so what is proved of a simulated fleet is proved of the code that runs in
// production. Write a driver of your own for a protocol that this library does not know; for
// functions, use package retry. Without hedges its loop is this, where send and sleepUntil are the
// driver's:
//
//	c := rules.Start(time.Now(), call.Options{Deadline: deadline})
//	for {
//		switch step := c.Next(time.Now()); step.Op {
//		case call.Send:
//			outcome := send(step.Attempt, step.Timeout)
//			c.Done(time.Now(), step.Attempt, outcome)
//		case call.Wait:
//			if !sleepUntil(step.At) {
//				c.Cancel(time.Now(), call.ReasonCanceled)
//			}
//		case call.Stop:
//			return step.Attempt, step.Reason
//		}
//	}
package call
