package main

import "errors"

var errDown = errors.New("down")

func main() {}
