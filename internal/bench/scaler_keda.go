package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/function"
)

// How long KEDA waits before it opens a stream again: doubling, and from the beginning after a clean end.
const (
	kedaReconnectMin = 2 * time.Second
	kedaReconnectMax = time.Minute
)

// kedaReconciles is how many new objects KEDA looks at at once.
const kedaReconciles = 5

// keda behaves towards a scaler as KEDA does, but does nothing with what it is told: one connection for all objects, and two
// streams for each, of which the scaler refuses one where the target is fixed. internal/kedatest scales as well, and keeps more of each object than fits 10,000 of them.
type keda struct {
	conn   *grpc.ClientConn
	client pb.ExternalScalerClient
	live   bool // targets come from the manifests and are followed; otherwise the ScaledObjects say them
	refs   []*pb.ScaledObjectRef
	open   atomic.Int64 // streams that have said something and have not ended
	waits  atomic.Int64 // the object whose "true" is waited for, -1 for none
	told   chan time.Time

	ctx     context.Context // of the streams
	cancel  context.CancelFunc
	streams sync.WaitGroup
}

func newKEDA(address string, live bool) (*keda, error) {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	k := &keda{conn: conn, client: pb.NewExternalScalerClient(conn), live: live, told: make(chan time.Time, 1)}
	k.waits.Store(-1)
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k, nil
}

func (k *keda) stop() {
	k.cancel()
	k.streams.Wait()
	_ = k.conn.Close()
}

// add makes an object for every function, and waits until all streams are open and stay so.
func (k *keda) add(ctx context.Context, fns []*function.Function) error {
	p := &progress{what: "objects made", of: int64(len(fns))}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(kedaReconciles)
	for i, fn := range fns {
		ref := &pb.ScaledObjectRef{
			Namespace: fn.Metadata.Namespace, Name: fn.Metadata.Name,
			ScalerMetadata: map[string]string{"function": fn.Metadata.Name},
		}
		if !k.live {
			ref.ScalerMetadata["backlog"] = "1"
		}
		k.refs = append(k.refs, ref)
		group.Go(func() error {
			defer p.step()
			return k.create(groupCtx, i, ref)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return k.atRest(ctx)
}

// create begins as KEDA does: no stream before the spec is known.
func (k *keda) create(ctx context.Context, i int, ref *pb.ScaledObjectRef) error {
	err := await(ctx, "spec of "+ref.GetName(), time.Minute, func() (bool, error) {
		_, err := k.client.GetMetricSpec(ctx, ref)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	k.streams.Go(func() { k.follow(func() error { return k.activity(i, ref) }) })
	k.streams.Go(func() { k.follow(func() error { return k.specs(ref) }) })
	return nil
}

// follow keeps a stream open.
func (k *keda) follow(read func() error) {
	for wait := kedaReconnectMin; ; wait = min(2*wait, kedaReconnectMax) {
		err := read()
		if status.Code(err) == codes.Unimplemented {
			return
		}
		if errors.Is(err, io.EOF) {
			wait = kedaReconnectMin
		}
		select {
		case <-k.ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (k *keda) activity(i int, ref *pb.ScaledObjectRef) error {
	stream, err := k.client.StreamIsActive(k.ctx, ref)
	if err != nil {
		return err
	}
	return received(k, stream, func(r *pb.IsActiveResponse) {
		if r.GetResult() && k.waits.CompareAndSwap(int64(i), -1) {
			k.told <- time.Now()
		}
	})
}

func (k *keda) specs(ref *pb.ScaledObjectRef) error {
	stream, err := k.client.StreamMetricSpec(k.ctx, ref)
	if err != nil {
		return err
	}
	return received(k, stream, func(*pb.GetMetricSpecResponse) {})
}

// received reads a stream to its end.
func received[T any](k *keda, stream grpc.ServerStreamingClient[T], take func(*T)) error {
	first := true
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		take(m)
		if first {
			first = false
			k.open.Add(1)
			defer k.open.Add(-1)
		}
	}
}

// streamsOfOne is how many streams stay open for one object.
func (k *keda) streamsOfOne() int {
	if k.live {
		return 2
	}
	return 1
}

// atRest waits until every stream has been open for longer than KEDA waits after a clean end: a scaler that has just started
// ends each once.
func (k *keda) atRest(ctx context.Context) error {
	want, since := int64(k.streamsOfOne()*len(k.refs)), time.Now()
	fmt.Fprintf(os.Stderr, "bench: %d streams\n", want)
	return await(ctx, "streams open", 5*time.Minute, func() (bool, error) {
		n := k.open.Load()
		if n != want {
			since = time.Now()
		}
		return time.Since(since) > kedaReconnectMin+time.Second, fmt.Errorf("%d of %d are open", n, want)
	})
}
