package access

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// DefaultInterval is how often the files are read.
const DefaultInterval = 5 * time.Second

// Config says where the files are. One of them at least must be set.
type Config struct {
	Tokens   string                // path of the file of callers and their tokens; "" is none
	Policy   string                // path of the file of issuers, rules and limits; "" lets every caller do everything
	Interval time.Duration         // between two looks at the files
	Metrics  prometheus.Registerer // nil counts nowhere
	Now      func() time.Time      // nil is the clock of this machine
	Logger   *zap.Logger           // nil logs nothing
}

// Gate knows callers and what they may. It is safe for concurrent use.
type Gate struct {
	cfg     Config
	log     *zap.Logger
	metrics *metrics
	files   []*file // only Open and Run use them
	limits  *limiter

	tokens atomic.Pointer[tokens] // nil without a file of tokens
	policy atomic.Pointer[policy]
}

// Open reads the files for the first time. They must be good then.
func Open(cfg Config) (*Gate, error) {
	if cfg.Tokens == "" && cfg.Policy == "" {
		return nil, errors.New("open access: neither a file of tokens nor one of rules is set")
	}
	cfg.Interval = cmp.Or(cfg.Interval, DefaultInterval)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	g := &Gate{cfg: cfg, log: cmp.Or(cfg.Logger, zap.NewNop()), limits: newLimiter(maxAccounts)}
	var err error
	if g.metrics, err = newMetrics(cfg.Metrics); err != nil {
		return nil, err
	}
	g.policy.Store(&policy{})
	if cfg.Tokens != "" {
		g.files = append(g.files, &file{kind: "tokens", path: cfg.Tokens, use: g.useTokens})
	}
	if cfg.Policy != "" {
		g.files = append(g.files, &file{kind: "policy", path: cfg.Policy, use: g.usePolicy})
	}
	for _, f := range g.files {
		if err := f.open(g.metrics); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *Gate) useTokens(text []byte) error {
	t, err := parseTokens(text)
	if err != nil {
		return err
	}
	g.tokens.Store(t)
	return nil
}

// usePolicy never opens a door that had a lock: that is done by starting anew, where somebody looks.
func (g *Gate) usePolicy(text []byte) error {
	before := g.policy.Load()
	p, err := parsePolicy(text, before)
	switch {
	case err != nil:
		return err
	case len(before.issuers) > 0 && len(p.issuers) == 0 && g.tokens.Load() == nil:
		return errors.New("issuers: there are none any more, and no file of tokens: everybody would be let in without being asked. " +
			"Restart to do that")
	case len(before.rules) > 0 && len(p.rules) == 0:
		return errors.New("rules: there are none any more: every caller could do everything. Restart to do that")
	case len(before.limits) > 0 && len(p.limits) == 0:
		return errors.New("limits: there are none any more: every caller could ask without bound. Restart to do that")
	}
	g.policy.Store(p)
	return nil
}

// Asks reports whether callers must show who they are. If not, everybody is the caller Anonymous.
func (g *Gate) Asks() bool { return g.tokens.Load() != nil || len(g.policy.Load().issuers) > 0 }

// Run looks at the files, and keeps the keys of issuers fresh, until ctx ends.
func (g *Gate) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		every(ctx, keysCheck, func() {
			for _, i := range g.policy.Load().issuers {
				g.refresh(ctx, i)
			}
		})
	})
	every(ctx, g.cfg.Interval, func() {
		for _, f := range g.files {
			f.look(g.log, g.metrics)
		}
	})
	return nil
}

// refresh fetches keys that are old, and tells of what went wrong.
func (g *Gate) refresh(ctx context.Context, i *issuer) {
	if !i.due(g.cfg.Now()) {
		return
	}
	if err := i.refresh(ctx, g.cfg.Now()); err != nil && ctx.Err() == nil {
		g.metrics.keyErrors.Inc()
		g.log.Warn("keys of an issuer cannot be fetched, those that are known stay", zap.String("issuer", i.URL), zap.Error(err))
	}
}

// every calls f at once, and then at each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		f()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// Identify says who sent a request, by its Authorization header.
func (g *Gate) Identify(ctx context.Context, r *http.Request) (Caller, *Refusal) {
	if !g.Asks() {
		return anonymous(r), nil
	}
	token, refused := bearer(r.Header)
	if refused == nil {
		var c Caller
		if c, refused = g.caller(ctx, token); refused == nil {
			return c, nil
		}
	}
	return Caller{}, g.refuse(refused)
}

// caller knows the owner of a token.
func (g *Gate) caller(ctx context.Context, token string) (Caller, *Refusal) {
	if t := g.tokens.Load(); t != nil {
		if name, ok := t.owner(token); ok {
			return Caller{Name: name}, nil
		}
	}
	p := g.policy.Load()
	if len(p.issuers) > 0 && looksSigned(token) {
		return p.verify(ctx, token, g.cfg.Now())
	}
	return Caller{}, badToken("It is not known.")
}

// MayAsk says why a caller may not make a request for a path, nil if he may. The path is the escaped one.
func (g *Gate) MayAsk(c Caller, method, path string) *Refusal {
	return g.refuse(g.policy.Load().mayAsk(c, method, path))
}

// MayPublish says why a caller may not send an event to a subject, nil if he may.
func (g *Gate) MayPublish(c Caller, subject string) *Refusal {
	return g.refuse(g.policy.Load().mayPublish(c, subject))
}

// Take counts one request of a caller, and says if it is one too many.
func (g *Gate) Take(c Caller) *Refusal {
	limit := g.policy.Load().limitOf(c)
	if limit == nil {
		return nil
	}
	return g.refuse(g.limits.take(c, *limit, g.cfg.Now()))
}

func (g *Gate) refuse(r *Refusal) *Refusal {
	if r != nil {
		g.metrics.refused.WithLabelValues(string(r.Reason)).Inc()
	}
	return r
}
