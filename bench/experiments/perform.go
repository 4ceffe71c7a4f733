package experiments

import (
	"context"
	"sync"
	"time"
)

// Performed is an experiment and what it came to.
type Performed struct {
	Experiment
	Rows []Row
	Err  error
	Took time.Duration
}

// Perform runs the experiments and calls done with each when it has ended, one at a time and in
// the order given. It returns those that have ended: all of them, unless ctx ends before.
//
// Simulations of several experiments run side by side, those of an earlier one first. Experiments
// that must be alone come after all others, one by one.
func Perform(ctx context.Context, chosen []Experiment, o Options, done func(Performed)) []Performed {
	o.ctx, o.pool = ctx, newPool(o.Workers)
	order := inOrder(chosen)
	ended := make(chan int, len(order)) // room for all: what ends after ctx blocks nobody
	results := make([]Performed, len(order))
	go start(order, o, func(i int, p Performed) {
		results[i] = p
		ended <- i
	})
	var all []Performed
	ready := make([]bool, len(order))
	next := 0
	flush := func(inOrder bool) {
		for i := next; i < len(order); i++ {
			switch {
			case ready[i]:
				ready[i] = false
				all = append(all, results[i])
				done(results[i])
				if i == next {
					next++
				}
			case inOrder:
				return
			}
		}
	}
	for len(all) < len(order) {
		select {
		case i := <-ended:
			ready[i] = true
			flush(true)
		case <-ctx.Done():
			for len(ended) > 0 {
				ready[<-ended] = true
			}
			flush(false)
			return all
		}
	}
	return all
}

// inOrder puts the experiments that must be alone behind the others.
func inOrder(chosen []Experiment) []Experiment {
	var beside, alone []Experiment
	for _, e := range chosen {
		if e.Alone {
			alone = append(alone, e)
		} else {
			beside = append(beside, e)
		}
	}
	return append(beside, alone...)
}

// start runs the experiments. One begins when all simulations of the one before have begun, or
// alone.
func start(order []Experiment, o Options, ended func(int, Performed)) {
	var beside sync.WaitGroup
	for i, e := range order {
		if o.interrupted() != nil {
			return
		}
		if e.Alone {
			beside.Wait()
			perform(e, o, func(p Performed) { ended(i, p) })
			continue
		}
		begun, one := make(chan struct{}), o
		one.submitted = sync.OnceFunc(func() { close(begun) })
		beside.Go(func() {
			defer one.submitted()
			perform(e, one, func(p Performed) { ended(i, p) })
		})
		<-begun
	}
}

// perform runs one experiment. What an interruption made of it is nobody's result.
func perform(e Experiment, o Options, ended func(Performed)) {
	o.experiment = e.Name
	begun := time.Now()
	rows, err := e.Run(o)
	if o.interrupted() == nil {
		ended(Performed{e, rows, err, time.Since(begun)})
	}
}
