// Package e2e proves the scaler, the sidecar and the manifests of deploy/ on the lab's Kubernetes and KEDA. Its tests run
// when PELTON_LAB is set and a lab is up (`task lab:up && task lab:e2e`); each prints a timeline of what it saw.
//
// NATS runs in the test process, on the address of the lab's bridge. Everything else is as users have it: the scaler and the
// functions are pods, and KEDA knows them by ScaledObjects.
package e2e
