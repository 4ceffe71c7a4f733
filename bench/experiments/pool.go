package experiments

// pool bounds how many simulations run at a time, over all experiments.
type pool chan struct{}

func newPool(workers int) pool { return make(pool, workers) }

// run waits for its turn and then goes on beside the caller: runs start in the order in which they
// were asked for.
func (p pool) run(f func()) {
	p <- struct{}{}
	go func() {
		defer func() { <-p }()
		f()
	}()
}
