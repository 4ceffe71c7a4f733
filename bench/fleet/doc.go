// Package fleet simulates a fleet of clients that retry, and the services that they call, while
// something goes wrong. It drives [call.Call] and the budgets of package budget themselves, the
// code that ships, over virtual time: an outage of ten minutes that a thousand processes see takes
// seconds, and the same seed gives the same figures.
//
// In a test, ask whether a policy survives:
//
//	func TestOurPolicySurvivesAStoppedServer(t *testing.T) {
//		policy := retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}
//		fleet.Survives(t, policy, fleet.Scenario{
//			Clients: 10,
//			Load:    fleet.Load{Rate: 280},
//			Server:  fleet.Server{Rate: 300},
//			Faults:  []fleet.Fault{{From: 20 * time.Second, To: 30 * time.Second, Cut: 1}},
//		})
//	}
//
// Otherwise [Run] a [Scenario] and look at the [Result]. A scenario is plain data: clients and how
// their calls come ([Load]), the services on the way ([Service]) and the [Server] at its end with
// its capacity, queue and latency, the network between them, and what goes wrong and when
// ([Fault]).
//
// # The model
//
// Each client is a process with a budget and a latency estimate of its own; so is each instance of
// a service. A call starts, sends attempts, waits and stops as [call.Call] says. An attempt takes
// one network leg to its server and one back. The server answers, fails, stays silent, or queues
// it; a caller whose attempt timeout or deadline passes goes on without the answer, which the
// server may compute all the same. Random numbers, also those of the policy's jitter, come from
// the scenario's seed. A run uses one core; runs may go on side by side.
package fleet
