package callback

import (
	"fmt"
	"net/netip"
	"syscall"
)

// private are the networks that are nobody's on the Internet, or lead to others: where they lead is not seen from here. What the methods
// of netip.Addr know is not repeated.
var private = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // behind a provider's address translation
	netip.MustParsePrefix("192.0.0.0/24"),    // protocols of the IETF
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // relays of 6to4
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and the broadcast address
	netip.MustParsePrefix("::/96"),           // IPv4-compatible
	netip.MustParsePrefix("64:ff9b::/32"),    // NAT64, also that of an own network
	netip.MustParsePrefix("100::/64"),        // discarded
	netip.MustParsePrefix("2001::/23"),       // protocols of the IETF, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4
	netip.MustParsePrefix("3fff::/20"),       // documentation
	netip.MustParsePrefix("5f00::/16"),       // segment routing
	netip.MustParsePrefix("fec0::/10"),       // site-local
}

// public says why an IP address may not be reached, nil if it may.
func public(a netip.Addr) error {
	a = a.WithZone("").Unmap()
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsLoopback(), a.IsPrivate(), a.IsLinkLocalUnicast(), a.IsMulticast():
		return errNotPublic
	}
	for _, network := range private {
		if network.Contains(a) {
			return errNotPublic
		}
	}
	return nil
}

var errNotPublic = fmt.Errorf("its name leads to an address that is not on the public Internet")

// control is asked for each connection, once the name is an IP address, and before anything is sent there.
func (c *Client) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return errNotPublic
	}
	return c.reach(to.Addr())
}
