package backoff

// Every wrapper in this package passes on a negative delay, which only a Stateful may return: it
// means stop.

// wrapper is a strategy that changes the delays of another.
type wrapper interface {
	Strategy
	inner() Strategy
	over(Strategy) Strategy // the same wrapper around another strategy
}

// wrap returns w as it is, or as a Stateful if the strategy inside is one.
func wrap(w wrapper) Strategy {
	if _, ok := w.inner().(Stateful); ok {
		return stateful{w}
	}
	return w
}

// stateful makes a wrapper of a Stateful a Stateful. Other wrappers need no new value for each
// call.
type stateful struct{ wrapper }

func (s stateful) NewCall() Strategy { return s.over(s.inner().(Stateful).NewCall()) }

// IsPermanent reports whether the strategy inside, if it is of package backoff/cenkalti, takes
// err for permanent. Package retry calls it.
func (s stateful) IsPermanent(err error) bool {
	known, ok := s.inner().(interface{ IsPermanent(error) bool })
	return ok && known.IsPermanent(err)
}

func (s stateful) Validate() error { return Validate(s.wrapper) }

func (c capped) inner() Strategy       { return c.Of }
func (f floored) inner() Strategy      { return f.Of }
func (f full) inner() Strategy         { return f.Of }
func (e equal) inner() Strategy        { return e.Of }
func (p proportional) inner() Strategy { return p.Of }

func (c capped) over(s Strategy) Strategy       { return capped{s, c.Max} }
func (f floored) over(s Strategy) Strategy      { return floored{s, f.Min} }
func (f full) over(s Strategy) Strategy         { return full{s} }
func (e equal) over(s Strategy) Strategy        { return equal{s} }
func (p proportional) over(s Strategy) Strategy { return proportional{s, p.By} }
