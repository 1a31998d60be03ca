package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"go.yaml.in/yaml/v3"
)

// api talks to the apiserver without a new process for each question, so that times mean something.
type api struct {
	server string
	client *http.Client
}

// newAPI reads a kubeconfig with certificates in it.
func newAPI(kubeconfig string) (*api, error) {
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	var cfg struct {
		Clusters []struct {
			Cluster struct {
				Server string `yaml:"server"`
				CA     string `yaml:"certificate-authority-data"`
			} `yaml:"cluster"`
		} `yaml:"clusters"`
		Users []struct {
			User struct {
				Cert string `yaml:"client-certificate-data"`
				Key  string `yaml:"client-key-data"`
			} `yaml:"user"`
		} `yaml:"users"`
	}
	if err := yaml.Unmarshal(text, &cfg); err != nil || len(cfg.Clusters) != 1 || len(cfg.Users) != 1 {
		return nil, fmt.Errorf("read %s: one cluster and one user are wanted: %w", kubeconfig, err)
	}
	ca, err1 := base64.StdEncoding.DecodeString(cfg.Clusters[0].Cluster.CA)
	cert, err2 := base64.StdEncoding.DecodeString(cfg.Users[0].User.Cert)
	key, err3 := base64.StdEncoding.DecodeString(cfg.Users[0].User.Key)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("read %s: %w", kubeconfig, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", kubeconfig, err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	return &api{server: cfg.Clusters[0].Cluster.Server, client: &http.Client{Transport: transport}}, nil
}

func (a *api) do(ctx context.Context, method, path, contentType string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return resp, nil
}

// get decodes what is at path.
func (a *api) get(ctx context.Context, path string, into any) error {
	resp, err := a.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(into)
}

// patch merges body into what is at path.
func (a *api) patch(ctx context.Context, path, body string) error {
	resp, err := a.do(ctx, http.MethodPatch, path, "application/merge-patch+json", []byte(body))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// pod is what the tests look at.
type pod struct {
	Metadata struct {
		Name      string `json:"name"`
		DeletedAt string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Status struct {
		Phase      string `json:"phase"`
		PodIP      string `json:"podIP"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (p *pod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True" && p.Metadata.DeletedAt == ""
		}
	}
	return false
}

// watchPods calls seen for every change of a namespace's pods until ctx ends. A watch that breaks is begun anew.
func (a *api) watchPods(ctx context.Context, namespace string, seen func(change string, p *pod)) {
	path := "/api/v1/namespaces/" + namespace + "/pods?watch=true"
	for ctx.Err() == nil {
		resp, err := a.do(ctx, http.MethodGet, path, "", nil)
		if err != nil {
			continue
		}
		decoder := json.NewDecoder(resp.Body)
		for {
			var e struct {
				Type   string `json:"type"`
				Object pod    `json:"object"`
			}
			if decoder.Decode(&e) != nil {
				break
			}
			seen(e.Type, &e.Object)
		}
		_ = resp.Body.Close()
	}
}
