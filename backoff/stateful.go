package backoff

// A negative delay, which only a Stateful may give, passes through every wrapper of this package:
// it means stop.

// wrapper is a strategy made of another one.
type wrapper interface {
	Strategy
	inner() Strategy
	over(Strategy) Strategy // the same wrapper around another strategy
}

// wrap returns w as it is, or as a Stateful if what it wraps is one.
func wrap(w wrapper) Strategy {
	if _, ok := w.inner().(Stateful); ok {
		return stateful{w}
	}
	return w
}

// stateful hands NewCall on to the strategy inside. Only wrappers of a Stateful pay for the value
// that each call then needs.
type stateful struct{ wrapper }

func (s stateful) NewCall() Strategy { return s.over(s.inner().(Stateful).NewCall()) }

// IsPermanent hands on what package backoff/cenkalti knows of errors, for package retry.
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
