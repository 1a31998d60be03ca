package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kube"
)

// logOptions are the flags of logs.
type logOptions struct {
	namespace, container string
	follow               bool
	since                time.Duration
	tail                 int
}

func (a *app) logsCommand() *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:   "logs FUNCTION",
		Short: "Show what the pods of a function in a cluster have said",
		Long: "Show what the containers of all pods of a function in a Kubernetes cluster have said, each line with its pod and\n" +
			"container: handler is your code, sidecar delivers events to it. Pods that have gone are gone with their logs.\n\n" +
			"With -f it goes on, also with pods that start later. The functions of a pelton up speak on its own terminal.",
		Example: "  # What is there\n  pelton logs thumbnail\n\n" +
			"  # From now on, the handler alone\n  pelton logs -f thumbnail --container handler --tail 0",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("tail") && o.follow {
				o.tail = 10
			}
			return a.logs(cmd.Context(), args[0], o)
		},
	}
	namespaceFlag(cmd, &o.namespace)
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on, until interrupted")
	cmd.Flags().StringVarP(&o.container, "container", "c", "", "handler or sidecar (default: both)")
	cmd.Flags().DurationVar(&o.since, "since", 0, "only what is not older, such as 10m")
	cmd.Flags().IntVar(&o.tail, "tail", -1, "lines from the end of each log (default: all; with -f the last 10)")
	return cmd
}

func (a *app) logs(ctx context.Context, name string, o logOptions) error {
	if o.container != "" && o.container != desired.HandlerContainer && o.container != desired.SidecarContainer {
		return usage("--container handler or --container sidecar", "a function has no container %q", o.container)
	}
	p, key, err := a.findFunction(name, o.namespace)
	switch {
	case err != nil:
		return err
	case p.up != nil:
		return usage("the terminal of pelton up has them, with the name of the function before each line; for a cluster add --context",
			"pelton up keeps no logs: its functions say what they say on its own terminal")
	}
	if _, err := a.getFunction(ctx, p.cluster, key); err != nil {
		return err
	}
	r := &logReader{app: a, cluster: p.cluster, key: key, options: o, seen: map[string]*logStream{}, began: time.Now()}
	if o.follow {
		return r.follow(ctx)
	}
	return r.once(ctx)
}

// logReader reads the logs of all pods of a function.
type logReader struct {
	app     *app
	cluster *kube.Cluster
	key     function.Key
	options logOptions
	began   time.Time

	seen    map[string]*logStream // by pod and container; touched by one goroutine alone
	running sync.WaitGroup
	writing sync.Mutex // held for each line
}

// logStream is one container's log as far as it was read.
type logStream struct {
	pod, container string

	mu   sync.Mutex // guards the rest: the stream's goroutine writes, the looking one reads
	open bool
	last time.Time // of the last line
	err  error     // why it could not be read
}

// once shows what there is, pod by pod.
func (r *logReader) once(ctx context.Context) error {
	streams, err := r.containers(ctx)
	if err != nil {
		return err
	}
	if len(streams) == 0 {
		r.app.say("function %s has no pods now; -f waits for one", fullName(r.key))
	}
	var errs []error
	for _, s := range streams {
		if err := r.read(ctx, s); err != nil && !isNotStarted(err) {
			errs = append(errs, explainCluster(r.cluster, "read the log of "+s.pod, err))
		}
	}
	return errors.Join(errs...)
}

// follow looks for new pods all the time, and reads on where a stream has ended.
func (r *logReader) follow(ctx context.Context) error {
	defer r.running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	told := ""
	for {
		streams, err := r.containers(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && told == "" && len(r.seen) == 0:
			return err // it never worked
		case err != nil && err.Error() != told:
			told = err.Error()
			r.app.say("note: %s; it is tried again", oneLine(told, 300))
		}
		for _, s := range streams {
			if err := r.start(ctx, s); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// start reads a log in the background, if it is not being read. The error is one that will not pass.
func (r *logReader) start(ctx context.Context, s *logStream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		return nil
	}
	if apierrors.IsForbidden(s.err) || apierrors.IsUnauthorized(s.err) {
		return explainCluster(r.cluster, "read the log of "+s.pod, s.err)
	}
	s.open = true
	r.running.Go(func() {
		err := r.read(ctx, s)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open, s.err = false, err
	})
	return nil
}

// containers lists what there is to read. A container is always the same stream.
func (r *logReader) containers(ctx context.Context) (streams []*logStream, err error) {
	pods, err := r.cluster.List(ctx, kube.Pods(), r.key.Namespace, kube.Selector{Labels: desired.FunctionLabel + "=" + r.key.Name})
	if err != nil {
		return nil, explainCluster(r.cluster, "list the pods of function "+fullName(r.key), err)
	}
	for i := range pods {
		for _, container := range startedContainers(&pods[i]) {
			if r.options.container != "" && r.options.container != container {
				continue
			}
			id := string(pods[i].GetUID()) + "/" + container
			if r.seen[id] == nil {
				r.seen[id] = &logStream{pod: pods[i].GetName(), container: container}
			}
			streams = append(streams, r.seen[id])
		}
	}
	return streams, nil
}

// startedContainers are those that have said something, or may soon.
func startedContainers(o *unstructured.Unstructured) (names []string) {
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &pod); err != nil {
		return nil
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil {
			names = append(names, c.Name)
		}
	}
	return names
}

// isNotStarted tells a container that has no log yet.
func isNotStarted(err error) bool { return apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) }

// read writes a log, from where it was read last.
func (r *logReader) read(ctx context.Context, s *logStream) error {
	s.mu.Lock()
	from := s.last
	s.mu.Unlock()
	o := kube.LogOptions{Container: s.container, Follow: r.options.follow, Since: from, Tail: r.options.tail, Timestamps: true}
	if from.IsZero() && r.options.since > 0 {
		o.Since = r.began.Add(-r.options.since)
	}
	if !from.IsZero() {
		o.Tail = -1
	}
	log, err := r.cluster.Logs(ctx, r.key.Namespace, s.pod, o)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if err := r.write(s, from, strings.TrimSuffix(line, "\n")); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// logLine is one line under -o json.
type logLine struct {
	Time      time.Time `json:"time"`
	Pod       string    `json:"pod"`
	Container string    `json:"container"`
	Line      string    `json:"line"`
}

// write writes one line, unless it was written before the stream was opened again: the apiserver counts from a whole second.
func (r *logReader) write(s *logStream, from time.Time, text string) error {
	stamp, line, _ := strings.Cut(text, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		line = text
	} else if !at.After(from) && !from.IsZero() {
		return nil
	}
	s.mu.Lock()
	if at.After(s.last) {
		s.last = at
	}
	s.mu.Unlock()
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.app.json() {
		return writeLine(r.app.stdout, logLine{at, s.pod, s.container, line})
	}
	_, err = fmt.Fprintf(r.app.stdout, "%s/%s: %s\n", s.pod, s.container, strings.Map(logRune, line))
	return err
}

// logRune keeps tabs, and keeps out what could command a terminal.
func logRune(c rune) rune {
	if c == '\t' {
		return c
	}
	return printable(c)
}
