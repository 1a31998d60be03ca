package callback

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// TestAddressesOfStrangers goes through what may be tried to be led elsewhere: none of it is taken for what is allowed.
func TestAddressesOfStrangers(t *testing.T) {
	t.Parallel()
	allow := []string{"https://hooks.example.com/a", "https://hooks.example.com/in/*", "https://hooks.example.com:8443/*", "https://other.example/"}
	for text, want := range map[string]bool{
		"https://hooks.example.com/a": true, "https://HOOKS.example.COM/a": true, "https://hooks.example.com:443/a": true,
		"https://hooks.example.com/a?token=x%2f..&y": true, "https://hooks.example.com/in": true, "https://hooks.example.com/in/": true,
		"https://hooks.example.com/in/x/y": true, "https://hooks.example.com:8443/": true, "https://hooks.example.com:8443": true,
		"https://hooks.example.com:8443/z": true, "https://other.example": true, "https://other.example/": true,

		"": false, "x": false, "/a": false, "//hooks.example.com/a": false, "hooks.example.com/a": false, "http://hooks.example.com/a": false,
		"HTTP://hooks.example.com/a": false, "ftp://hooks.example.com/a": false, "file:///etc/passwd": false, "gopher://hooks.example.com/a": false,
		"data:text/plain,x": false, "javascript:alert(1)": false, "https:hooks.example.com/a": false, "https:///a": false, "https://": false,
		"https://hooks.example.com./a": false, "https://hooks.example.com:/a": false, "https://hooks.example.com:80/a": false,
		"https://hooks.example.com:0443/a": false, "https://hooks.example.com:99999/a": false, "https://hooks.example.com:x/a": false,
		"https://user@hooks.example.com/a": false, "https://user:pass@hooks.example.com/a": false, "https://hooks.example.com@evil.example/a": false,
		"https://hooks.example.com%40evil.example/a": false, "https://evil.example\\@hooks.example.com/a": false,
		"https://hooks.example.com.evil.example/a": false, "https://xhooks.example.com/a": false, "https://hooks.example.com/a#x": false,
		"https://hooks.example.com/a#": false, "https://hooks.example.com/A": false, "https://hooks.example.com/a/": false,
		"https://hooks.example.com/a/b": false, "https://hooks.example.com/inx": false, "https://hooks.example.com/in/../a": false,
		"https://hooks.example.com/in/./x": false, "https://hooks.example.com/in//x": false, "https://hooks.example.com/in/%2e%2e/x": false,
		"https://hooks.example.com/in/x;y": false, "https://hooks.example.com/in/x\\y": false, "https://hooks.example.com/%61": false,
		"https://hooks.example.com/": false, "https://hooks.example.com": false, "https://other.example/x": false, "https://other.example/*": false,
		"https://127.0.0.1/a": false, "https://[::1]/a": false, "https://2130706433/a": false, "https://0x7f.1/a": false, "https://localhost/a": false,
		"https://h\u00f6oks.example.com/a": false, "https://hooks.example.com/a b": false, "https://hooks.example.com/a\n": false,
		" https://hooks.example.com/a": false, "https://hooks.example.com/a\x00": false, "https://hooks.example.com\u3002evil.example/a": false,
		"https://hooks.example.com/in/" + strings.Repeat("a", 2048): false,
	} {
		u, err := Parse(text)
		if got := err == nil && Allowed(allow, u); got != want {
			t.Errorf("%.80q: allowed is %v (%v), want %v", text, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), ": ") {
			t.Errorf("%.80q: %v does not say what to do", text, err)
		}
	}
}

// TestAddressesOnTheWay: whatever a name leads to, only the public Internet is reached.
func TestAddressesOnTheWay(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2a00:1450:4001::1", "::ffff:8.8.8.8"} {
		if err := public(netip.MustParseAddr(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254",
		"100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:100.64.0.1",
		"64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::",
		"2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "fd00:ec2::254",
	} {
		if public(netip.MustParseAddr(text)) == nil {
			t.Errorf("%s can be reached", text)
		}
	}
	if public(netip.Addr{}) == nil {
		t.Error("what is no address can be reached")
	}
}
