package arch

// module is the path of our module; in the tables below our own packages are named without it.
const module = "github.com/pelton-dev/pelton"

// layers are our packages from the bottom up. A package imports from layers below its own, and from its own family (a
// package and what lies under it), never sideways or up. "/..." takes in what lies under a package.
var layers = []layer{
	{"contracts and leaves", "they know nothing of Pelton and can be read alone", []string{
		"internal/decision", "internal/function", "internal/image/...", "internal/lifecycle", "internal/process", "proto/...",
		"internal/natsclient", "internal/probes", "internal/program", "internal/certs/...", "internal/rpcserver",
		"internal/testenv", "internal/waittest", "internal/kube", "internal/scrub",
	}},
	{"events", "one codec and one grammar of subjects for everybody", []string{"internal/event"}},
	{"images of functions", "made from a manifest and its folder: no queue, no cluster", []string{"internal/bundle/..."}},
	{"what is done with one event or one stream", "each does one thing; the layer above combines them", []string{
		"internal/access", "internal/callback", "internal/filter", "internal/invoke/...", "internal/stream", "internal/webhook",
	}},
	{"records", "they live in streams, so they build on stream", []string{
		"internal/deadletter", "internal/ledger", "internal/catalog", "internal/replay",
		"internal/order", "internal/result", "internal/claim",
	}},
	{"delivery and scaling", "the loop does not know who scales it, nor the arithmetic who obeys it", []string{
		"internal/sidecar", "internal/wake", "internal/demand", "internal/natsauth",
	}},
	{"objects of a cluster", "what a function needs there, said without a cluster", []string{"internal/desired"}},
	{"hosts and doors", "a host runs the layers below on one kind of machine; no host knows another", []string{
		"internal/supervisor", "internal/bridge", "internal/controller/...", "internal/dashboard", "scalers/...",
	}},
	{"for function authors", "an author's program is not a host", []string{"functions", "functions/templates"}},
	{"the command line and the examples", "the only callers of everything", []string{"internal/cli", "functions/examples/..."}},
	{"programs", "main functions are thin", []string{"cmd/..."}},
	{"played neighbours", "a NATS server and a KEDA for tools and tests", []string{"internal/natstest", "internal/kedatest"}},
	{
		"tools and tests", "nothing that is shipped links them",
		[]string{"internal/bench/...", "internal/e2e/...", "internal/faults/...", "internal/lab/...", "internal/arch", "deploy"},
	},
}

