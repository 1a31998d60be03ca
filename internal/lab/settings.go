package lab

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// Addresses are of the range that is set aside for tests of network devices: no real network has them. Pods live on a
// bridge of this machine and reach host services at the bridge's address.
const (
	bridge    = "br-pelton-lab"
	network   = "pelton-lab" // of the CNI; names what it keeps outside our directory
	bridgeIP  = "198.18.0.1"
	podNet    = "198.18.0.0/24"
	podFirst  = "198.18.0.10"
	serviceIP = "198.19.0.1"
	services  = "198.19.0.0/24" // nothing routes there: without kube-proxy a ClusterIP reaches nobody
	loopback  = "127.0.0.1"
	node      = "pelton-lab"

	cniPlugins       = "/usr/lib/cni"
	containerdSocket = "/cd/c.sock"
)

// ports are a set of their own below the range that the kernel gives out, so that they clash with no other cluster.
type ports struct {
	Etcd, EtcdPeer, APIServer, ControllerManager, Scheduler, Kubelet, KubeletHealth int
	KEDAMetricsService, KEDAMetrics, KEDAHealth, KEDAAdapter, KEDAAdapterMetrics    int
}

var labPorts = ports{
	Etcd: 23790, EtcdPeer: 23791, APIServer: 23443, ControllerManager: 23257, Scheduler: 23259,
	Kubelet: 23250, KubeletHealth: 23248,
	KEDAMetricsService: 23666, KEDAMetrics: 23680, KEDAHealth: 23681, KEDAAdapter: 23444, KEDAAdapterMetrics: 23682,
}

// values are what the templates are filled with.
type values struct {
	Dir, PKI, ContainerdSocket, CNIPlugins, PauseImage string
	Network, Bridge, BridgeIP, PodNet, PodFirst        string
	User, CA, Cert, Key                                string // the last three in base64
	Ports                                              ports
}

//go:embed templates
var templates embed.FS

// render fills one template. User and certificates come with v; all else is the same for every template.
func (c *Cluster) render(name string, v values) ([]byte, error) {
	tmpl, err := template.New(name).ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	v.Dir, v.PKI, v.ContainerdSocket = c.dir, c.path("run", "pki"), c.dir+containerdSocket
	v.CNIPlugins, v.PauseImage = cniPlugins, pauseImage
	v.Network, v.Bridge, v.BridgeIP, v.PodNet, v.PodFirst = network, bridge, bridgeIP, podNet, podFirst
	v.Ports = labPorts
	var out bytes.Buffer
	if err := tmpl.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// writeSettings writes the configuration of every component.
func (c *Cluster) writeSettings() error {
	for _, file := range []struct{ template, user, path string }{
		{"containerd.toml", "admin", "run/containerd.toml"},
		{"cni.conflist", "admin", "run/cni/10-pelton-lab.conflist"},
		{"kubelet.yaml", "admin", "run/kubelet.yaml"},
		{"keda.yaml", "admin", "run/keda.yaml"},
		{"kubeconfig", "admin", "run/admin.conf"},
		{"kubeconfig", "node", "run/node.conf"},
	} {
		v, err := c.credentials(file.user)
		if err != nil {
			return err
		}
		text, err := c.render(file.template, v)
		if err != nil {
			return err
		}
		if err := writeChanged(c.path(file.path), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) credentials(user string) (values, error) {
	v := values{User: user}
	for name, to := range map[string]*string{"ca.crt": &v.CA, user + ".crt": &v.Cert, user + ".key": &v.Key} {
		text, err := os.ReadFile(c.pki(name))
		if err != nil {
			return values{}, fmt.Errorf("read certificate: %w", err)
		}
		*to = base64.StdEncoding.EncodeToString(text)
	}
	return v, nil
}

// writeChanged writes a file whole or not at all, and leaves one that is right already alone.
func writeChanged(path string, text []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", text, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
