package main

import (
	"net/http"

	"github.com/cristalhq/hedgedhttp"
)

var hedgedhttpLibrary = &library{
	name:   "hedgedhttp",
	module: "github.com/cristalhq/hedgedhttp",
	hedging: func(r rules, base http.RoundTripper) http.RoundTripper {
		c, err := hedgedhttp.New(hedgedhttp.Config{Transport: base, Upto: r.attempts, Delay: r.hedge})
		if err != nil {
			panic(err)
		}
		return c
	},
}
