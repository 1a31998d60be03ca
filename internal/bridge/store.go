package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/errgroup"
)

// The headers of an atomic batch (nats-server's ADR-50). The server stores nothing of a batch before its commit.
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
	headerMsgID       = nats.MsgIdHdr
)

// batchHeaderRoom is more than the batch headers take in any message.
const batchHeaderRoom = 128

// Error codes of the server that have no sentinel in the client.
const (
	codeMessageTooLarge = 10054
	codeHeaderTooLarge  = 10097
	codeBatchDuplicate  = 10201
)

// codesFull are the refusals of a server, an account or a stream that is out of room, or of a disk that takes no writes.
var codesFull = []jetstream.ErrorCode{10002, 10023, 10028, 10047, 10077}

// batchTries bounds how often a batch is sent again because somebody else stored one of its ids meanwhile.
const batchTries = 3

// store puts messages into the stream that their subjects belong to.
type store struct{ nc *nats.Conn }

// put stores msgs, all or none, and returns their acknowledgements in order. A message whose id was seen before, in the
// stream or earlier in msgs, is not stored again.
//
// The server refuses a batch with a known id as a whole and does not say which it was. Then each message is asked for by
// itself, and the batch is sent again without those that are known.
func (s store) put(ctx context.Context, msgs []*nats.Msg) ([]Ack, error) {
	open := unique(msgs)
	acks := make(map[string]Ack, len(open))
	for try := 1; len(open) > 0; try++ {
		stored, err := s.send(ctx, open)
		if err == nil {
			maps.Copy(acks, stored)
			break
		}
		if !hasCode(err, codeBatchDuplicate) || try == batchTries {
			return nil, err
		}
		if open, err = s.removeKnown(ctx, open, acks); err != nil {
			return nil, err
		}
	}
	return inOrder(msgs, acks), nil
}

// unique returns the first message of each id.
func unique(msgs []*nats.Msg) []*nats.Msg {
	seen := make(map[string]bool, len(msgs))
	out := make([]*nats.Msg, 0, len(msgs))
	for _, m := range msgs {
		if id := m.Header.Get(headerMsgID); !seen[id] {
			seen[id] = true
			out = append(out, m)
		}
	}
	return out
}

// inOrder gives each message its acknowledgement; those after the first of an id are duplicates of it.
func inOrder(msgs []*nats.Msg, acks map[string]Ack) []Ack {
	out := make([]Ack, len(msgs))
	for i, m := range msgs {
		id := m.Header.Get(headerMsgID)
		ack := acks[id]
		out[i] = ack
		acks[id] = Ack{Sequence: ack.Sequence, Duplicate: true}
	}
	return out
}

// send stores messages with different ids: one alone as it is, more as an atomic batch.
func (s store) send(ctx context.Context, msgs []*nats.Msg) (map[string]Ack, error) {
	if len(msgs) > 1 {
		return s.batch(ctx, msgs)
	}
	ack, err := s.request(ctx, msgs[0])
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return map[string]Ack{msgs[0].Header.Get(headerMsgID): {ack.Sequence, ack.Duplicate}}, nil
}

// batch publishes msgs as one atomic batch. Only the last message asks for an answer: the server notices a gap, so an
// error of any earlier message shows there too.
func (s store) batch(ctx context.Context, msgs []*nats.Msg) (map[string]Ack, error) {
	id := nuid.Next()
	last := len(msgs) - 1
	for i, m := range msgs[:last] {
		if err := s.nc.PublishMsg(batched(m, id, i+1)); err != nil {
			return nil, fmt.Errorf("publish batch: %w", err)
		}
	}
	commit := batched(msgs[last], id, len(msgs))
	commit.Header.Set(headerBatchCommit, "1")
	ack, err := s.request(ctx, commit)
	if err != nil {
		return nil, fmt.Errorf("commit batch: %w", err)
	}
	if ack.Batch != id || ack.Count != len(msgs) {
		return nil, fmt.Errorf("commit batch: answered for %d of %d messages", ack.Count, len(msgs))
	}
	acks := make(map[string]Ack, len(msgs))
	first := ack.Sequence - uint64(last) // a batch is stored without gaps
	for i, m := range msgs {
		acks[m.Header.Get(headerMsgID)] = Ack{Sequence: first + uint64(i)}
	}
	return acks, nil
}

func batched(m *nats.Msg, id string, seq int) *nats.Msg {
	h := maps.Clone(m.Header)
	h.Set(headerBatchID, id)
	h.Set(headerBatchSeq, strconv.Itoa(seq))
	return &nats.Msg{Subject: m.Subject, Header: h, Data: m.Data}
}

// removeKnown moves the messages whose ids the stream knows from open to acks.
//
// Each message is published with a rollup that no server accepts. The server looks for a known id before it looks at the
// rollup: a known message is acknowledged as a duplicate, an unknown one is refused, and nothing is written or synced.
func (s store) removeKnown(ctx context.Context, open []*nats.Msg, acks map[string]Ack) ([]*nats.Msg, error) {
	found := make([]*pubAck, len(open))
	var g errgroup.Group
	g.SetLimit(64)
	for i, m := range open {
		g.Go(func() error {
			ack, err := s.request(ctx, probe(m))
			if err != nil && !refused(err) {
				return fmt.Errorf("look up message id: %w", err)
			}
			found[i] = ack
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var rest []*nats.Msg
	for i, m := range open {
		if found[i] == nil {
			rest = append(rest, m)
			continue
		}
		acks[m.Header.Get(headerMsgID)] = Ack{found[i].Sequence, found[i].Duplicate}
	}
	return rest, nil
}

func probe(m *nats.Msg) *nats.Msg {
	h := maps.Clone(m.Header)
	h.Set(nats.MsgRollup, "probe")
	return &nats.Msg{Subject: m.Subject, Header: h, Data: m.Data}
}

// pubAck is the server's answer to a publish.
type pubAck struct {
	Error     *jetstream.APIError `json:"error"`
	Stream    string              `json:"stream"`
	Sequence  uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
	Batch     string              `json:"batch"`
	Count     int                 `json:"count"`
}

// request publishes m and waits for the stream's answer. A refusal is a *jetstream.APIError.
func (s store) request(ctx context.Context, m *nats.Msg) (*pubAck, error) {
	answer, err := s.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return nil, err
	}
	var ack pubAck
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return nil, fmt.Errorf("read acknowledgement: %w", err)
	}
	if ack.Error != nil {
		return nil, ack.Error
	}
	if ack.Stream == "" || ack.Sequence == 0 {
		return nil, errors.New("read acknowledgement: it names no stream")
	}
	return &ack, nil
}

func hasCode(err error, code jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == code
}
