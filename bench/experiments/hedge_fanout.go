package experiments

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

var hedgeFanout = Experiment{
	Name:   "hedge-fanout",
	About:  "and for a request that needs a thousand answers?",
	Source: `Dean and Barroso, "The Tail at Scale" (2013): of a BigTable benchmark, "sending a hedging request after a 10 ms delay"`,
	Setup: "A request reads 1,000 keys, ten on each of 100 servers, a call a key, and ends with the last. The paper has three " +
		"figures and no distribution. Assumed: a server is slow for all of its ten keys at once; its time is Pareto, which two of the " +
		"figures fix (2 % above 10 ms; 1,800 ms is the 99.9th percentile without hedges); a hedge goes to another server at random. " +
		"What follows with hedges is the model's. 2 % of a thousand keys is 20 hedges at one instant: the default budget, made for " +
		"clients that are few among many, admits some of them; evenkeel-bucket has a token bucket for 1,000.",
	Metrics: []Metric{
		{"p50_ms", "p50 ms", Tenths},
		{"p95_ms", "p95 ms", Tenths},
		{"p99_ms", "p99 ms", Tenths},
		{"p999_ms", "p99.9 ms", Count},
		{"load", "", Times},
	},
	Run: runHedgeFanout,
}

const (
	fanoutServers = 100
	fanoutKeys    = 10 // of one request on one server
	fanoutDelay   = 10 * time.Millisecond
	fanoutSlow    = .02 // share of a server's times above fanoutDelay
)

// fanoutShape is the exponent with which, of 100 servers, one takes more than 1,800 ms in a
// thousandth of requests.
var fanoutShape = math.Log(fanoutSlow/(.001/fanoutServers)) / math.Log(1800/10.)

// fanoutTime draws a server's processing time.
func fanoutTime(rng *rand.Rand) time.Duration {
	return time.Duration(float64(fanoutDelay) * math.Pow((1-rng.Float64())/fanoutSlow, -1/fanoutShape))
}

var publishedFanout = map[string]map[string]float64{
	"none":        {"p999_ms": 1800},
	"static-10ms": {"p999_ms": 74, "load": 1.02},
}

func runHedgeFanout(o Options) ([]Row, error) {
	fixed := timeout.Fixed(fanoutDelay)
	policies := append([]Policy{
		{Name: "none", Config: retry.Config{MaxAttempts: 1, Budget: budget.Unlimited{}}},
		{Name: "static-10ms", Config: retry.Config{MaxAttempts: 2, Hedge: fixed, Budget: budget.Unlimited{}}},
		{Name: "evenkeel", Config: retry.Config{MaxAttempts: 2, Hedge: fixed}},
		{Name: "evenkeel-bucket", Config: retry.Config{
			MaxAttempts: 2, Hedge: fixed, Budget: budget.TokenBucket{Cap: 1000, OnSuccess: true},
		}},
	}, o.User...)
	requests := size(o, 40_000, 3_000)
	return o.Each(len(policies), func(i int) (Row, error) {
		policy := policies[i]
		f := fanout{requests: requests, quiet: fanoutDelay}
		if policy.user { // its hedges may come sooner, and its budget may have a clock: each call is driven, at ten times the cost
			f = fanout{requests: requests / 10}
		}
		r, err := f.run(policy.Config, o.SeedFor("requests")) // the same servers are slow for each policy
		if err != nil {
			return Row{}, err
		}
		row := Row{Policy: policy.Name, Metrics: r.metrics()}
		row.Metrics["load"] = Value(float64(r.attempts) / float64(f.requests*fanoutServers*fanoutKeys))
		for metric, v := range publishedFanout[policy.Name] {
			if metric == "load" {
				row.publish(metric, v, points(.3))
			} else {
				row.publish(metric, v, tailError(policy.Config.MaxAttempts, f.requests))
			}
		}
		return row, nil
	})
}

// tailError returns three standard errors of the 99.9th percentile of so many requests, of which
// few are above it. The tail of the slowest of independent attempts is Pareto too, with the sum of
// their exponents.
func tailError(attempts, requests int) Within {
	return share(3 / (float64(attempts) * fanoutShape * math.Sqrt(.001*float64(requests))))
}

// fanout is requests, one after the other.
type fanout struct {
	requests int
	quiet    time.Duration // calls that are answered sooner are not asked whether they hedge: they would not
}

func (f fanout) run(cfg retry.Config, seed uint64) (hedgeResult, error) {
	servers, hedges := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1))
	p, err := retry.New(cfg, retry.WithRand(hedges.Float64))
	if err != nil {
		return hedgeResult{}, err
	}
	var (
		all   hedgeResult
		begun time.Duration
		takes [fanoutServers]time.Duration
	)
	for range f.requests {
		for i := range takes {
			takes[i] = fanoutTime(servers)
		}
		r := f.request(p, begun, &takes, hedges)
		took := r.took[len(r.took)-1]
		all.add(took)
		all.attempts += r.attempts
		begun += took
	}
	all.sort()
	return all, nil
}

// request simulates one request, whose servers take so long.
func (f fanout) request(p *retry.Policy, at time.Duration, takes *[fanoutServers]time.Duration, rng *rand.Rand) hedgeResult {
	policy := drive.Of(p)
	r := hedgeRace{rules: &policy.Rules}
	var longest time.Duration
	for server, d := range takes {
		for range fanoutKeys {
			if d < f.quiet || !policy.Hedges() {
				now := hedgeStart.Add(at)
				policy.Budget.End(now, policy.Budget.Begin(now), budget.Alive)
				r.result.attempts++
				longest = max(longest, d)
				continue
			}
			r.call(at, func(attempt int) time.Duration {
				if attempt == 1 {
					return d
				}
				return takes[(server+1+rng.IntN(fanoutServers-1))%fanoutServers]
			})
		}
	}
	r.result.add(longest)
	return r.finish()
}
