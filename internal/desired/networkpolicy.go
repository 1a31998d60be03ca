package desired

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var networkPolicyKind = networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy")

// networkPolicy says who talks to a function's pods, and to whom they talk.
//
// In: nobody but probes and whoever collects metrics, on that one port. Events come over the sidecar's own connection to NATS,
// and the handler serves its sidecar, in the same pod.
//
// Out: DNS, NATS, and by default everything but link-local addresses. The handler is in the same pod as the sidecar and is
// there to call something; nobody but its author knows what, and a function that works on one machine shall work here. What
// it must not reach by accident are the credentials that clouds hand out on link-local addresses. Policies add up: who wants a
// handler to reach those allows it in a policy of his own; who wants less sets ClosedEgress, and allows what each function
// needs by policies that select FunctionLabel.
func (b *blueprint) networkPolicy() *networkingv1.NetworkPolicy {
	egress := []networkingv1.NetworkPolicyEgressRule{{Ports: b.alwaysOut()}}
	if !b.s.ClosedEgress {
		egress = append(egress, networkingv1.NetworkPolicyEgressRule{To: everywhere()})
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   typeMeta(networkPolicyKind),
		ObjectMeta: b.meta(),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: *b.selector(),
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, b.healthPort())},
			}},
			Egress: egress,
		},
	}
}

// alwaysOut are DNS, wherever it is (some clusters have it on a link-local address of each node), and NATS.
func (b *blueprint) alwaysOut() []networkingv1.NetworkPolicyPort {
	ports := []networkingv1.NetworkPolicyPort{port(corev1.ProtocolUDP, 53), port(corev1.ProtocolTCP, 53)}
	for _, p := range b.natsPorts {
		ports = append(ports, port(corev1.ProtocolTCP, p))
	}
	return ports
}

// everywhere names all pods besides all addresses, because some networks do not match pods by their address.
func everywhere() []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{
		{NamespaceSelector: &metav1.LabelSelector{}},
		{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"169.254.0.0/16"}}},
		{IPBlock: &networkingv1.IPBlock{CIDR: "::/0", Except: []string{"fe80::/10", "fd00:ec2::/32"}}},
	}
}

func port(protocol corev1.Protocol, number int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: new(protocol), Port: new(intstr.FromInt32(number))}
}