// rules say what a package, with all it imports, must not link.
var rules = []rule{
	{
		of: "cmd/pelton", not: []string{
			"k8s.io/client-go/kubernetes/...", "sigs.k8s.io/controller-runtime/...",
			"github.com/kedacore/keda/v2/apis/...", "internal/controller",
		},
		why: "the typed Kubernetes client alone adds 48 s to a cold build and 22 MB; the first `go run` is the first impression. " +
			"It talks to clusters by the dynamic client",
	},
	{
		of: "cmd/pelton", not: []string{"google.golang.org/grpc/...", "github.com/kedacore/...", "scalers/..."},
		why: "it reads what a scaler tells over HTTP: gRPC would add to its size and to the first build for nothing",
	},
	{
		of: "cmd/pelton-sidecar", not: []string{
			"k8s.io/...", "sigs.k8s.io/...", "github.com/kedacore/...",
			"github.com/nats-io/nats-server/...", "google.golang.org/grpc/...",
			"internal/image/...", "github.com/google/go-containerregistry/...",
		},
		why: "it runs next to every replica: 14 MiB resident at most, and nothing in it that can be attacked for no use",
	},
	{
		of: "cmd/pelton-scaler", not: []string{
			"k8s.io/...", "sigs.k8s.io/...", "github.com/kedacore/keda/v2/apis/...", "github.com/nats-io/nats-server/...",
			"internal/image/...", "github.com/google/go-containerregistry/...",
		},
		why: "it answers KEDA from what NATS says: it reads nothing of the cluster and needs no rights there",
	},
	{
		of: "cmd/pelton-bridge", not: []string{
			"k8s.io/...", "sigs.k8s.io/...", "github.com/kedacore/...", "github.com/nats-io/nats-server/...", "google.golang.org/grpc/...",
			"internal/image/...", "github.com/google/go-containerregistry/...", "internal/sidecar",
		},
		why: "strangers talk to it: it knows NATS and nothing of the cluster, and has no rights there",
	},
	{
		of: "cmd/pelton-controller", not: []string{
			"github.com/nats-io/nats-server/...", "github.com/kedacore/...", "google.golang.org/grpc/...", "internal/sidecar",
			"internal/image/...", "github.com/google/go-containerregistry/...",
		},
		why: "it makes what others run, and writes ScaledObjects as fields: the types of KEDA would bring its dependencies",
	},
	{
		of: "cmd/...", not: []string{
			"testing", "internal/natstest", "internal/kedatest", "internal/testenv", "internal/waittest",
			"internal/invoke/invoketest",
			"internal/certs/certstest",
			"internal/bench/...", "internal/arch",
		},
		why: "test helpers do not belong into programs; they would bring flags and a second server along",
	},
	{
		of: "functions", not: []string{
			"github.com/nats-io/...", "go.uber.org/zap", "cel.dev/...", "internal/sidecar",
			"internal/stream",
		},
		why: "every Go function links the SDK: it talks to its sidecar and never to the queue",
	},
	{
		of: "internal/bundle/...", not: []string{"github.com/nats-io/...", "k8s.io/...", "go.uber.org/zap"},
		why: "who makes images needs neither a queue nor a cluster",
	},
	{
		of: "internal/function", not: []string{
			"net", "net/http", "os/exec", "github.com/nats-io/...", "go.uber.org/zap", "k8s.io/...", "sigs.k8s.io/...",
		},
		why: "the manifest is a leaf: one machine, the sidecar and the custom resource share it",
	},
	{
		of: "internal/event", not: []string{"github.com/nats-io/...", "go.uber.org/zap"},
		why: "a codec needs headers and bytes, not a connection",
	},
	{
		of: "internal/demand", not: []string{"net", "os/exec", "github.com/nats-io/...", "go.uber.org/zap"},
		why: "the scaling policy is pure arithmetic, the same for one machine and for KEDA",
	},
	{
		of: "internal/invoke/...", not: []string{"github.com/nats-io/...", "go.uber.org/zap"},
		why: "an invoker reports an outcome; it knows no queue and logs nothing",
	},
	{
		of: "internal/process", not: []string{"net/http", "github.com/nats-io/...", "go.uber.org/zap"},
		why: "the guard is our own program started again: what it links, it pays for at every start",
	},
	{
		of: "internal/sidecar", not: []string{"github.com/nats-io/nats-server/...", "internal/supervisor", "internal/process"},
		why: "the same loop runs in a pod, where it has no server and starts no processes",
	},
	{
		of: "internal/supervisor", not: []string{"github.com/nats-io/nats-server/...", "github.com/spf13/..."},
		why: "the host gets a connection; who runs the server, and the terminal, are the command line's business",
	},
	{
		of: "internal/desired", not: []string{
			"k8s.io/client-go/...", "sigs.k8s.io/controller-runtime/...", "github.com/nats-io/...",
		},
		why: "it is arithmetic over a manifest: the controller applies the result, and the command line prints it",
	},
	{
		of: "internal/bridge", not: []string{"github.com/nats-io/nats-server/...", "internal/sidecar", "internal/supervisor"},
		why: "it becomes a program of its own in front of a NATS cluster",
	},
}

// planned are paths of the design that do not exist yet. They are taken off this list when they do.
var planned = map[string]string{
	"internal/dashboard":                   "the web page",
	"github.com/kedacore/keda/v2/apis/...": "nobody needs them so far: the controller writes ScaledObjects as fields",
}
