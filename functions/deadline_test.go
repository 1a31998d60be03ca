package functions

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadlineContextEndsLikeTheStandardOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		at := start.Add(time.Second)
		waited := &deadlineContext{deadline: at}
		child, cancel := context.WithCancel(waited)
		defer cancel()
		unwatched := &deadlineContext{deadline: at}
		canceled := &deadlineContext{deadline: at}
		endless := &deadlineContext{}
		for _, c := range []context.Context{waited, unwatched, canceled, endless, child} {
			if c.Err() != nil {
				t.Fatal("ended before its time")
			}
		}
		canceled.end(context.Canceled)
		<-canceled.Done()
		<-waited.Done()
		if d := time.Since(start); d != time.Second {
			t.Errorf("ended after %v", d)
		}
		<-child.Done()
		for c, want := range map[context.Context]error{
			waited: context.DeadlineExceeded, unwatched: context.DeadlineExceeded, child: context.DeadlineExceeded,
			canceled: context.Canceled, endless: nil,
		} {
			if !errors.Is(c.Err(), want) {
				t.Errorf("error is %v, want %v", c.Err(), want)
			}
		}
		canceled.end(context.DeadlineExceeded)
		if !errors.Is(canceled.Err(), context.Canceled) {
			t.Error("the first end does not count")
		}
	})
}
