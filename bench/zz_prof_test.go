package main
import ("testing";"math/rand/v2")
func BenchmarkOCC(b *testing.B){ for b.Loop(){ c:=occCell{"e","none",occJitters[0].backoff,150}; c.run(rand.New(rand.NewPCG(1,1)),20)} }
