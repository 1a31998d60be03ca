package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/decision"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// whyScaled makes the lines of why for a function that KEDA scales: what the server holds, and what pelton-scaler tells.
type whyScaled struct {
	key    function.Key
	now    time.Time
	diag   *diagnosis
	client *http.Client // reaches the scaler; nil is the usual one
}

func (a *app) whyScaler(ctx context.Context, key function.Key, address string) error {
	base, err := scalerURL(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, whyTimeout)
	defer cancel()
	w := whyScaled{key: key, now: time.Now(), diag: &diagnosis{Function: key.String()}}
	var failure error
	if a.natsURL != "" {
		failure = w.askServer(ctx, a)
	}
	if failure == nil {
		failure = w.askScaler(ctx, base)
	}
	var e *Error
	if failure != nil && !errors.As(failure, &e) {
		return failure
	}
	w.diag.conclude(w.best())
	if err := a.showDiagnosis(w.diag); err != nil {
		return err
	}
	return failure
}

// scalerURL reads where the scaler's HTTP is: a URL, or host:port.
func scalerURL(address string) (string, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usage("--scaler http://127.0.0.1:8081", "%q is not the URL of a scaler", address)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

const portForward = "kubectl port-forward -n pelton-system deployment/pelton-scaler 8081, and --scaler http://127.0.0.1:8081"

// askScaler adds what the scaler tells. An *Error is a scaler that cannot be asked.
func (w *whyScaled) askScaler(ctx context.Context, base string) error {
	found, all, err := w.fetch(ctx, base)
	if err != nil {
		e := &Error{Exit: ExitUnreachable, Message: "cannot ask the scaler at " + base, Cause: err, Hint: portForward}
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return ctx.Err()
		}
		w.diag.add(check{Name: "scaler", State: checkFail, Detail: e.Error(), Try: portForward})
		return e
	}
	w.diag.add(check{Name: "scaler", State: checkOK, Detail: fmt.Sprintf("%s knows %s", base, plural(all, "ScaledObject"))})
	w.diag.ScaledObjects = withoutCorrected(found)
	if len(found) == 0 {
		w.diag.add(check{
			Name: "ScaledObject", State: checkFail,
			Detail: fmt.Sprintf("none in namespace %s has asked for function %s lately: KEDA does not ask, or asks another replica "+
				"of the scaler", w.key.Namespace, w.key.Name),
			Try: fmt.Sprintf("kubectl describe scaledobject -n %s; its trigger must name function: %s", w.key.Namespace, w.key.Name),
		})
	}
	for i := range w.diag.ScaledObjects {
		w.object(&w.diag.ScaledObjects[i])
	}
	return nil
}

// withoutCorrected leaves out triggers that were refused, if another of the same ScaledObject has asked since: somebody has
// corrected them.
func withoutCorrected(objects []decision.Object) []decision.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o decision.Object) bool {
		refused := o.Streams == 0 && !slices.ContainsFunc(o.Decisions, func(d decision.Decision) bool { return d.Error == "" })
		return refused && slices.ContainsFunc(objects, func(other decision.Object) bool {
			return other.Namespace == o.Namespace && other.Name == o.Name && other.Asked.After(o.Asked)
		})
	})
}

// fetch reads the decisions of all ScaledObjects and keeps those that concern the function.
func (w *whyScaled) fetch(ctx context.Context, base string) (found []decision.Object, all int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/decisions", nil)
	if err != nil {
		return nil, 0, err
	}
	res, err := cmp.Or(w.client, http.DefaultClient).Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return nil, 0, fmt.Errorf("it answers %s: %s", res.Status, oneLine(string(body), 400))
	}
	d := json.NewDecoder(res.Body) // object by object: there may be thousands
	if start, err := d.Token(); err != nil || start != json.Delim('[') {
		return nil, 0, errors.New("it does not answer with a list of decisions: is this pelton-scaler?")
	}
	for ; d.More(); all++ {
		var o decision.Object
		if err := d.Decode(&o); err != nil {
			return nil, 0, fmt.Errorf("read decisions: %w", err)
		}
		if w.concerns(&o) {
			found = append(found, o)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, 0, fmt.Errorf("read decisions: %w", err)
	}
	return found, all, nil
}

// concerns reports whether a trigger scales by the function, or by a consumer of it, or was refused and is of a ScaledObject that
// bears the function's name, or the one that the controller makes of it.
func (w *whyScaled) concerns(o *decision.Object) bool {
	return o.Namespace == w.key.Namespace && (o.Source == decision.FunctionSource(w.key.Name) ||
		strings.HasPrefix(o.Source, "consumer "+w.key.Namespace+"_"+w.key.Name+"_") ||
		o.Source == "" && (o.Name == w.key.Name || o.Name == desired.ObjectName(w.key)))
}
