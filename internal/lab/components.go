package lab

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/pelton-dev/pelton/internal/lab/daemon"
)

// Names of the components, for Restart, Start and Kill.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Containerd        = "containerd"
	Kubelet           = "kubelet"
	KEDAOperator      = "keda-operator"
	KEDAAdapter       = "keda-adapter"
)

// component is one program of the cluster.
type component struct {
	name    string
	command []string
	env     []string
	ports   []int
	// ready returns nil once the component does its work.
	ready func(context.Context) error
}

// patience is how long a component may take to become ready on a machine that is busy with other things; grace how long it
// may take to end when it is asked to. Nothing of the cluster is kept, so that there is no harm in a kill.
// closing is how long the ports of a process that was killed may stay open.
const (
	patience = 2 * time.Minute
	grace    = 3 * time.Second
	closing  = 2 * time.Second
)

// components returns all programs in the order in which they are started.
func (c *Cluster) components() []component {
	return []component{
		c.etcd(), c.apiServer(), c.controllerManager(), c.scheduler(), c.containerd(), c.kubelet(), c.kedaOperator(),
		c.kedaAdapter(),
	}
}

func (c *Cluster) component(name string) (component, error) {
	for _, part := range c.components() {
		if part.name == name {
			return part, nil
		}
	}
	return component{}, fmt.Errorf("there is no component %q in a lab", name)
}

// spec is how a component is started. Its home is in our directory, so that it finds no settings of the user's.
func (c *Cluster) spec(part component) daemon.Spec {
	return daemon.Spec{
		Name: part.name, Command: part.command, Dir: c.path("run"), Env: append(c.environment(), part.env...),
	}
}

func (c *Cluster) environment() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + c.path("run", "home")}
}

func (c *Cluster) etcd() component {
	client := "http://" + address(loopback, labPorts.Etcd)
	return component{
		name: Etcd, ports: []int{labPorts.Etcd, labPorts.EtcdPeer}, ready: c.healthy(client + "/readyz"),
		command: []string{
			c.path("bin", "etcd"), "--data-dir", c.path("run", "etcd"), "--listen-client-urls", client,
			"--advertise-client-urls", client, "--listen-peer-urls", "http://" + address(loopback, labPorts.EtcdPeer),
			"--unsafe-no-fsync", // the data does not outlive the cluster
		},
	}
}

func (c *Cluster) apiServer() component {
	return component{
		name: APIServer, ports: []int{labPorts.APIServer}, ready: c.healthy(apiURL("/readyz")),
		command: []string{
			c.path("bin", "kube-apiserver"), "--etcd-servers", "http://" + address(loopback, labPorts.Etcd),
			"--secure-port", strconv.Itoa(labPorts.APIServer), "--bind-address", bridgeIP, "--advertise-address", bridgeIP,
			"--tls-cert-file", c.pki("apiserver.crt"), "--tls-private-key-file", c.pki("apiserver.key"),
			"--client-ca-file", c.pki("ca.crt"), "--authorization-mode", "Node,RBAC", "--allow-privileged",
			"--service-account-issuer", "https://kubernetes.default.svc",
			"--service-account-key-file", c.pki("sa.pub"), "--service-account-signing-key-file", c.pki("sa.key"),
			"--service-cluster-ip-range", services,
			"--kubelet-client-certificate", c.pki("admin.crt"), "--kubelet-client-key", c.pki("admin.key"),
			"--kubelet-certificate-authority", c.pki("ca.crt"), "--kubelet-preferred-address-types", "InternalIP",
			"--requestheader-client-ca-file", c.pki("ca.crt"), "--requestheader-allowed-names", "front-proxy",
			"--requestheader-username-headers", "X-Remote-User", "--requestheader-group-headers", "X-Remote-Group",
			"--requestheader-extra-headers-prefix", "X-Remote-Extra-",
			"--proxy-client-cert-file", c.pki("front-proxy.crt"), "--proxy-client-key-file", c.pki("front-proxy.key"),
		},
	}
}

func (c *Cluster) controllerManager() component {
	return component{
		name: ControllerManager, ports: []int{labPorts.ControllerManager},
		ready: c.healthy("https://" + address(loopback, labPorts.ControllerManager) + "/healthz"),
		command: []string{
			c.path("bin", "kube-controller-manager"), "--kubeconfig", c.Kubeconfig(), "--use-service-account-credentials",
			"--service-account-private-key-file", c.pki("sa.key"), "--root-ca-file", c.pki("ca.crt"), "--leader-elect=false",
			"--bind-address", loopback, "--secure-port", strconv.Itoa(labPorts.ControllerManager),
			"--tls-cert-file", c.pki("local.crt"), "--tls-private-key-file", c.pki("local.key"),
			"--horizontal-pod-autoscaler-sync-period", c.hpa.String(),
		},
	}
}

