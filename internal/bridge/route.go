package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// Route is one HTTP trigger: requests for Path become events in the function's own queue.
type Route struct {
	Path      string   // with /* at its end it takes in everything below
	Methods   []string // default POST
	Namespace string
	Function  string
	Webhook   *Webhook   // a provider signs the requests; they need no token
	Callbacks *Callbacks // where callers may have results sent; nil is nowhere

	Sync    bool          // the caller waits for the function's answer
	Timeout time.Duration // for at most that long; default function.DefaultTimeout
	Plain   bool          // the handler is a web application: what looks like a CloudEvent is a request like any other
	MaxBody int64         // bytes of a body; what is larger than the Server's own limit is kept in pieces. 0 is that limit
}

// routeTable finds the target of a path and method. A path that ends in /* is a key like any other.
type routeTable map[string]map[string]target

// target is where the events of a request go.
type target struct {
	path    string   // of the request
	route   string   // the path that the route is for, without /* at its end
	subject string   // "" when the type of each event says it
	scope   []string // of the message id: one function's copy of an event is not another's
	work    bool     // in a function's own queue
	webhook *Webhook

	callbacks           *Callbacks
	namespace, function string        // of work
	sync                bool          // the caller waits for the answer
	timeout             time.Duration // for at most that long
	plain               bool          // the handler gets the request
	maxBody             int64         // of work; 0 is the Server's limit
	large               *large        // the body of the request, if it is kept in pieces
}

// SetRoutes replaces all HTTP triggers. It may be called at any time; when a route is not valid, nothing changes and the
// error names all that are not.
func (s *Server) SetRoutes(routes []Route) error {
	table := routeTable{}
	var errs []error
	for _, r := range routes {
		if err := s.addRoute(table, r); err != nil {
			errs = append(errs, fmt.Errorf("route %q of function %s/%s: %w", r.Path, r.Namespace, r.Function, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.routes.Store(&table)
	s.courier.setRoutes(routes)
	return nil
}

func (s *Server) addRoute(table routeTable, r Route) error {
	subject, err := event.WorkSubject(r.Namespace, r.Function, "http")
	if err != nil {
		return err
	}
	if base := strings.TrimSuffix(r.Path, "/*"); !strings.HasPrefix(r.Path, "/") || isEventsPath(base) || isInvocationsPath(base) || s.isMounted(base) {
		return errors.New("the path is not free")
	}
	if err := r.Webhook.validate(); err != nil {
		return err
	}
	if r.Callbacks != nil && len(r.Callbacks.Secrets) == 0 {
		return errors.New("callbacks: they have no secret")
	}
	methods := r.Methods
	if len(methods) == 0 {
		methods = []string{http.MethodPost}
	}
	if table[r.Path] == nil {
		table[r.Path] = map[string]target{}
	}
	for _, method := range methods {
		if _, taken := table[r.Path][method]; taken {
			return fmt.Errorf("%s is taken by another route", method)
		}
		table[r.Path][method] = target{
			route: cmp.Or(strings.TrimSuffix(r.Path, "/*"), "/"), subject: subject, scope: []string{r.Namespace + "/" + r.Function}, work: true, webhook: r.Webhook,
			callbacks: r.Callbacks, namespace: r.Namespace, function: r.Function, sync: r.Sync, plain: r.Plain,
			maxBody: r.MaxBody,
			timeout: cmp.Or(r.Timeout, time.Duration(function.DefaultTimeout)),
		}
	}
	return nil
}

// of returns the targets of a path by method: those of the path itself, or else of the longest path above it with a /* at its end.
func (t routeTable) of(path string) map[string]target {
	if methods := t[path]; methods != nil || !strings.HasPrefix(path, "/") || hasDots(path) {
		return methods
	}
	for above := path; above != ""; above = above[:strings.LastIndexByte(above, '/')] {
		if methods := t[strings.TrimSuffix(above, "/")+"/*"]; methods != nil {
			return methods
		}
	}
	return nil
}

// hasDots reports whether a path leads elsewhere than it seems: an application may resolve what is below its own path.
func hasDots(escaped string) bool {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return true
	}
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// takes reports whether a path is a function's: by a path of its own before every page that is mounted here, by one above it only
// before the page that takes what nobody else wants.
func (s *Server) takes(path string) bool {
	table := *s.routes.Load()
	return table[path] != nil || table.of(path) != nil && !s.isMounted(path)
}

// isMounted reports whether a configured handler claims a path. One for / takes what nobody else wants and claims nothing.
func (s *Server) isMounted(path string) bool {
	for _, handlers := range []map[string]http.Handler{s.cfg.Handlers, s.cfg.Public} {
		if _, key := lookUp(handlers, path); len(key) > 1 {
			return true
		}
	}
	return false
}

// lookUp finds the handler of a path, or that of its longest prefix that ends in a slash, and the key it is under.
func lookUp(handlers map[string]http.Handler, path string) (http.Handler, string) {
	if h := handlers[path]; h != nil {
		return h, path
	}
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			if h := handlers[path[:i+1]]; h != nil {
				return h, path[:i+1]
			}
		}
	}
	return nil, ""
}

// find decides where the events of r go. Paths are compared as they were sent: an escape or a dot segment matches nothing,
// and nothing is redirected.
func (s *Server) find(r *http.Request) (target, *problem) {
	path := r.URL.EscapedPath()
	methods := map[string]target{}
	if isEventsPath(path) {
		t := target{path: path}
		if path != eventsPath {
			subject, ok := subjectOfPath(path)
			if !ok {
				return target{}, kindInvalidSubject.refuse("What follows %s/ in the path is the subject: want %s.", eventsPath,
					subjectRule)
			}
			t.subject = subject
		}
		methods[http.MethodPost] = t
	} else if methods = s.routes.Load().of(path); methods == nil {
		return target{}, kindNotFound.refuse("Send events to %s/SUBJECT, or to the path of a function's HTTP trigger.", eventsPath)
	}
	t, ok := methods[r.Method]
	if get := methods[http.MethodGet]; !ok && r.Method == http.MethodHead && get.sync {
		t, ok = get, true
	}
	if !ok {
		return target{}, refuseMethod(r, methods)
	}
	t.path = path
	return t, nil
}

// refuseMethod answers OPTIONS too, as a problem without a fault.
func refuseMethod(r *http.Request, methods map[string]target) *problem {
	allowed := make([]string, 0, len(methods)+2)
	for method := range methods {
		allowed = append(allowed, method)
	}
	if _, head := methods[http.MethodHead]; !head && methods[http.MethodGet].sync {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	allow := strings.Join(append(allowed, http.MethodOptions), ", ")
	if r.Method == http.MethodOptions {
		if r.Header.Get("Webhook-Request-Origin") != "" {
			return kindWebhookOrigin.refuse("No webhook origin is asked for or noted here: leave the handshake out and send the events.").with("Allow", allow)
		}
		return (&problem{Status: http.StatusNoContent, header: http.Header{}}).with("Allow", allow).with("Accept-Post", acceptPost)
	}
	return kindMethod.refuse("Use %s.", strings.Join(allowed, " or ")).with("Allow", allow)
}

// acceptPost lists what a body may be.
const acceptPost = "application/cloudevents+json, application/cloudevents-batch+json, */*"
