package timeout

// quantile follows the survival curve of Kaplan and Meier ("Nonparametric Estimation from
// Incomplete Observations", JASA 53, 1958) over the buckets to the first one after which at most
// share of the attempts are still unanswered. It returns that bucket, and the share left after it.
// If the curve ends before, because what remains was given up, it returns the last bucket that
// holds a sample, and a share left above the one asked for.
//
// In each bucket the curve goes down by the share of those at risk (answered or given up no
// earlier than there) that are answered in it. So an attempt that was given up counts as if it
// had gone on like those that were given longer. Within a bucket answers count as earlier than
// the attempts given up, which can only lengthen the estimate.
func quantile(buckets []tally, share float64) (bucket int, left float64) {
	answered, censored := totals(buckets)
	atRisk := answered + censored // whole numbers below 2^53: exact
	left = 1
	for i, t := range buckets {
		if t == (tally{}) {
			continue
		}
		bucket = i
		left *= 1 - float64(t.answered)/atRisk
		if left <= share {
			break
		}
		atRisk -= float64(t.answered) + float64(t.censored)
	}
	return bucket, left
}

func totals(buckets []tally) (answered, censored float64) {
	for _, t := range buckets {
		answered += float64(t.answered)
		censored += float64(t.censored)
	}
	return answered, censored
}