func (c *Cluster) scheduler() component {
	return component{
		name: Scheduler, ports: []int{labPorts.Scheduler},
		ready: c.healthy("https://" + address(loopback, labPorts.Scheduler) + "/readyz"),
		command: []string{
			c.path("bin", "kube-scheduler"), "--kubeconfig", c.Kubeconfig(), "--leader-elect=false",
			"--bind-address", loopback, "--secure-port", strconv.Itoa(labPorts.Scheduler),
			"--tls-cert-file", c.pki("local.crt"), "--tls-private-key-file", c.pki("local.key"),
		},
	}
}

func (c *Cluster) containerd() component {
	return component{
		name: Containerd, ready: c.containerdReady,
		command: []string{"/usr/bin/containerd", "--config", c.path("run", "containerd.toml")},
	}
}

func (c *Cluster) kubelet() component {
	return component{
		name: Kubelet, ports: []int{labPorts.Kubelet, labPorts.KubeletHealth},
		ready: c.healthy("http://" + address(loopback, labPorts.KubeletHealth) + "/healthz"),
		command: []string{
			c.path("bin", "kubelet"), "--kubeconfig", c.path("run", "node.conf"), "--config", c.path("run", "kubelet.yaml"),
			"--hostname-override", node, "--root-dir", c.path("run", "kubelet"), "--cert-dir", c.path("run", "kubelet-pki"),
			"--node-ip", bridgeIP,
		},
	}
}

func (c *Cluster) kedaOperator() component {
	return component{
		name: KEDAOperator, ports: []int{labPorts.KEDAMetricsService, labPorts.KEDAMetrics, labPorts.KEDAHealth},
		ready: c.healthy("http://" + address(loopback, labPorts.KEDAHealth) + "/readyz"), env: c.kedaEnvironment(),
		command: []string{
			c.path("bin", "keda-operator"), "--cert-dir", c.path("run", "keda-pki"), "--ca-dir", c.path("run", "keda-pki"),
			"--enable-cert-rotation=false", "--zap-log-level=debug",
			"--metrics-service-bind-address", address(loopback, labPorts.KEDAMetricsService),
			"--metrics-bind-address", address(loopback, labPorts.KEDAMetrics),
			"--health-probe-bind-address", address(loopback, labPorts.KEDAHealth),
		},
	}
}

func (c *Cluster) kedaAdapter() component {
	certs := c.path("run", "keda-pki")
	return component{
		name: KEDAAdapter, ports: []int{labPorts.KEDAAdapter, labPorts.KEDAAdapterMetrics},
		ready: c.healthy("https://" + address(loopback, labPorts.KEDAAdapter) + "/readyz"), env: c.kedaEnvironment(),
		command: []string{
			c.path("bin", "keda-adapter"), "--bind-address", loopback, "--secure-port", strconv.Itoa(labPorts.KEDAAdapter),
			"--lister-kubeconfig", c.Kubeconfig(), "--authentication-kubeconfig", c.Kubeconfig(),
			"--authorization-kubeconfig", c.Kubeconfig(), "--client-ca-file", c.pki("ca.crt"),
			"--tls-cert-file", certs + "/tls.crt", "--tls-private-key-file", certs + "/tls.key", "--cert-dir", certs,
			"--metrics-service-address", address("localhost", labPorts.KEDAMetricsService),
			"--port", strconv.Itoa(labPorts.KEDAAdapterMetrics),
		},
	}
}

// kedaEnvironment is what KEDA would learn from its own pod.
func (c *Cluster) kedaEnvironment() []string {
	return []string{
		"KUBECONFIG=" + c.Kubeconfig(), "WATCH_NAMESPACE=", "POD_NAMESPACE=keda", "KEDA_CLUSTER_OBJECT_NAMESPACE=keda",
		"POD_NAME=keda-operator", "OPERATOR_NAME=keda-operator", "KEDA_HTTP_DEFAULT_TIMEOUT=3000",
	}
}

func (c *Cluster) pki(name string) string { return c.path("run", "pki", name) }

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

func apiURL(path string) string { return "https://" + address(bridgeIP, labPorts.APIServer) + path }
