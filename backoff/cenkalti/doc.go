// Package cenkalti lets github.com/cenkalti/backoff/v4 and evenkeel use each other's delays, so
// that a program can move from the one to the other a line at a time:
//
//  1. [To] makes a strategy a BackOff. backoff.Retry and RetryNotify stay as they are, also under
//     WithContext and WithMaxRetries; only the line that makes the BackOff changes.
//  2. [From] lets a retry.Policy wait as a BackOff does, and understand backoff.Permanent.
//     backoff.Retry becomes retry.Do, which adds the budget, deadlines and reasons.
//  3. A strategy and retry.Permanent replace From and backoff.Permanent, and this package.
package cenkalti
