package controller

import (
	"github.com/go-logr/logr"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// logSink lets controller-runtime log as we do. What it says as information is for those who debug it; what it says only if asked
// to be louder has whole objects in it, and is dropped.
type logSink struct{ log *zap.Logger }

var _ logr.LogSink = logSink{}

// Init implements logr.LogSink.
func (logSink) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (s logSink) Enabled(level int) bool { return level == 0 && s.log.Core().Enabled(zap.DebugLevel) }

// Info implements logr.LogSink.
func (s logSink) Info(_ int, msg string, pairs ...any) { s.log.Debug(msg, fields(pairs)...) }

// Error implements logr.LogSink. It warns: whatever it is, it is tried again.
func (s logSink) Error(err error, msg string, pairs ...any) {
	s.log.Warn(msg, append(fields(pairs), zap.Error(err))...)
}

// WithValues implements logr.LogSink.
func (s logSink) WithValues(pairs ...any) logr.LogSink { return logSink{s.log.With(fields(pairs)...)} }

// WithName implements logr.LogSink.
func (s logSink) WithName(name string) logr.LogSink { return logSink{s.log.Named(name)} }

func fields(pairs []any) (fields []zap.Field) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if name, ok := pairs[i].(string); ok {
			fields = append(fields, zap.Any(name, pairs[i+1]))
		}
	}
	return fields
}

// UseLogger has the libraries for Kubernetes log to log. They have one logger for the whole program: its main function says which.
func UseLogger(log *zap.Logger) {
	logger := logr.New(logSink{log})
	ctrllog.SetLogger(logger)
	klog.SetLogger(logger)
}
