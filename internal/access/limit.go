package access

import (
	"container/list"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxAccounts bounds how many callers are counted at one time. Who has not asked for longest is forgotten.
const maxAccounts = 10_000

// limiter counts what callers ask for, in memory: each process counts for itself, and begins anew with it.
type limiter struct {
	max int

	mu       sync.Mutex
	accounts map[string]*list.Element // of *account
	recent   list.List                // the last to ask first
}

// account is what one caller has asked for.
type account struct {
	name   string
	bucket *rate.Limiter
	window time.Time // the beginning of the quota's time
	used   int64
}

func newLimiter(most int) *limiter { return &limiter{max: most, accounts: map[string]*list.Element{}} }

// take counts a request, or says until when there must be none.
func (l *limiter) take(c Caller, limit Limit, now time.Time) *Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(c.account())
	if window := limit.Quota.window(now); !window.Equal(a.window) {
		a.window, a.used = window, 0
	}
	if q := limit.Quota; q.Requests > 0 && a.used >= q.Requests {
		end := a.window.Add(time.Duration(q.Per))
		return tooMany(end.Sub(now), "Caller %s has made the %d requests that it may make in %v. The next are taken from %s on.",
			c.Name, q.Requests, time.Duration(q.Per), end.Format(time.RFC3339))
	}
	if limit.Rate > 0 {
		a.bucket = limit.applied(a.bucket, now)
		if !a.bucket.AllowN(now, 1) {
			r := a.bucket.ReserveN(now, 1)
			defer r.CancelAt(now)
			return tooMany(r.DelayFrom(now), "Caller %s makes more requests than %g a second, and %d at once.", c.Name, limit.Rate,
				a.bucket.Burst())
		}
	}
	a.used++
	return nil
}

// account finds a caller's, or makes one, in the place of another's if there are too many.
func (l *limiter) account(name string) *account {
	if e := l.accounts[name]; e != nil {
		l.recent.MoveToFront(e)
		return e.Value.(*account)
	}
	for len(l.accounts) >= l.max {
		last := l.recent.Back()
		delete(l.accounts, l.recent.Remove(last).(*account).name)
	}
	a := &account{name: name}
	l.accounts[name] = l.recent.PushFront(a)
	return a
}

// applied brings a bucket to the limit, which may be another since the file was read.
func (l Limit) applied(b *rate.Limiter, now time.Time) *rate.Limiter {
	burst := l.Burst
	if burst == 0 {
		burst = int(math.Ceil(min(l.Rate, math.MaxInt32)))
	}
	if b == nil {
		return rate.NewLimiter(rate.Limit(l.Rate), burst)
	}
	if b.Limit() != rate.Limit(l.Rate) || b.Burst() != burst {
		b.SetLimitAt(now, rate.Limit(l.Rate))
		b.SetBurstAt(now, burst)
	}
	return b
}

func (q Quota) window(now time.Time) time.Time {
	if q.Per == 0 {
		return time.Time{}
	}
	since := now.UnixNano()
	return time.Unix(0, since-since%int64(q.Per)).UTC()
}

func tooMany(wait time.Duration, format string, args ...any) *Refusal {
	return &Refusal{Reason: TooMany, Detail: fmt.Sprintf(format, args...), RetryAfter: max(wait, 0)}
}
