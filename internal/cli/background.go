package cli

import (
	"context"
	"fmt"
)

// background is a part of `pelton up` that must outlive others: it ends when stop is called, not when the run's context
// does.
type background struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended; then err is set
	err    error
}

func startBackground(ctx context.Context, name string, run func(context.Context) error) *background {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &background{name: name, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		b.err = run(ctx)
	}()
	return b
}

// watch waits for ctx; it returns earlier only if the part ends by itself.
func (b *background) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-b.done:
		if b.err != nil {
			return b.err
		}
		return fmt.Errorf("%s ended by itself", b.name)
	}
}

func (b *background) stop() {
	b.cancel()
	<-b.done
}
