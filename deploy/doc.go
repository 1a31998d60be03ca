// Package deploy holds what is applied to a cluster, and the pages about it. It has no code of its own: its tests read every
// manifest as strictly as a cluster would, ask a real scaler about every ScaledObject, make the certificates, and follow
// every link. They know no cluster; internal/lab/e2e applies the same files to one.
package deploy
