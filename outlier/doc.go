// Package outlier decides which of several backends to set aside because their recent attempts
// fail far more often, or take far longer, than those of their siblings. Its purpose is that of
// gRFC A50 and of Envoy's outlier detection. It differs in this:
//
//   - It evaluates when an attempt is sent or ends, and has neither a timer nor a goroutine. The
//     time is passed in.
//   - A backend is compared with its siblings over the same time, never with a fixed threshold.
//     What fails everywhere (an outage, requests that are at fault themselves) sets nothing aside.
//   - A hedge that wins is evidence against the backend it overtook.
//   - A backend that is set aside gets one attempt, the probe, when its time is over. It returns
//     when the probe succeeds, and otherwise stays aside for twice as long.
//
// A Group has four rules, each with a two-sample z-test so that chance seldom sets a backend
// aside:
//
//  1. failures in a row, against what the siblings did since the first of them;
//  2. the share of failures in the last five to ten seconds;
//  3. the geometric mean of latencies in the same time;
//  4. attempts under way of which none was answered for a tenth of a second and for far longer
//     than siblings take, while the siblings answered theirs. It finds a backend that answers
//     nothing sooner than any timeout does.
//
// Packages grpcx/balancer and httpx/endpoints drive it, and so does the simulator of the
// benchmarks. A Group is not safe for concurrent use: callers hold a lock of their own.
package outlier
